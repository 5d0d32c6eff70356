import { type CallOptions, throwIfAborted } from "../base/abort.ts";
import { checkCollectionName } from "../base/collection-name.ts";
import { FormDBError } from "../base/errors.ts";
import type { WriteKind } from "../base/observer.ts";
import {
  abortSignal,
  boolean,
  checkOptions,
  configError,
  func,
  integer,
  milliseconds,
  oneOf,
  show,
} from "../base/options.ts";
import { type BatchOptions, type BatchSettings, batchSettings } from "./batch-options.ts";
import { closedError, errorForCaller, SingleCall, Tally, watch } from "./calls.ts";
import { deliverRest } from "./closing.ts";
import { Dispatcher } from "./dispatcher.ts";
import { DOCUMENT, Feeder, ID, ITEM, iterable, manyOf, type Source, type ToItem, UPDATE } from "./feeder.ts";
import type {
  BatchResult,
  BatchStats,
  CloseResult,
  ExecuteGroup,
  Submitted,
  UndeliveredOperation,
} from "./group.ts";
import { Intake } from "./intake.ts";
import { JournalWriter, type ReplayResult, replayJournal } from "./journal-writer.ts";
import { Ledger } from "./ledger.ts";
import { type Caller, encodeOperation, type Operation, refusedOperation, type Write } from "./operation.ts";
import { WriteQueue } from "./write-queue.ts";

export type { BatchStats } from "./group.ts";

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

/** An update, as calls of many take it. */
export interface UpdateItem {
  readonly id: string | number;
  /** A JSON Merge Patch (RFC 7396). */
  readonly document: unknown;
}

const NO_OPTIONS: WriteOptions = Object.freeze({});
const WRITE_OPTIONS = { signal: abortSignal, timeoutMs: milliseconds, countsFailures: boolean };
const SUBMIT_OPTIONS = {
  ...WRITE_OPTIONS,
  maxErrors: integer(0, Infinity),
  maxBatchSize: integer(1),
  onAccepted: func,
};

/** The call of a write that is refused at once: its promise is rejected by whoever refuses it. */
const REFUSED: Caller = { countsFailures: true, add: () => 0, taken() {}, ended() {} };
const REFUSED_UNCOUNTED: Caller = { ...REFUSED, countsFailures: false };

/**
 * One queue for inserts, updates, upserts and deletes: gathers them into groups of one kind and collection, sends
 * each group by one call of `execute`, and tells every operation how it ended. Operations of one id keep their
 * order.
 *
 * `insert`, `update`, `upsert` and `delete` return nothing: they add what there is room for, and `flush` gives the
 * result. `submit` and `submitAll` return a promise, which alone tells how their operations ended, and wait in
 * order while the queue is full. They count for the flush too.
 */
export class BatchProcessor {
  readonly #settings: BatchSettings;
  readonly #ledger: Ledger;
  readonly #dispatcher: Dispatcher;
  readonly #intake: Intake;
  #lastFlush: Promise<unknown> = Promise.resolve();
  #state: "open" | "closing" | "closed" = "open";
  #closing: Promise<CloseResult> | undefined;

