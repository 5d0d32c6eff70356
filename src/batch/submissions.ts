import type { CallOptions } from "../base/abort.ts";
import { guardCallback } from "../base/callback.ts";
import { FormDBError } from "../base/errors.ts";
import type { WriteKind } from "../base/observer.ts";
import { boolean, CALL_BOUNDS, checkOptions, configError, func, integer, show } from "../base/options.ts";
import type { BatchSettings } from "./batch-options.ts";
import { errorForCaller, SingleCall, Tally, watch } from "./calls.ts";
import { Feeder, ITEM, ITEM_OF, iterable, type Source, sourceFailed } from "./feeder.ts";
import type { BatchResult, UndeliveredOperation } from "./group.ts";
import type { Intake } from "./intake.ts";
import type { Ledger } from "./ledger.ts";
import {
  type Caller,
  checkWriteKind,
  type Ending,
  encodeOperation,
  type Operation,
  refusedOperation,
  type Write,
} from "./operation.ts";

/**
 * How a call of one operation is bounded. What was not sent is taken back; the outcome of what was sent is
 * `unknown`.
 */
export interface WriteOptions extends CallOptions {
  /** Whether a failure counts as an error; default true. False for a caller that counts it itself. */
  readonly countsFailures?: boolean | undefined;
}

/** How a call of many operations is bounded. */
export interface SubmitOptions extends WriteOptions {
  /**
   * The most failures with the outcome `rejected` that this call's result lists. Default: the processor's
   * `maxErrors`.
   */
  readonly maxErrors?: number | undefined;
  /** The most operations of a group of this call, if it is more than the processor's. */
  readonly maxBatchSize?: number | undefined;
  /**
   * Called when all operations of the call are in the queue, and in the `spill` if there is one: then no crash loses
   * them. Not called if one has failed by then.
   */
  readonly onAccepted?: (() => void) | undefined;
}

export const NO_OPTIONS: WriteOptions = Object.freeze({});
const WRITE_OPTIONS = { ...CALL_BOUNDS, countsFailures: boolean };
const SUBMIT_OPTIONS = {
  ...WRITE_OPTIONS,
  maxErrors: integer(0, Infinity),
  maxBatchSize: integer(1),
  onAccepted: func,
};

/** The call of a write that is refused at once: its promise is rejected by whoever refuses it. */
const REFUSED: Caller = { countsFailures: true, add: () => 0, taken() {}, ended() {} };
const REFUSED_UNCOUNTED: Caller = { ...REFUSED, countsFailures: false };

function checkKind(kind: unknown): void {
  const wanted = checkWriteKind(kind);
  if (wanted !== undefined)
    throw configError(`A write's kind must be ${wanted}, not ${show(kind)}`, "kind", kind);
}

/** What calls add to, and what is told of them. */
export interface SubmissionParts {
  readonly ledger: Ledger;
  readonly intake: Intake;
  /** Throws if a call can't be made: the processor is closed, there is no such name, its signal has fired. */
  readonly check: (collection: string, options: CallOptions) => void;
}

/** The calls that return a promise, from their arguments to their outcome. */
export class Submissions {
  readonly #settings: BatchSettings;
  readonly #ledger: Ledger;
  readonly #intake: Intake;
  readonly #check: (collection: string, options: CallOptions) => void;

  constructor(settings: BatchSettings, { ledger, intake, check }: SubmissionParts) {
    this.#settings = settings;
    this.#ledger = ledger;
    this.#intake = intake;
    this.#check = check;
  }

  /** `submit`, for callers that give something else than its result: `give` makes it. */
  async write<T>(
    write: Write,
    options: WriteOptions = NO_OPTIONS,
    give: (id: string, ending: Ending) => T,
  ): Promise<T> {
    let call: SingleCall;
    let stop: (() => void) | undefined;
    try {
      if (options !== NO_OPTIONS) checkOptions("submit()", options, WRITE_OPTIONS);
      checkKind(write.kind);
      this.#check(write.collection, options);
      const { countsFailures = true } = options;
      this.#refuseIfFull(write, countsFailures ? REFUSED : REFUSED_UNCOUNTED);
      call = new SingleCall(countsFailures);
      const feeder = this.#start(write, call);
      if (options.signal !== undefined || options.timeoutMs !== undefined) {
        stop = watch("The write", options, this.#settings.clock, (error) =>
          this.#giveUp(call, feeder, error),
        );
      }
    } catch (error) {
      throw this.#refused(error, options);
    }
    const ending = await call.ending;
    stop?.();
    const { outcome, error } = ending;
    if (outcome === "applied") return give(call.id, ending);
    throw errorForCaller(error!, outcome, call.attempts);
  }

