import { checkCollectionName } from "../base/collection-name.ts";
import { type FailureOutcome, FormDBError } from "../base/errors.ts";
import type { WriteKind } from "../base/observer.ts";
import { checkOptions, configError, integer, milliseconds, object, show } from "../base/options.ts";
import { Accepted } from "./accepted.ts";
import { type BatchOptions, type BatchSettings, batchSettings } from "./batch-options.ts";
import { Dispatcher } from "./dispatcher.ts";
import { Feeder, type Intake } from "./feeder.ts";
import type {
  BatchResult,
  CloseResult,
  ExecuteGroup,
  OperationResult,
  UndeliveredOperation,
} from "./group.ts";
import { Holding } from "./holding.ts";
import { DOCUMENT, ID, ITEM, iterable, manyOf, UPDATE } from "./items.ts";
import { JournalGate } from "./journal-gate.ts";
import { encodeOperation, type Item, type Operation } from "./operation.ts";
import { aborted, closedError, queueFull } from "./refusals.ts";
import { type ReplayResult, replayJournal } from "./replay.ts";
import { SingleCall, type Submitted } from "./single-call.ts";
import { Tally } from "./tally.ts";
import { Unclaimed } from "./unclaimed.ts";

/** What there is to know of a processor at one moment, and what it has done. */
export interface BatchStats {
  /** Operations that wait to be sent. */
  readonly queued: number;
  readonly queuedBytes: number;
  /** Groups under way, those that pause before a retry included. */
  readonly inFlight: number;
  /** Operations held: queued, or under way. */
  readonly held: number;
  readonly heldBytes: number;
  /** Calls that wait for room. */
  readonly waiting: number;
  /** How long the oldest queued operation has waited. */
  readonly oldestMs: number;
  /** Batches sent, retries and halves not counted. */
  readonly flushes: number;
  readonly retries: number;
  /** Operations that were sent together with an earlier one of their id, as one. */
  readonly coalesced: number;
  readonly successful: number;
  readonly failed: number;
  /** The most operations that a group may have now. */
  readonly batchLimit: number;
}

/** How a call of many operations is bounded. */
export interface SubmitOptions {
  /** Ends the call: what was not sent is withdrawn and fails with `FORMDB_ABORTED`. */
  readonly signal?: AbortSignal | undefined;
  /** Failures that this call's result lists. Default: the processor's `maxErrors`. */
  readonly maxErrors?: number | undefined;
  /** The most operations of a group of this call, where it is more than the processor's. */
  readonly maxBatchSize?: number | undefined;
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
  readonly #dispatcher: Dispatcher;
  readonly #holding: Holding;
  readonly #unclaimed: Unclaimed;
  readonly #gate: JournalGate | undefined;
  readonly #intake: Intake;
  #flush: Tally;
  #lastFlush: Promise<unknown> = Promise.resolve();
  #state: "open" | "closing" | "closed" = "open";
  #closing: Promise<CloseResult> | undefined;
  #onIdle: (() => void) | undefined;
  #undelivered: UndeliveredOperation[] | undefined;
  #successful = 0;
  #failed = 0;

