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
import type { BatchStats } from "./batch-stats.ts";
import { deliverRest } from "./closing.ts";
import { Dispatcher } from "./dispatcher.ts";
import { Entrance } from "./entrance.ts";
import type { BatchResult, CloseResult, ExecuteGroup, UndeliveredOperation } from "./group.ts";
import { DOCUMENT, ID, ITEM, iterable, manyOf, type ToItem, UPDATE } from "./items.ts";
import { Ledger } from "./ledger.ts";
import { NotingPromise } from "./noting-promise.ts";
import { aborted, closedError } from "./refusals.ts";
import { type ReplayResult, replayJournal } from "./replay.ts";
import { SingleCall, type Submitted } from "./single-call.ts";
import { Tally } from "./tally.ts";

export type { BatchStats } from "./batch-stats.ts";

/** How a call of many operations is bounded. */
export interface SubmitOptions {
  /** Ends the call: what was not sent is withdrawn and fails with `FORMDB_ABORTED`. */
  readonly signal?: AbortSignal | undefined;
  /** Failures that this call's result lists. Default: the processor's `maxErrors`. */
  readonly maxErrors?: number | undefined;
  /** The most operations of a group of this call, where it is more than the processor's. */
  readonly maxBatchSize?: number | undefined;
  /**
   * Whether anybody waits for the result, for callers that hand it on. Default: whether the promise itself is awaited. Where
   * nobody does, and no flush comes, failures go to `onError`.
   */
  readonly awaited?: (() => boolean) | undefined;
  /** Whether failures count as errors; default true. False for a caller that counts them itself. */
  readonly countsFailures?: boolean | undefined;
}

/** An update, as calls of many take it. */
export interface UpdateItem {
  readonly id: string | number;
  /** A JSON Merge Patch (RFC 7396). */
  readonly document: unknown;
}

/**
 * One queue for inserts, updates, upserts and deletes: gathers them into groups of one kind and collection, sends each
 * group by one call of `execute`, and tells every operation how it ended. Operations of one id keep their order.
 *
 * `insert`, `update`, `upsert` and `delete` add operations without telling of each; `flush` gives the result of
 * all. `submit` and `submitAll` give results of their own, and count for the flush too.
 */
