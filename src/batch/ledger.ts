import { type FailureOutcome, FormDBError, messageOf } from "../base/errors.ts";
import type { BatchSettings } from "./batch-options.ts";
import type { Feeder } from "./feeder.ts";
import type { OperationResult, UndeliveredOperation } from "./group.ts";
import { Holding } from "./holding.ts";
import type { Operation, Sink } from "./operation.ts";
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
  /** Makes the journal forget an operation that was not applied, by its number there. */
  forget: ((sequence: number) => Promise<void>) | undefined;
  readonly #forgetting: Set<Promise<void>> = new Set();
  /** Called when an operation's place came free later than its outcome was known. */
  onFreed: (() => void) | undefined;
  /** Called with the journal's number of each operation that is settled. */
  onSettled: ((sequence: number) => void) | undefined;
  /** Called when nothing is held any more. */
  onIdle: (() => void) | undefined;

  constructor(settings: BatchSettings) {
    const { maxQueued, maxQueuedBytes, maxWaiting, maxErrors, clock, onError, observer } = settings;
    this.#settings = settings;
    this.flush = new Tally(maxErrors);
    this.unclaimed = new Unclaimed(clock, { onError, unawaited: observer.unawaited });
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
    if (error !== undefined) {
      this.#failed(operation, error, outcome!);
      return;
    }
    this.holding.free(operation.bytes);
    this.successful++;
    this.#settings.observer.settled(kind, "applied");
    call?.applied(operation, result?.found);
    flush!.applied(operation);
    this.onSettled?.(operation.sequence);
  }

  /** Resolves when the journal has forgotten all that was rejected, and their callers were told. */
  async forgotten(): Promise<void> {
    while (this.#forgetting.size > 0) await Promise.all(this.#forgetting);
  }

  #failed(operation: Operation, error: FormDBError, outcome: FailureOutcome): void {
    let handedBack: UndeliveredOperation | undefined;
    if (this.undelivered !== undefined && outcome === "rejected" && notDelivered(error)) {
      handedBack = asUndelivered(operation);
      this.undelivered.push(handedBack);
    }
    if (outcome === "rejected" && this.forget !== undefined && operation.sequence > 0) {
      const told = this.#tellOnceForgotten(operation, error, handedBack);
      this.#forgetting.add(told);
      void told.then(() => this.#forgetting.delete(told));
      return;
    }
    this.holding.free(operation.bytes);
    this.fail(operation, error, outcome);
    this.onSettled?.(operation.sequence);
  }

  /** Whoever is told that a write was rejected may rely on it: no crash from then on brings it back. */
  async #tellOnceForgotten(
    operation: Operation,
    error: FormDBError,
    handedBack: UndeliveredOperation | undefined,
  ): Promise<void> {
    const { undelivered } = this;
    operation.state = "settled";
    let failure: unknown;
    try {
      await this.forget!(operation.sequence);
    } catch (cause) {
      failure = cause ?? new Error("for no reason given");
    }
    this.holding.free(operation.bytes);
    if (failure === undefined) this.fail(operation, error, "rejected");
    else {
      if (handedBack !== undefined) undelivered!.splice(undelivered!.indexOf(handedBack), 1);
      this.fail(operation, notForgotten(error, failure), "unknown");
      this.onSettled?.(operation.sequence);
    }
    this.onFreed?.();
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
    this.#note(call, flush!, error);
    if (call?.signal !== undefined && call instanceof Tally) call.pending?.delete(operation);
    call?.failed(callIndex, id, error, outcome, attempts);
    flush!.failed(flushIndex, id, error, outcome, attempts);
  }

  /** Counts an item that was no operation. */
  refuse(feeder: Feeder, id: string | undefined, error: FormDBError): void {
    const { call, flush, kind } = feeder;
    this.failed++;
    this.#settings.observer.settled(kind, "rejected");
    call?.failed(call.add?.() ?? 0, id, error, "rejected", 0);
    this.#note(call, flush, error);
    flush.failed(feeder.nextFlushIndex(), id, error, "rejected", 0);
  }

  /** A failure that a call of one tells of rejects its promise, and is seen to by the process. */
  #note(call: Sink | undefined, flush: Tally, error: FormDBError): void {
    if (call !== undefined && !(call instanceof Tally)) return;
    if (call?.counts !== false) {
      const { sqlstate } = error;
      this.#settings.observer.failed(error.code, typeof sqlstate === "string" ? sqlstate : "");
    }
    this.unclaimed.note(call ?? flush, flush, error);
  }
}

function notForgotten(error: FormDBError, cause: unknown): FormDBError {
  return new FormDBError(
    error.code,
    `${error.message}. The journal could not forget the write, so it may still be made after a crash: ${messageOf(cause)}`,
    { cause: error, retryable: false, details: { outcome: "unknown" } },
  );
}

/** Whether a rejection is due to the closing and not to the operation. */
function notDelivered(error: FormDBError): boolean {
  return error.retryable || error.code === "FORMDB_ABORTED" || error.code === "FORMDB_CLOSED";
}

/** The operation as one that can be queued again. */
export function asUndelivered({ kind, collection, id, document }: Operation): UndeliveredOperation {
  return { kind, collection, id, document };
}