  constructor(execute: ExecuteGroup, options: BatchOptions = {}) {
    if (typeof execute !== "function") {
      throw configError(
        `A BatchProcessor needs a function that executes groups, not ${show(execute)}`,
        "execute",
      );
    }
    const settings = batchSettings(options);
    const { spill, coalesce, partition } = settings;
    const queue = new WriteQueue(coalesce, partition);
    const journal = spill && new JournalWriter(spill, settings.onError);
    const ledger = new Ledger(settings, { queue, journal, onRoom: () => this.#dispatcher.admit() });
    this.#settings = settings;
    this.#ledger = ledger;
    this.#dispatcher = new Dispatcher(settings, { execute, queue, ledger, journal });
    this.#intake = new Intake(settings, { ledger, dispatcher: this.#dispatcher, journal });
  }

  /**
   * Adds one document or many. What finds no room fails with `FORMDB_QUEUE_FULL`. Throws if it can add nothing at
   * all.
   */
  insert(collection: string, documents: unknown): void {
    this.#add("insert", collection, manyOf(documents), DOCUMENT);
  }

  /** Adds merge patches. */
  update(collection: string, updates: Iterable<UpdateItem> | UpdateItem): void {
    this.#add("update", collection, manyOf(updates), UPDATE);
  }

  /** Adds documents that replace those with their ids. */
  upsert(collection: string, documents: unknown): void {
    this.#add("upsert", collection, manyOf(documents), DOCUMENT);
  }

  delete(collection: string, ids: Iterable<string | number> | string | number): void {
    this.#add("delete", collection, manyOf(ids), ID);
  }

  /**
   * Writes what an earlier processor could not deliver. Waits for room as `submitAll` does, and gives a result as
   * it does.
   */
  async requeue(operations: Iterable<UndeliveredOperation>): Promise<BatchResult> {
    const call = new Tally(this.#settings);
    call.open();
    for (const run of runsOf(operations)) {
      this.#check(run.collection, NO_OPTIONS);
      await new Promise<void>((resolve) => {
        this.#feed(run, call, () => resolve());
      });
    }
    call.close();
    return call.whenComplete();
  }

  /**
   * One operation with a promise of its own, which rejects with the operation's own error. `id` may be left out
   * if the document has one or may get one.
   */
  submit(
    kind: WriteKind,
    collection: string,
    id: string | number | undefined,
    value: unknown,
    options?: WriteOptions,
  ): Promise<Submitted> {
    return this.write({ kind, collection, id, value }, options, submitted);
  }

  /** `submit`, for callers that give something else than its result: `give` makes it. */
  async write<T>(
    write: Write,
    options: WriteOptions = NO_OPTIONS,
    give: (id: string, found: boolean | undefined) => T,
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
      const giveUp = this.#start(write, call);
      stop = watch("The write", options, this.#settings.clock, giveUp);
    } catch (error) {
      throw this.#refused(error, options);
    }
    const { outcome, error, found } = await call.ending;
    stop?.();
    if (outcome === "applied") return give(call.id, found);
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
        toItem: TO_ITEM[kind],
        groupLimit: maxBatchSize,
      };
      const feeder = this.#feed(source, call, options.onAccepted && (() => this.#accepted(call, options)));
      stop = watch("The call", options, this.#settings.clock, (error) => {
        feeder.refuseRest(error);
        for (const operation of call.pending) this.#ledger.giveUp(operation, error);
      });
    } catch (error) {
      return Promise.reject(this.#refused(error, options));
    }
    const result = call.whenComplete();
    return stop === undefined ? result : result.finally(stop);
  }

  /**
   * Sends what is queued. Resolves when all that was added before is settled, to the result of what was added
   * since the last flush.
   */
  flush(): Promise<BatchResult> {
    if (this.#state === "closed") return Promise.reject(closedError());
    return this.#claim();
  }

  stats(): BatchStats {
    const { queue, inFlight, flushes, retries, coalesced, batchLimit } = this.#dispatcher;
    const { count, bytes, waiting } = this.#ledger.room;
    const oldest = queue.oldestQueuedAtMs();
    return {
      queued: queue.count,
      queuedBytes: queue.bytes,
      inFlight,
      held: count,
      heldBytes: bytes,
      waiting,
      oldestMs: oldest === undefined ? 0 : this.#settings.clock.now() - oldest,
      flushes,
      retries,
      coalesced,
      successful: this.#ledger.successful,
      failed: this.#ledger.failed,
      batchLimit,
    };
  }

  /**
   * Takes no more, delivers what it has, and ends. What is not delivered by the deadline comes back: as
   * `undelivered` if it is certainly not applied, as failures with the outcome `unknown` if it was under way. With
   * a `spill` the former is out of the journal, and the latter stays there for the next start and must not be
   * queued again by hand.
   */
  close(options: { readonly deadlineMs?: number | undefined } = {}): Promise<CloseResult> {
    checkOptions("close()", options, { deadlineMs: milliseconds });
    this.#closing ??= this.#close(options.deadlineMs ?? Infinity);
    return this.#closing;
  }

  /** Queues what a crash has left in the journal. Call it before anything is added. */
  async replay(): Promise<ReplayResult> {
    const { spill, lookUpToken } = this.#settings;
    if (spill === undefined)
      throw configError("A BatchProcessor without a spill has nothing to replay", "spill");
    return replayJournal(spill, lookUpToken!, (operation) => this.#intake.restore(operation));
  }

  #add(kind: WriteKind, collection: string, items: Iterable<unknown>, toItem: ToItem): void {
    this.#check(collection, NO_OPTIONS);
    const source = { kind, collection, items, toItem, groupLimit: 0 };
    const feeder = new Feeder(this.#intake, source, undefined, this.#ledger.flush);
    if (!this.#intake.addNow(feeder)) feeder.refuseRest(this.#ledger.room.fullError);
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
    if (call.hasFailed) return;
    try {
      onAccepted?.();
    } catch {
      // The operations are accepted whatever the callback does.
    }
  }

  /** Adds the operation of a call of one, now or when there is room. Returns how its caller gives it up. */
  #start(write: Write, call: SingleCall): (error: FormDBError) => void {
    const { room, flush } = this.#ledger;
    if (!room.mustWait) {
      const operation = encodeOperation(write, this.#settings.generateId);
      if (room.hasPlaceFor(operation.bytes)) {
        operation.context = this.#settings.captureContext();
        this.#countFor(operation, call);
        this.#intake.take(operation);
        return (error) => this.#ledger.giveUp(operation, error);
      }
    }
    const { kind, collection } = write;
    const source = { kind, collection, items: [write], toItem: ITEM, groupLimit: 0 };
    const feeder = new Feeder(this.#intake, source, call, flush);
    this.#intake.start(feeder);
    return (error) => {
      feeder.refuseRest(error);
      if (call.operation !== undefined) this.#ledger.giveUp(call.operation, error);
    };
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
  #refused(error: unknown, { countsFailures = true }: WriteOptions): unknown {
    if (!(error instanceof FormDBError) || error.code === "FORMDB_QUEUE_FULL") return error;
    if (countsFailures) this.#settings.observer.failed(error.code, "");
    return errorForCaller(error, "rejected", 0);
  }

  #claim(): Promise<BatchResult> {
    const tally = this.#ledger.claim();
    this.#dispatcher.trigger("explicit");
    const before = this.#lastFlush;
    const result = tally.whenComplete().then(async (own) => {
      await before;
      return own;
    });
    this.#lastFlush = result;
    return result;
  }

  async #close(deadlineMs: number): Promise<CloseResult> {
    this.#state = "closing";
    const undelivered = await deliverRest(
      {
        dispatcher: this.#dispatcher,
        ledger: this.#ledger,
        intake: this.#intake,
        clock: this.#settings.clock,
      },
      deadlineMs,
    );
    this.#state = "closed";
    this.#ledger.reportUncollected();
    const result = await this.#claim();
    return { undelivered, result };
  }

  #check(collection: string, { signal }: CallOptions): void {
    if (this.#state !== "open") throw closedError();
    checkCollectionName(collection);
    throwIfAborted("The write", signal);
  }
}

const TO_ITEM: Readonly<Record<WriteKind, ToItem>> = {
  insert: DOCUMENT,
  update: UPDATE,
  upsert: DOCUMENT,
  delete: ID,
};

const checkWriteKind = oneOf("insert", "update", "upsert", "delete");

function checkKind(kind: unknown): void {
  const wanted = checkWriteKind(kind);
  if (wanted !== undefined)
    throw configError(`A write's kind must be ${wanted}, not ${show(kind)}`, "kind", kind);
}

function submitted(id: string, found: boolean | undefined): Submitted {
  return found === undefined ? { id } : { id, found };
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