export class BatchProcessor {
  readonly #settings: BatchSettings;
  readonly #ledger: Ledger;
  readonly #dispatcher: Dispatcher;
  readonly #entrance: Entrance;
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
    const ledger = new Ledger(settings);
    this.#settings = settings;
    this.#ledger = ledger;
    this.#dispatcher = new Dispatcher(execute, settings, {
      settled: (operation, result, error, outcome) => ledger.settled(operation, result, error, outcome),
      stepped: () => this.#entrance.stepped(),
    });
    this.#entrance = new Entrance(settings, ledger, this.#dispatcher);
    const { gate } = this.#entrance;
    if (gate !== undefined) {
      ledger.onSettled = (sequence) => gate.settle(sequence);
      ledger.forget = (sequence) => gate.forget(sequence);
      ledger.onFreed = () => this.#entrance.stepped();
    }
  }

  /** Adds one document or many. Resolves when they are in the queue; see `NotingPromise` for who is refused. */
  insert(collection: string, documents: unknown): Promise<void> {
    return this.#add("insert", collection, manyOf(documents), DOCUMENT);
  }

  /** Adds merge patches. */
  update(collection: string, updates: Iterable<UpdateItem> | UpdateItem): Promise<void> {
    return this.#add("update", collection, manyOf(updates), UPDATE);
  }

  /** Adds documents that replace those with their ids. */
  upsert(collection: string, documents: unknown): Promise<void> {
    return this.#add("upsert", collection, manyOf(documents), DOCUMENT);
  }

  delete(collection: string, ids: Iterable<string | number> | string | number): Promise<void> {
    return this.#add("delete", collection, manyOf(ids), ID);
  }

  /** Adds what an earlier processor could not deliver. */
  async requeue(operations: Iterable<UndeliveredOperation>): Promise<void> {
    for (const { kind, collection, id, document } of operations) {
      await this.#add(kind, collection, [{ id, value: document }], ITEM);
    }
  }

  /**
   * One operation with a promise of its own, which rejects with the operation's own error. `id` may be left out
   * where the document has one or may get one.
   */
  submit(
    kind: WriteKind,
    collection: string,
    id: string | number | undefined,
    value: unknown,
    signal?: AbortSignal,
  ): Promise<Submitted> {
    const call = new SingleCall(signal);
    try {
      checkKind(kind);
      const wanted = signal === undefined ? undefined : abortSignal(signal);
      if (wanted !== undefined)
        throw configError(`submit()'s signal must be ${wanted}, not ${show(signal)}`, "signal");
      this.#check(collection, signal);
      this.#entrance.addOne(kind, collection, id, value, call);
    } catch (error) {
      return Promise.reject(error);
    }
    return call.promise;
  }

  /**
   * Many operations with a result of their own: documents, `{ id, document }` for updates, ids for deletes. Items are
   * taken from the iterable as there is room. Never rejects for an operation's failure; rejects where the
   * items could not all be taken, with the `result` of those that were as a field of the error.
   */
  submitAll(
    kind: WriteKind,
    collection: string,
    items: Iterable<unknown>,
    options: SubmitOptions = {},
  ): Promise<BatchResult> {
    let promise: NotingPromise<BatchResult> | undefined;
    const awaited = options?.awaited ?? (() => promise?.awaited === true);
    promise = NotingPromise.of(this.#submitAll(kind, collection, items, options, awaited));
    return promise;
  }

  async #submitAll(
    kind: WriteKind,
    collection: string,
    items: Iterable<unknown>,
    options: SubmitOptions,
    awaited: () => boolean,
  ): Promise<BatchResult> {
    checkOptions("submitAll()", options, {
      signal: abortSignal,
      maxErrors: integer(0, Infinity),
      maxBatchSize: integer(1),
      awaited: func,
      countsFailures: boolean,
    });
    checkKind(kind);
    const { signal, maxErrors = this.#settings.maxErrors, maxBatchSize = 0, countsFailures } = options;
    this.#check(collection, signal);
    const call = new Tally(maxErrors, signal, awaited, countsFailures);
    const toItem = kind === "update" ? UPDATE : kind === "delete" ? ID : DOCUMENT;
    const feeder = this.#entrance.feeder(kind, collection, iterable(items), toItem, call, maxBatchSize);
    let failure: FormDBError | undefined;
    call.open();
    feeder.onDone = (error) => {
      failure = error;
      call.close();
    };
    const onAbort = (): void => this.#entrance.abort(call, feeder, aborted(signal!));
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#entrance.start(feeder);
    const result = await call.whenComplete();
    signal?.removeEventListener("abort", onAbort);
    if (failure === undefined) return result;
    const { code, message } = failure;
    throw new FormDBError(code, message, { cause: failure, details: { result } });
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
    const { count, bytes, waiting } = this.#ledger.holding;
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
   * Takes no more, delivers what it has, and ends. What is not delivered by the deadline comes back: as `undelivered`
   * where it is certainly not applied, as failures with the outcome `unknown` where it was under way. With a `spill`
   * the former is out of the journal, and the latter stays there for the next start and must not be queued again by hand.
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
    return replayJournal(spill, lookUpToken!, (operation) => this.#entrance.restore(operation));
  }

  #add(kind: WriteKind, collection: string, items: Iterable<unknown>, toItem: ToItem): Promise<void> {
    try {
      this.#check(collection, undefined);
      return this.#entrance.addAll(kind, collection, items, toItem);
    } catch (error) {
      return this.#entrance.refuseAll(error as Error);
    }
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
    const { unclaimed } = this.#ledger;
    unclaimed.reportAll();
    const undelivered = await deliverRest(
      {
        dispatcher: this.#dispatcher,
        ledger: this.#ledger,
        gate: this.#entrance.gate,
        clock: this.#settings.clock,
      },
      deadlineMs,
    );
    this.#state = "closed";
    unclaimed.reportAll();
    const result = await this.#claim();
    return { undelivered, result };
  }

  #check(collection: string, signal: AbortSignal | undefined): void {
    if (this.#state !== "open") throw closedError();
    checkCollectionName(collection);
    if (signal?.aborted) throw aborted(signal);
  }
}

const checkWriteKind = oneOf("insert", "update", "upsert", "delete");

function checkKind(kind: unknown): void {
  const wanted = checkWriteKind(kind);
  if (wanted !== undefined)
    throw configError(`A write's kind must be ${wanted}, not ${show(kind)}`, "kind", kind);
}
