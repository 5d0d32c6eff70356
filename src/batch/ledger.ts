import type { FailureOutcome, FormDBError } from "../base/errors.ts";
import type { BatchSettings } from "./batch-options.ts";
import type { Feeder } from "./feeder.ts";
import type { OperationResult, UndeliveredOperation } from "./group.ts";
import { Holding } from "./holding.ts";
import type { Operation } from "./operation.ts";
import { Tally } from "./tally.ts";
import { Unclaimed } from "./unclaimed.ts";

/**
 * The account of a processor: what it holds, how each operation ended, and who is told. Every operation that was taken ends
 * here once, by `settled` or `giveBack`; what was never taken, by `fail` or `refuse`.
 */
export class Ledger {
  readonly holding: Holding;
  readonly unclaimed: Unclaimed;
  readonly #settings: BatchSettings;
  /** The operations added since the last flush. */
  flush: Tally;
  successful = 0;
  failed = 0;
  /** While closing gives up: takes what comes back for no reason of its own. */
  undelivered: UndeliveredOperation[] | undefined;
  /** Called with the journal's number of each operation that is settled. */
  onSettled: ((sequence: number) => void) | undefined;
  /** Called when nothing is held any more. */
  onIdle: (() => void) | undefined;

  constructor(settings: BatchSettings) {
    const { maxQueued, maxQueuedBytes, maxWaiting, maxErrors, clock, onError } = settings;
    this.#settings = settings;
    this.flush = new Tally(maxErrors);
    this.unclaimed = new Unclaimed(clock, onError);
    this.holding = new Holding(maxQueued, maxQueuedBytes, maxWaiting);
  }

  /** Ends the flush that is being gathered, for somebody who waits for its result, and begins the next. */
  claim(): Tally {
    const tally = this.flush;
    tally.claimed = true;
    this.flush = new Tally(this.#settings.maxErrors);
    return tally;
  }

  /** The outcome of an operation is known; `error` is undefined where it was applied. */
  settled(
    operation: Operation,
    result: OperationResult | undefined,
    error: FormDBError | undefined,
    outcome: FailureOutcome | undefined,
  ): void {
    const { call, flush, kind } = operation;
    this.holding.free(operation.bytes);
    if (error === undefined) {
      this.successful++;
      this.#settings.observer.settled(kind, "applied");
      call?.applied(operation, result?.found);
      flush!.applied(operation);
    } else {
      if (this.undelivered !== undefined && outcome === "rejected" && notDelivered(error)) {
        this.undelivered.push(asUndelivered(operation));
      }
      this.fail(operation, error, outcome!);
    }
    this.onSettled?.(operation.sequence);
  }

  /** Settles for the callers; in the journal, if there is one, the operation stays. */
  giveBack(operation: Operation, error: FormDBError, outcome: FailureOutcome): void {
    operation.state = "settled";
    this.holding.free(operation.bytes);
    this.fail(operation, error, outcome);
  }

  /** Counts a failure and tells of it whoever waits. */
  fail(operation: Operation, error: FormDBError, outcome: FailureOutcome): void {
    const { kind, id, call, callIndex, flush, flushIndex, attempts } = operation;
    this.failed++;
    this.#settings.observer.settled(kind, outcome);
    if (call === undefined) this.unclaimed.note(flush!, error);
    else if (call.signal !== undefined && call instanceof Tally) call.pending?.delete(operation);
    call?.failed(callIndex, id, error, outcome, attempts);
    flush!.failed(flushIndex, id, error, outcome, attempts);
  }

  /** Counts an item that was no operation. */
  refuse(feeder: Feeder, id: string | undefined, error: FormDBError): void {
    const { call, flush, kind } = feeder;
    this.failed++;
    this.#settings.observer.settled(kind, "rejected");
    call?.failed(call.add?.() ?? 0, id, error, "rejected", 0);
    if (call === undefined) this.unclaimed.note(flush, error);
    flush.failed(feeder.nextFlushIndex(), id, error, "rejected", 0);
  }
}

/** Whether a rejection is due to the closing and not to the operation. */
function notDelivered(error: FormDBError): boolean {
  return error.retryable || error.code === "FORMDB_ABORTED" || error.code === "FORMDB_CLOSED";
}

/** The operation as one that can be queued again. */
export function asUndelivered({ kind, collection, id, document }: Operation): UndeliveredOperation {
  return { kind, collection, id, document };
}
