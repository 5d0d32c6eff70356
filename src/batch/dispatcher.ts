import type { Timer } from "../base/clock.ts";
import type { FormDBError } from "../base/errors.ts";
import type { FlushReason } from "../base/observer.ts";
import { AdaptiveLimit } from "./adaptive-limit.ts";
import type { BatchSettings } from "./batch-options.ts";
import { Delivery, originals, type Parcel, type Steps } from "./delivery.ts";
import type { ExecuteGroup } from "./group.ts";
import type { JournalWriter } from "./journal-writer.ts";
import type { Ledger } from "./ledger.ts";
import type { Operation } from "./operation.ts";
import { sortById, type WriteQueue } from "./write-queue.ts";

/** How many microtasks what is in flight when a deadline passes has to react to its signal. */
const ABORT_MICROTASKS = 20;
/**
 * When this many microtasks in a row have added nothing, callers that go on together are together: an eager batch
 * is sent.
 */
const QUIET_MICROTASKS = 4;
/** It is sent after this many at the latest. */
const MAX_GATHERING_MICROTASKS = 64;

/** What a dispatcher takes operations from, and where their groups go. */
export interface DispatcherParts {
  readonly execute: ExecuteGroup;
  readonly queue: WriteQueue;
  readonly ledger: Ledger;
  readonly journal: JournalWriter | undefined;
}

/**
 * Decides when operations leave the queue: when there are enough of them, when the oldest has waited long enough,
 * when nothing is in flight, or when somebody asks. Parcels that are sent again take turns with new ones, and hold
 * no slot while they pause, so that a poisoned batch starves nobody.
 */
export class Dispatcher implements Steps {
  readonly queue: WriteQueue;
  readonly #settings: BatchSettings;
  readonly #ledger: Ledger;
  readonly #abort: AbortController = new AbortController();
  readonly #delivery: Delivery;
  readonly #adaptive: AdaptiveLimit | undefined;
  /**
   * Not a `Set`: of one that changes so often V8 keeps each table that it has outgrown, and its parcels with all their operations,
   * until the next full collection, once the first of these tables has grown old.
   */
  readonly #running: Parcel[] = [];
  readonly #again: Parcel[] = [];
  readonly #pausing: Map<Parcel, Timer> = new Map();
  #reason: FlushReason = "explicit";
  #gathering = false;
  #draining = false;
  #resendsTurn = false;
  #timer: Timer | undefined;
  /** When the oldest operation that is not due was queued. */
  #undueSinceMs: number | undefined;
  flushes = 0;
  retries = 0;
  /** Operations that went along with another one of their id. */
  coalesced = 0;

  constructor(settings: BatchSettings, { execute, queue, ledger, journal }: DispatcherParts) {
    this.#settings = settings;
    this.#ledger = ledger;
    this.queue = queue;
    const { signal } = this.#abort;
    this.#delivery = new Delivery(settings, this, { execute, ledger, journal, signal });
    const { adaptive, maxBatchSize } = settings;
    this.#adaptive = adaptive && new AdaptiveLimit(adaptive.minBatchSize, maxBatchSize, adaptive.targetMs);
  }

  /** Groups under way, those that pause included. */
  get inFlight(): number {
    return this.#running.length + this.#again.length + this.#pausing.size;
  }

  /** The callers' operations of these. One whose parcel has just failed is in that and in what is to be sent of it again. */
  get underWay(): Operation[] {
    const parcels = [...this.#running, ...this.#again, ...this.#pausing.keys()];
    return [...new Set(parcels.flatMap(originals))];
  }

  get batchLimit(): number {
    return this.#adaptive?.limit ?? this.#settings.maxBatchSize;
  }

  add(operation: Operation, isDue: boolean): void {
    const { queue } = this;
    const { maxBatchSize, maxBatchBytes, clock } = this.#settings;
    operation.queuedAtMs = clock.now();
    queue.add(operation);
    this.#undueSinceMs ??= operation.queuedAtMs;
    if (
      queue.count >= maxBatchSize &&
      queue.count - queue.due >= Math.max(maxBatchSize, operation.groupLimit)
    ) {
      this.trigger("size");
    } else if (queue.bytes >= maxBatchBytes) this.trigger("bytes");
    else if (isDue) this.trigger("explicit");
    else if (!this.#gathering) this.#wait();
  }

  /** Sends all that is queued, as slots allow. */
  trigger(reason: FlushReason): void {
    this.#reason = reason;
    this.queue.makeDue();
    this.#undueSinceMs = undefined;
    this.#pump();
  }

  /** Lets those who wait for room add. What is queued goes out if others have to wait on. */
  admit(): void {
    const { room } = this.#ledger;
    room.admit();
    if (room.waiting > 0) this.trigger("size");
  }

  /** From now on everything goes out at once. */
  drain(): void {
    this.#draining = true;
    this.trigger("close");
  }

  /**
   * Gives up, and gives back what has not been settled: `unsent` is certainly not applied, in the order in which it
   * was queued; of `unknown` nobody can tell.
   */
  async giveUp(reason: FormDBError): Promise<{ unsent: Operation[]; unknown: Operation[] }> {
    this.#abort.abort(reason);
    for (let i = 0; i < ABORT_MICROTASKS; i++) await undefined;
    this.stop();
    const { underWay } = this;
    for (const timer of this.#pausing.values()) timer.cancel();
    this.#again.length = 0;
    this.#pausing.clear();
    this.#running.length = 0;
    const waiting = underWay.filter(({ state }) => state === "resending");
    return {
      unsent: [...this.queue.list(underWay), ...waiting].sort((a, b) => a.order - b.order),
      unknown: underWay.filter(({ state }) => state === "sent"),
    };
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  unmerge(operation: Operation): void {
    const { parts } = operation.merged!;
    this.queue.putBack(operation);
    for (const part of parts) {
      // Its caller gave up while it was under way and could not be taken back.
      if (part.givenUp !== undefined) this.#ledger.settle(part, { outcome: "rejected", error: part.givenUp });
    }
  }

  again(parcel: Parcel): void {
    if (parcel.step === "send") this.queue.awaitResending(originals(parcel));
    this.#addAgain(parcel);
  }

  parted(parts: readonly Parcel[]): void {
    for (const part of parts.toReversed()) this.again(part);
  }

  later(parcel: Parcel, delayMs: number): void {
    if (parcel.step === "send") this.queue.awaitResending(originals(parcel));
    this.retries++;
    const timer = this.#settings.clock.schedule(() => {
      this.#pausing.delete(parcel);
      this.#addAgain(parcel);
      this.#pump();
    }, delayMs);
    this.#pausing.set(parcel, timer);
    if (parcel.line !== undefined) parcel.line.holder = parcel;
  }

  /** One of a line is before those that are behind it there. */
  #addAgain(parcel: Parcel): void {
    const { line } = parcel;
    if (line === undefined) this.#again.push(parcel);
    else {
      line.holder = undefined;
      this.#again.unshift(parcel);
    }
  }

  /** Whether its last step has ended, and its line has no other one under way. */
  #mayTake(parcel: Parcel): boolean {
    return parcel.line?.holder === undefined && !this.#running.includes(parcel);
  }

