import type { Timer } from "../base/clock.ts";
import type { FailureOutcome, FormDBError } from "../base/errors.ts";
import type { FlushReason } from "../base/observer.ts";
import { AdaptiveLimit } from "./adaptive-limit.ts";
import type { BatchSettings } from "./batch-options.ts";
import { type Deliveries, Delivery } from "./delivery.ts";
import type { ExecuteGroup, OperationResult } from "./group.ts";
import { sortById } from "./id-order.ts";
import type { Operation } from "./operation.ts";
import { originals, type Parcel } from "./parcel.ts";
import { untilQuiet } from "./quiet.ts";
import { aborted } from "./refusals.ts";
import { WriteQueue } from "./write-queue.ts";

/** What is in flight when a deadline passes has so many microtasks to react to its signal. */
const ABORT_MICROTASKS = 20;

/** What the dispatcher tells of. */
export interface DispatchEvents {
  /** An operation's outcome is known; `error` is undefined where it was applied. */
  settled(
    operation: Operation,
    result: OperationResult | undefined,
    error: FormDBError | undefined,
    outcome: FailureOutcome | undefined,
  ): void;
  /** A step ended: there may be room now. */
  stepped(): void;
}

/**
 * Decides when operations leave the queue: when there are enough of them, when the oldest has waited long enough, when nothing
 * is in flight, or when somebody asks. Parcels that are sent again take turns with new ones, and hold no slot while they pause, so that
 * a poisoned batch starves nobody.
 */
export class Dispatcher implements Deliveries {
  readonly queue: WriteQueue;
  readonly #settings: BatchSettings;
  readonly #events: DispatchEvents;
  readonly #abort: AbortController = new AbortController();
  readonly #delivery: Delivery;
  readonly #adaptive: AdaptiveLimit | undefined;
  readonly #running: Set<Parcel> = new Set();
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

  constructor(execute: ExecuteGroup, settings: BatchSettings, events: DispatchEvents) {
    this.#settings = settings;
    this.#events = events;
    this.queue = new WriteQueue(settings.coalesce, settings.partition);
    this.#delivery = new Delivery(execute, settings, this, this.#abort.signal);
    const { adaptive, maxBatchSize } = settings;
    this.#adaptive = adaptive && new AdaptiveLimit(adaptive.minBatchSize, maxBatchSize, adaptive.targetMs);
  }

  /** Groups under way, those that pause included. */
  get inFlight(): number {
    return this.#running.size + this.#again.length + this.#pausing.size;
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

  /** Takes an operation back that was not sent. False where it was. */
  withdraw(operation: Operation): boolean {
    if (operation.state !== "ready" && operation.state !== "blocked") return false;
    this.queue.withdraw(operation);
    return true;
  }

  /** From now on everything goes out at once. */
  drain(): void {
    this.#draining = true;
    this.trigger("close");
  }

  /**
   * Gives up: `unsent` are the operations that are certainly not applied, `unknown` those of which nobody can tell. Neither has
   * been settled.
   */
  async giveUp(reason: FormDBError): Promise<{ unsent: Operation[]; unknown: Operation[] }> {
    this.#abort.abort(reason);
    for (let i = 0; i < ABORT_MICROTASKS; i++) await undefined;
    this.stop();
    const underWay = [...this.#running, ...this.#again, ...this.#pausing.keys()];
    const unsent = this.queue.list(underWay.flatMap(originals));
    for (const operation of unsent) this.queue.withdraw(operation);
    const unknown: Operation[] = [];
    for (const parcel of underWay) {
      const isUnsent = parcel.step === "send" && !this.#running.has(parcel);
      (isUnsent ? unsent : unknown).push(...originals(parcel));
    }
    for (const timer of this.#pausing.values()) timer.cancel();
    this.#again.length = 0;
    this.#pausing.clear();
    this.#running.clear();
    return {
      unsent: unsent.sort((a, b) => a.order - b.order),
      unknown: unknown.filter(({ state }) => state === "sent"),
    };
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  applied(operation: Operation, result: OperationResult | undefined): void {
    this.queue.release(operation);
    this.#events.settled(operation, result, undefined, undefined);
  }

  failed(operation: Operation, error: FormDBError, outcome: FailureOutcome): void {
    this.queue.release(operation);
    this.#events.settled(operation, undefined, error, outcome);
  }

  unmerge(operation: Operation): void {
    const { parts } = operation.merged!;
    this.queue.putBack(operation);
    for (const part of parts) {
      const signal = part.call?.signal;
      if (signal?.aborted !== true) continue;
      // It fired while the operation was under way and could not be taken back.
      this.queue.withdraw(part);
      this.#events.settled(part, undefined, aborted(signal), "rejected");
    }
  }

  again(parcel: Parcel): void {
    this.#again.push(parcel);
  }

  later(parcel: Parcel, delayMs: number): void {
    this.retries++;
    const timer = this.#settings.clock.schedule(() => {
      this.#pausing.delete(parcel);
      this.#again.push(parcel);
      this.#pump();
    }, delayMs);
    this.#pausing.set(parcel, timer);
  }

  #pump(): void {
    const { concurrency } = this.#settings;
    while (this.#running.size < concurrency && !this.#abort.signal.aborted) {
      const canSend = this.queue.ready > 0 && (this.#draining || this.queue.due > 0);
      if (this.#again.length > 0 && (this.#resendsTurn || !canSend)) {
        this.#resendsTurn = false;
        void this.#run(this.#again.shift()!);
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
    if (eager && this.#running.size === 0 && this.#again.length === 0) {
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

  async #gather(): Promise<void> {
    this.#gathering = true;
    await untilQuiet(this.queue);
    this.#gathering = false;
    if (this.queue.ready === 0) return;
    if (this.#running.size === 0) this.trigger("eager");
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
    this.#running.add(parcel);
    await this.#delivery.step(parcel);
    onEnd?.();
    if (!this.#running.delete(parcel)) return;
    this.#events.stepped();
    this.#pump();
  }
}
