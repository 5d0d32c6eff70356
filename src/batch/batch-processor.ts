import { type CallOptions, throwIfAborted } from "../base/abort.ts";
import { checkCollectionName } from "../base/collection-name.ts";
import type { WriteKind } from "../base/observer.ts";
import { configError, milliseconds, show, wrongOption } from "../base/options.ts";
import { type BatchOptions, type BatchSettings, batchSettings } from "./batch-options.ts";
import { closedError } from "./calls.ts";
import { deliverRest } from "./closing.ts";
import { Dispatcher } from "./dispatcher.ts";
import { DOCUMENT, Feeder, ID, manyOf, type ToItem, UPDATE } from "./feeder.ts";
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
import type { Ending, Write } from "./operation.ts";
import { NO_OPTIONS, Submissions, type SubmitOptions, type WriteOptions } from "./submissions.ts";
import { WriteQueue } from "./write-queue.ts";

export type { BatchStats } from "./group.ts";
export type { SubmitOptions, WriteOptions } from "./submissions.ts";

/** An update, as calls of many take it. */
export interface UpdateItem {
  readonly id: string | number;
  /** A JSON Merge Patch (RFC 7396). */
  readonly document: unknown;
}

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
  readonly #submissions: Submissions;
  #lastFlush: Promise<unknown> = Promise.resolve();
  #state: "open" | "closing" | "closed" = "open";
  #closing: Promise<CloseResult> | undefined;
  #replaying: Promise<ReplayResult> | undefined;
  readonly #journal: JournalWriter | undefined;

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
    this.#journal = journal;
    this.#ledger = ledger;
    this.#dispatcher = new Dispatcher(settings, { execute, queue, ledger, journal });
    this.#intake = new Intake(settings, { ledger, dispatcher: this.#dispatcher, journal });
    this.#submissions = new Submissions(settings, {
      ledger,
      intake: this.#intake,
      check: (collection, callOptions) => this.#check(collection, callOptions),
    });
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

  /** Adds documents to be deleted, each by its id. */
  delete(collection: string, ids: Iterable<string | number> | string | number): void {
    this.#add("delete", collection, manyOf(ids), ID);
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
  write<T>(
    write: Write,
    options: WriteOptions | undefined,
    give: (id: string, ending: Ending) => T,
  ): Promise<T> {
    return this.#submissions.write(write, options, give);
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
    options?: SubmitOptions,
  ): Promise<BatchResult> {
    return this.#submissions.submitAll(kind, collection, items, options);
  }

  /**
   * Writes what an earlier processor could not deliver. Waits for room as `submitAll` does, and gives a result as
   * it does.
   */
  requeue(operations: Iterable<UndeliveredOperation>): Promise<BatchResult> {
    return this.#submissions.requeue(operations);
  }

  /**
   * Sends what is queued. Resolves when all that was added before is settled, to the result of what was added
   * since the last flush.
   */
  flush(): Promise<BatchResult> {
    if (this.#state === "closed") return Promise.reject(closedError());
    return this.#claim();
  }

  /** What is queued and under way, and what was counted since the start. */
  stats(): BatchStats {
    const { queue, inFlight, underWay, flushes, retries, coalesced, batchLimit } = this.#dispatcher;
    const { count, bytes, waiting } = this.#ledger.room;
    const oldest = queue.oldestQueuedAtMs(underWay);
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
   * queued again by hand. Calling again gives the same promise: the deadline of the first call holds.
   */
  close(options: { readonly deadlineMs?: number | undefined } = {}): Promise<CloseResult> {
    const wrong = wrongOption("close()", options, { deadlineMs: milliseconds });
    if (wrong !== undefined) return Promise.reject(wrong);
    this.#closing ??= this.#close(options.deadlineMs ?? Infinity);
    return this.#closing;
  }

  /**
   * Queues what a crash has left in the journal, once: a later call gives the same result. Throws `FORMDB_CONFIG` if something
   * was added before, which is in the journal too. May be called again where it has failed: nothing is queued then.
   */
  replay(): Promise<ReplayResult> {
    this.#replaying ??= this.#replay().catch((error: unknown) => {
      this.#replaying = undefined;
      throw error;
    });
    return this.#replaying;
  }

  async #replay(): Promise<ReplayResult> {
    const { spill, lookUpToken } = this.#settings;
    if (spill === undefined)
      throw configError("A BatchProcessor without a spill has nothing to replay", "spill");
    if (this.#journal!.hasNumbered)
      throw configError("replay() must be called before anything is added to the BatchProcessor", "spill");
    return replayJournal(spill, lookUpToken!, (operation) => this.#intake.restore(operation));
  }

  #add(kind: WriteKind, collection: string, items: Iterable<unknown>, toItem: ToItem): void {
    this.#check(collection, NO_OPTIONS);
    const source = { kind, collection, items, toItem, groupLimit: 0 };
    const feeder = new Feeder(this.#intake, source, undefined, this.#ledger.flush);
    if (!this.#intake.addNow(feeder)) feeder.refuseRest(this.#ledger.room.fullError);
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

function submitted(id: string, { found }: Ending): Submitted {
  return found === undefined ? { id } : { id, found };
}