  /**
   * Many operations with a result of their own: documents, `{ id, document }` for updates, ids for deletes. Items are
   * taken from the iterable as there is room. Never rejects for an operation's failure; rejects if the
   * items could not all be taken, with the `result` of those that were as a field of the error.
   */
  submitAll(
    kind: WriteKind,
    collection: string,
    items: Iterable<unknown>,
    options: SubmitOptions = NO_OPTIONS,
  ): Promise<BatchResult> {
    let call: Tally;
    let stop: (() => void) | undefined;
    try {
      checkOptions("submitAll()", options, SUBMIT_OPTIONS);
      checkKind(kind);
      this.#check(collection, options);
      const { maxErrors = this.#settings.maxErrors, maxBatchSize = 0, countsFailures = true } = options;
      const canBeGivenUp = options.signal !== undefined || options.timeoutMs !== undefined;
      call = new Tally({ maxErrors, canBeGivenUp, countsFailures });
      const source = {
        kind,
        collection,
        items: iterable(items),
        toItem: ITEM_OF[kind],
        groupLimit: maxBatchSize,
      };
      const feeder = this.#feed(source, call, options.onAccepted && (() => this.#accepted(call, options)));
      stop = watch("The call", options, this.#settings.clock, (error) => {
        feeder.refuseRest(error);
        for (const operation of call.pending) this.#ledger.giveUp(operation, error);
        this.#intake.leave(feeder);
      });
    } catch (error) {
      return Promise.reject(this.#refused(error, options));
    }
    const result = call.whenComplete();
    return stop === undefined ? result : result.finally(stop);
  }

  /**
   * Writes what an earlier processor could not deliver. Waits for room as `submitAll` does, and gives a result as
   * it does.
   */
  async requeue(operations: Iterable<UndeliveredOperation>): Promise<BatchResult> {
    const call = new Tally(this.#settings);
    let refusal: FormDBError | undefined;
    call.open();
    try {
      for (const run of runsOf(iterable(operations) as Iterable<UndeliveredOperation>)) {
        checkKind(run.kind);
        this.#check(run.collection, NO_OPTIONS);
        await new Promise<void>((resolve) => {
          this.#feed(run, call, () => resolve());
        });
      }
    } catch (error) {
      refusal = error instanceof FormDBError ? error : sourceFailed(error);
    }
    call.close(refusal);
    return call.whenComplete();
  }

  /** Adds the operations of a call of many, now or when there is room. */
  #feed(source: Source, call: Tally, onDone?: () => void): Feeder {
    const feeder = new Feeder(this.#intake, source, call, this.#ledger.flush, (failure) => {
      call.close(failure);
      onDone?.();
    });
    call.open();
    if (!this.#intake.start(feeder)) feeder.refuseRest(this.#ledger.room.fullError);
    return feeder;
  }

  async #accepted(call: Tally, { onAccepted }: SubmitOptions): Promise<void> {
    await this.#intake.durable();
    // The operations are accepted whatever the callback does.
    if (!call.hasFailed && onAccepted !== undefined) guardCallback(onAccepted)();
  }

  /** Adds the operation of a call of one; when there is room, if there is none now: the feeder that waits for it. */
  #start(write: Write, call: SingleCall): Feeder | undefined {
    const { room, flush } = this.#ledger;
    if (!room.mustWait) {
      const operation = encodeOperation(write, this.#settings.generateId);
      if (room.hasPlaceFor(operation.bytes) || room.lineIsFull) {
        operation.context = this.#settings.captureContext();
        this.#countFor(operation, call);
        if (!this.#intake.take(operation)) this.#intake.refuse(operation, room.fullError);
        return undefined;
      }
    }
    const { kind, collection } = write;
    const source = { kind, collection, items: [write], toItem: ITEM, groupLimit: 0 };
    const feeder = new Feeder(this.#intake, source, call, flush);
    // The encoding of the document may have called the processor itself.
    if (!this.#intake.start(feeder)) feeder.refuseRest(room.fullError);
    return feeder;
  }

  #giveUp(call: SingleCall, feeder: Feeder | undefined, error: FormDBError): void {
    feeder?.refuseRest(error);
    if (call.operation !== undefined) this.#ledger.giveUp(call.operation, error);
    if (feeder !== undefined) this.#intake.leave(feeder);
  }

  /** Throws if there is neither room for a write nor a place to wait. Nothing but its count is kept of it. */
  #refuseIfFull(write: Write, call: Caller): void {
    const { room } = this.#ledger;
    if (!room.lineIsFull || !room.mustWait) return;
    const operation = refusedOperation(write);
    this.#countFor(operation, call);
    this.#intake.refuse(operation, room.fullError);
    throw room.fullError;
  }

  #countFor(operation: Operation, call: Caller): void {
    const { flush } = this.#ledger;
    operation.call = call;
    operation.flush = flush;
    operation.flushIndex = flush.add();
  }

  /** The error of a call of which nothing was taken. */
  #refused(error: unknown, options: WriteOptions | null): unknown {
    if (!(error instanceof FormDBError) || error.code === "FORMDB_QUEUE_FULL") return error;
    // What was refused may be options that are none.
    if (options?.countsFailures !== false) this.#settings.observer.failed(error.code, "");
    return errorForCaller(error, "rejected", 0);
  }
}

/** Operations of one kind and collection that follow one another, as sources. */
function* runsOf(operations: Iterable<UndeliveredOperation>): Generator<Source> {
  let items: { id: string; value: unknown }[] = [];
  let run: Source | undefined;
  for (const { kind, collection, id, document } of operations) {
    if (run?.kind !== kind || run.collection !== collection) {
      if (run !== undefined) yield run;
      items = [];
      run = { kind, collection, items, toItem: ITEM, groupLimit: 0 };
    }
    items.push({ id, value: document });
  }
  if (run !== undefined) yield run;
}