  /** The next parcel to be sent again. */
  #takeAgain(): Parcel | undefined {
    const place = this.#again.findIndex((parcel) => this.#mayTake(parcel));
    return place === -1 ? undefined : this.#again.splice(place, 1)[0];
  }

  #pump(): void {
    const { concurrency } = this.#settings;
    while (this.#running.length < concurrency && !this.#abort.signal.aborted) {
      const canSend = this.queue.ready > 0 && (this.#draining || this.queue.due > 0);
      const parcel = this.#resendsTurn || !canSend ? this.#takeAgain() : undefined;
      if (parcel !== undefined) {
        this.#resendsTurn = false;
        if (parcel.line !== undefined) parcel.line.holder = parcel;
        if (parcel.step === "send") this.queue.resend(originals(parcel));
        void this.#run(parcel);
      } else if (canSend) {
        this.#resendsTurn = true;
        this.#sendNext(this.#reason);
      } else break;
    }
    this.#wait();
  }

  /** Sees to it that what is queued and not due goes out at its time. */
  #wait(): void {
    if (this.queue.ready === 0 || this.#abort.signal.aborted) return;
    const { eager, concurrency, flushIntervalMs, clock } = this.#settings;
    if (eager && this.#running.length === 0 && !this.#again.some((parcel) => this.#mayTake(parcel))) {
      if (!this.#gathering) void this.#gather();
      return;
    }
    // One eager slot needs no timer: the end of what is in flight is the signal.
    if ((eager && concurrency === 1) || this.#timer !== undefined || flushIntervalMs === Infinity) return;
    const since = this.#undueSinceMs;
    if (since === undefined) return;
    const left = Math.max(0, since + flushIntervalMs - clock.now());
    this.#timer = clock.schedule(() => this.#onTimer(), left);
  }

  #onTimer(): void {
    this.#timer = undefined;
    const since = this.#undueSinceMs;
    if (since === undefined) return;
    // The timer may have been set for operations that left with a full batch.
    if (this.#settings.clock.now() - since >= this.#settings.flushIntervalMs) this.trigger("interval");
    else this.#wait();
  }

  /** Waits, for microtasks only, until callers have stopped adding: the end of an eager batch. */
  async #gather(): Promise<void> {
    this.#gathering = true;
    let seen = this.queue.count;
    for (let hop = 0, quiet = 0; hop < MAX_GATHERING_MICROTASKS && quiet < QUIET_MICROTASKS; hop++) {
      await undefined;
      quiet = this.queue.count === seen ? quiet + 1 : 0;
      seen = this.queue.count;
    }
    this.#gathering = false;
    if (this.queue.ready === 0) return;
    if (this.#running.length === 0) this.trigger("eager");
    else this.#wait();
  }

  #sendNext(reason: FlushReason): void {
    const taken = this.queue.take(this.batchLimit, this.#settings.maxBatchBytes);
    if (taken.length === 0) return;
    const { observer, clock } = this.#settings;
    let count = 0;
    let bytes = 0;
    let oldest = taken[0]!.queuedAtMs;
    for (const operation of taken) {
      count += operation.merged?.parts.length ?? 1;
      bytes += operation.merged?.bytes ?? operation.bytes;
      // What was merged into an operation was queued later.
      if (operation.queuedAtMs < oldest) oldest = operation.queuedAtMs;
    }
    this.flushes++;
    this.coalesced += count - taken.length;
    const startMs = clock.now();
    observer.flushStarted(reason, count, bytes, startMs - oldest);
    void this.#run(this.#delivery.parcel(sortById(taken)), () => {
      const ms = clock.now() - startMs;
      observer.flushFinished(count, ms);
      this.#adaptive?.record(taken.length, ms);
    });
  }

  async #run(parcel: Parcel, onEnd?: () => void): Promise<void> {
    this.#running.push(parcel);
    await this.#delivery.step(parcel);
    onEnd?.();
    const { line } = parcel;
    if (line?.holder === parcel && !this.#pausing.has(parcel)) line.holder = undefined;
    const place = this.#running.indexOf(parcel);
    if (place === -1) return;
    this.#running.splice(place, 1);
    this.admit();
    this.#pump();
  }
}