  constructor(execute: ExecuteGroup, options: BatchOptions = {}) {
    if (typeof execute !== "function") {
      throw configError(
        `A BatchProcessor needs a function that executes groups, not ${show(execute)}`,
        "execute",
      );
    }
    const settings = batchSettings(options);
    this.#settings = settings;
    this.#flush = new Tally(settings.maxErrors);
    this.#unclaimed = new Unclaimed(settings.clock, settings.onError);
    this.#holding = new Holding(settings.maxQueued, settings.maxQueuedBytes, settings.maxWaiting);
    this.#dispatcher = new Dispatcher(execute, settings, {
      settled: (operation, result, error, outcome) => this.#settled(operation, result, error, outcome),
      stepped: () => this.#stepped(),
    });
    this.#gate =
      settings.spill &&
      new JournalGate(settings.spill, {
        pass: (operation) => this.#enqueue(operation),
        reject: (operation, error) => {
          operation.state = "settled";
          this.#settled(operation, undefined, error, "rejected");
          this.#stepped();
        },
        onError: (error) => this.#unclaimed.tell(error),
      });
    this.#intake = {
      generateId: settings.generateId,
      accept: (operation) => this.#accept(operation),
      turnAway: (operation, error) => this.#fail(operation, error, "rejected"),
      refuse: (feeder, id, error) => this.#refuse(feeder, id, error),
    };
  }

  /** Adds one document or many. Resolves when they are in the queue; see `Accepted` for who is refused. */
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
      this.#check(collection, signal);
      if (this.#holding.waiting > 0 || !this.#holding.hasRoom(0)) {
        this.#submitLater(kind, collection, { id, value }, call);
      } else this.#submitNow(kind, collection, id, value, call);
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
  async submitAll(
    kind: WriteKind,
    collection: string,
    items: Iterable<unknown>,
    options: SubmitOptions = {},
  ): Promise<BatchResult> {
    checkOptions("submitAll()", options, {
      signal: object,
      maxErrors: integer(0, Infinity),
      maxBatchSize: integer(1),
    });
    const { signal, maxErrors = this.#settings.maxErrors, maxBatchSize = 0 } = options;
    this.#check(collection, signal);
    const call = new Tally(maxErrors, signal);
    const toItem = kind === "update" ? UPDATE : kind === "delete" ? ID : DOCUMENT;
    const feeder = this.#feeder(kind, collection, iterable(items), toItem, call, maxBatchSize);
    let failure: FormDBError | undefined;
    call.open();
    feeder.onDone = (error) => {
      failure = error;
      call.close();
    };
    const onAbort = (): void => this.#abortCall(call, feeder, aborted(signal!));
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#start(feeder);
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
    const { count, bytes, waiting } = this.#holding;
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
      successful: this.#successful,
      failed: this.#failed,
      batchLimit,
    };
  }

  /**
   * Takes no more, delivers what it has, and ends. What is not delivered by the deadline comes back: as `undelivered`
   * where it is certainly not applied, as failures with the outcome `unknown` where it was under way. With a `spill`
   * both stay in the journal for the next start and must not be queued again by hand.
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
    return replayJournal(spill, lookUpToken!, (operation) => this.#restore(operation));
  }

  #submitNow(
    kind: WriteKind,
    collection: string,
    id: string | number | undefined,
    value: unknown,
    call: SingleCall,
  ): void {
    const operation = encodeOperation(kind, collection, id, value, this.#settings.generateId);
    if (!this.#holding.hasRoom(operation.bytes)) {
      this.#submitLater(kind, collection, { id: operation.id, value }, call);
      return;
    }
    operation.call = call;
    operation.flush = this.#flush;
    operation.flushIndex = this.#flush.add();
    this.#listen(call, (error) => this.#withdraw(operation, error));
    this.#accept(operation);
  }

  #submitLater(kind: WriteKind, collection: string, item: Item, call: SingleCall): void {
    const feeder = this.#feeder(kind, collection, [item], ITEM, call, 0);
    this.#listen(call, (error) => {
      feeder.refuseRest(error);
      if (call.operation !== undefined) this.#withdraw(call.operation, error);
    });
    this.#start(feeder);
  }

  #listen(call: SingleCall, onAbort: (error: FormDBError) => void): void {
    const { signal } = call;
    if (signal === undefined) return;
    const listener = (): void => onAbort(aborted(signal));
    signal.addEventListener("abort", listener, { once: true });
    call.onSettled = () => signal.removeEventListener("abort", listener);
  }

  #add(
    kind: WriteKind,
    collection: string,
    items: Iterable<unknown>,
    toItem: (item: unknown) => Item,
  ): Promise<void> {
    let feeder: Feeder;
    try {
      this.#check(collection, undefined);
      feeder = this.#feeder(kind, collection, items, toItem, undefined, 0);
    } catch (error) {
      const refused = new Accepted((_, reject) => reject(error)).quiet();
      void afterDecision(() => {
        if (!refused.awaited) this.#unclaimed.tell(error as Error);
      });
      return refused;
    }
    let failure: FormDBError | undefined;
    let settle: (() => void) | undefined;
    feeder.onDone = (error) => {
      failure = error;
      settle?.();
    };
    this.#start(feeder);
    if (feeder.ended && failure === undefined) return this.#gate?.durable() ?? DONE;
    const accepted = new Accepted((resolve, reject) => {
      settle = () => (failure === undefined ? resolve(this.#gate?.durable()) : reject(failure));
      if (feeder.ended) settle();
    }).quiet();
    void afterDecision(() => {
      if (accepted.awaited) return;
      if (!feeder.ended) feeder.refuseRest(queueFull(this.#holding.limits));
      if (failure !== undefined) this.#unclaimed.tell(failure);
    });
    return accepted;
  }

  #feeder(
    kind: WriteKind,
    collection: string,
    items: Iterable<unknown>,
    toItem: (item: unknown) => Item,
    call: Tally | SingleCall | undefined,
    groupLimit: number,
  ): Feeder {
    return new Feeder(this.#intake, kind, collection, items, toItem, call, this.#flush, groupLimit);
  }

  #start(feeder: Feeder): void {
    const started = this.#holding.start(feeder);
    if (started === "refused") feeder.refuseRest(queueFull(this.#holding.limits));
    else if (started === "waits") this.#dispatcher.trigger("size");
  }

  #accept(operation: Operation): boolean {
    if (!this.#holding.take(operation.bytes)) return false;
    this.#settings.observer.queued(operation.kind, operation.bytes);
    if (operation.call?.signal !== undefined) {
      if (operation.call instanceof Tally) operation.call.pending?.add(operation);
      else if (operation.call instanceof SingleCall) operation.call.operation = operation;
    }
    if (this.#gate === undefined) this.#enqueue(operation);
    else this.#gate.enter(operation);
    return true;
  }

  #enqueue(operation: Operation): void {
    this.#dispatcher.add(operation, operation.flush!.claimed);
  }

  #refuse(feeder: Feeder, id: string | undefined, error: FormDBError): void {
    const { call, flush, kind } = feeder;
    this.#failed++;
    this.#settings.observer.settled(kind, "rejected");
    call?.failed(call.add?.() ?? 0, id, error, "rejected", 0);
    if (call === undefined) this.#unclaimed.note(flush, error);
    flush.failed(feeder.nextFlushIndex(), id, error, "rejected", 0);
  }

  #settled(
    operation: Operation,
    result: OperationResult | undefined,
    error: FormDBError | undefined,
    outcome: FailureOutcome | undefined,
  ): void {
    const { call, flush, kind } = operation;
    this.#holding.free(operation.bytes);
    if (error === undefined) {
      this.#successful++;
      this.#settings.observer.settled(kind, "applied");
      call?.applied(operation, result?.found);
      flush!.applied(operation);
    } else {
      if (this.#undelivered !== undefined && outcome === "rejected" && notDelivered(error)) {
        this.#undelivered.push(asUndelivered(operation));
      }
      this.#fail(operation, error, outcome!);
    }
    this.#gate?.settle(operation.sequence);
  }

  #stepped(): void {
    this.#holding.admit();
    if (this.#holding.waiting > 0) this.#dispatcher.trigger("size");
    if (this.#holding.idle) this.#onIdle?.();
  }

  #withdraw(operation: Operation, error: FormDBError): void {
    if (operation.state === "new") operation.state = "settled";
    else if (!this.#dispatcher.withdraw(operation)) return;
    this.#settled(operation, undefined, error, "rejected");
    this.#stepped();
  }

  #abortCall(call: Tally, feeder: Feeder, error: FormDBError): void {
    feeder.refuseRest(error);
    for (const operation of [...call.pending!]) this.#withdraw(operation, error);
  }

  #claim(): Promise<BatchResult> {
    const tally = this.#flush;
    tally.claimed = true;
    this.#flush = new Tally(this.#settings.maxErrors);
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
    const { clock } = this.#settings;
    const undelivered: UndeliveredOperation[] = [];
    const tally = this.#flush;
    this.#unclaimed.report(tally);
    this.#dispatcher.drain();
    const drained = await new Promise<boolean>((resolve) => {
      const timer = deadlineMs === Infinity ? undefined : clock.schedule(() => resolve(false), deadlineMs);
      const finish = (): void => {
        timer?.cancel();
        resolve(true);
      };
      this.#onIdle = finish;
      if (this.#holding.idle) finish();
    });
    if (!drained) await this.#giveUp(deadlineMs, undelivered);
    this.#dispatcher.stop();
    await this.#gate?.durable();
    this.#state = "closed";
    this.#unclaimed.report(tally);
    const result = await this.#claim();
    return { undelivered, result };
  }

  async #giveUp(deadlineMs: number, undelivered: UndeliveredOperation[]): Promise<void> {
    const error = new FormDBError(
      "FORMDB_CLOSED",
      `The write was not delivered within the ${deadlineMs} ms for closing`,
    );
    this.#undelivered = undelivered;
    const { unsent, unknown } = await this.#dispatcher.giveUp(error);
    for (const operation of [...unsent, ...(this.#gate?.abandon() ?? [])]) {
      undelivered.push(asUndelivered(operation));
      this.#giveBack(operation, error, "rejected");
    }
    const doubt = new FormDBError(
      "FORMDB_CLOSED",
      `The write was under way when the ${deadlineMs} ms for closing ended; whether it took place is not known`,
      { details: { outcome: "unknown" } },
    );
    for (const operation of unknown) this.#giveBack(operation, doubt, "unknown");
    this.#undelivered = undefined;
    this.#holding.refuseAll(error, (operation) => undelivered.push(asUndelivered(operation)));
  }

  /** Settles for the callers; in the journal, if there is one, the operation stays. */
  #giveBack(operation: Operation, error: FormDBError, outcome: FailureOutcome): void {
    operation.state = "settled";
    this.#holding.free(operation.bytes);
    this.#fail(operation, error, outcome);
  }

  /** Counts a failure and tells of it whoever waits. */
  #fail(operation: Operation, error: FormDBError, outcome: FailureOutcome): void {
    const { kind, id, call, callIndex, flush, flushIndex, attempts } = operation;
    this.#failed++;
    this.#settings.observer.settled(kind, outcome);
    if (call === undefined) this.#unclaimed.note(flush!, error);
    else if (call.signal !== undefined && call instanceof Tally) call.pending?.delete(operation);
    call?.failed(callIndex, id, error, outcome, attempts);
    flush!.failed(flushIndex, id, error, outcome, attempts);
  }

  /** Queues an operation that the journal holds already. */
  #restore(operation: Operation): void {
    operation.flush = this.#flush;
    operation.flushIndex = this.#flush.add();
    this.#holding.force(operation.bytes);
    this.#enqueue(operation);
  }

  #check(collection: string, signal: AbortSignal | undefined): void {
    if (this.#state !== "open") throw closedError();
    checkCollectionName(collection);
    if (signal?.aborted) throw aborted(signal);
  }
}

const DONE: Promise<void> = Promise.resolve();
/** Runs once an `await` in the same tick has had its chance. */
async function afterDecision(decide: () => void): Promise<void> {
  for (let i = 0; i < 3; i++) await undefined;
  decide();
}

/** Whether a rejection is due to the closing and not to the operation. */
function notDelivered(error: FormDBError): boolean {
  return error.retryable || error.code === "FORMDB_ABORTED" || error.code === "FORMDB_CLOSED";
}

function asUndelivered({ kind, collection, id, document }: Operation): UndeliveredOperation {
  return { kind, collection, id, document };
}
