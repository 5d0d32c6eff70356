import { abortedError } from "../base/abort.ts";
import { type FormDBError, messageOf } from "../base/errors.ts";
import type { AcquireFailureReason } from "../base/observer.ts";
import { abortSignal, integer, milliseconds, type OptionCheck, string } from "../base/options.ts";
import type { CoDel } from "./codel.ts";
import type { Connector } from "./connector.ts";
import type { PoolCore } from "./core.ts";
import type { Entry } from "./entry.ts";
import {
  acquireTimeout,
  type Circumstances,
  connectFailed,
  nestedAcquire,
  queueFull,
  reasonOf,
  refused,
} from "./failures.ts";
import { type HolderReport, holdersOf } from "./holders.ts";
import type { Nesting } from "./nesting.ts";
import type { Roster } from "./roster.ts";
import type { PoolStats } from "./stats.ts";
import { Waiter, WaitQueue } from "./wait-queue.ts";

/** How one caller wants its resource. */
export interface AcquireOptions {
  /** Ends the wait; what is being opened goes on and joins the pool. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds to wait. Default the pool's `acquireTimeoutMs`; 0 fails unless one is free, `Infinity` waits without end. */
  readonly timeoutMs?: number | undefined;
  /** Higher is served first; 0 unless given. */
  readonly priority?: number | undefined;
  /** Rather a resource for which the pool's `holds(resource, prefer)` is true. */
  readonly prefer?: string | undefined;
}

const MAX_PRIORITY = 1_000;

/** What `AcquireOptions` may hold. */
export const ACQUIRE_OPTIONS: Readonly<Record<keyof AcquireOptions, OptionCheck>> = Object.freeze({
  signal: abortSignal,
  timeoutMs: milliseconds,
  priority: integer(-MAX_PRIORITY, MAX_PRIORITY),
  prefer: string,
});

/** What only some pools do with those who wait. */
export interface LendingExtras {
  readonly codel: CoDel | undefined;
  readonly nesting: Nesting | undefined;
}

/**
 * The callers: each gets a fresh idle entry at once, or waits in the queue for direct hand-over, or is refused.
 * Each is answered exactly once.
 */
export class Lending<T> {
  readonly #core: PoolCore<T>;
  readonly #roster: Roster<T>;
  readonly #connector: Connector<T>;
  readonly #queue: WaitQueue<T>;
  readonly #extras: LendingExtras;
  /** The latest stall of the event loop, as the pool's timer saw it. */
  #stallMs = 0;
  #stalledAt = -Infinity;

  constructor(core: PoolCore<T>, roster: Roster<T>, connector: Connector<T>, extras: LendingExtras) {
    this.#core = core;
    this.#roster = roster;
    this.#connector = connector;
    this.#queue = new WaitQueue<T>(core.settings.acquireTimeoutMs);
    this.#extras = extras;
  }

  /** How many callers wait. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** What the first of them would like to get. */
  get preferred(): string | undefined {
    return this.#queue.peek()?.particulars?.prefer;
  }

  nextDeadline(): number {
    return this.#queue.nextDeadline();
  }

  /** The best idle entry, taken off its stack, if it can be lent as it is. */
  takeFresh(prefer: string | undefined, now: number): Entry<T> | undefined {
    const roster = this.#roster;
    if (this.#core.state !== "ready" || this.#queue.length > 0) return undefined;
    const entry = roster.best(prefer);
    if (entry === undefined || entry.expiresAt <= now || roster.needsProof(entry, now)) return undefined;
    roster.take(entry);
    return entry;
  }

  /** Makes a busy entry the caller's, who came at `since`. */
  lend(entry: Entry<T>, now: number, since: number, origin: Error | undefined): void {
    const { counts, observer, settings, wake } = this.#core;
    if (entry.loans === 0) this.#connector.worked();
    this.#roster.lend(entry, now);
    entry.origin = origin;
    counts.totals.acquired++;
    const leakAt = now + settings.leakThresholdMs;
    if (wake.isLaterThan(leakAt)) wake.by(leakAt, false, now);
    observer.acquired(entry.id, now - since);
  }

  /** Puts the caller into the queue, or refuses it. */
  wait(options: AcquireOptions, now: number, origin: Error | undefined): Promise<T> {
    const core = this.#core;
    const { signal, timeoutMs = core.settings.acquireTimeoutMs, priority = 0, prefer } = options;
    const refusal = this.#refusal(signal, timeoutMs, now);
    if (refusal !== undefined) {
      this.#countFailure(reasonOf(refusal), 0);
      return Promise.reject(refusal);
    }
    const context = this.#extras.nesting?.current();
    const plain =
      signal === undefined &&
      priority === 0 &&
      prefer === undefined &&
      origin === undefined &&
      context === undefined;
    const particulars = plain
      ? undefined
      : { priority, prefer, signal, onAbort: this.#abandon, origin, context };
    const waiter = new Waiter<T>(now, timeoutMs, particulars);
    const { counts, wake } = core;
    this.#queue.push(waiter, timeoutMs);
    if (this.#queue.length > counts.peaks.waiting) counts.peaks.waiting = this.#queue.length;
    // Half-way, to see a stall of the event loop before the time is up.
    const lookAt = now + timeoutMs / 2;
    if (!wake.keepsAlive || wake.isLaterThan(lookAt)) wake.by(lookAt, true, now);
    // With everything lent there is nothing to do but wait.
    if (this.#roster.idle > 0 || this.#roster.total < core.size.max) core.advance();
    if (context !== undefined && waiter.level !== undefined && this.#isDeadlocked()) {
      this.#fail(waiter, () => nestedAcquire(this.#circumstances(waiter.since)));
    }
    return waiter.promise;
  }

  /** Lends a busy entry to the first caller in the queue; false if nobody takes it. */
  handOver(entry: Entry<T>, now: number): boolean {
    const { codel } = this.#extras;
    for (let waiter = this.#queue.peek(); waiter !== undefined; waiter = this.#queue.peek()) {
      if (codel?.sheds(now, now - waiter.since) === true) {
        this.#shed(waiter);
        continue;
      }
      this.#queue.remove(waiter);
      this.lend(entry, now, waiter.since, waiter.particulars?.origin);
      waiter.resolve(entry.resource);
      return true;
    }
    return false;
  }

  /** Refuses all waiting callers. */
  failAll(error: () => FormDBError): void {
    for (const waiter of this.#queue.list()) this.#fail(waiter, error);
  }

  /** After a failure to connect: refuses at once those that can't be served any more, or not in time. */
  tellIfPointless(): void {
    if (this.#queue.length === 0 || !this.#outOfReach) return;
    const { hopeless, nextAttemptAt } = this.#connector;
    for (const waiter of this.#queue.list()) {
      if (hopeless || waiter.deadline <= nextAttemptAt) {
        this.#fail(waiter, () => connectFailed(this.#circumstances(waiter.since)));
      }
    }
  }

  /** Times out everybody whose deadline has come. */
  timeOutLate(now: number): void {
    for (let late = this.#queue.firstExpired(now); late !== undefined; late = this.#queue.firstExpired(now)) {
      this.#timeOut(late, now);
    }
  }

  /** The process could not run for a while: that was no waiting time. Later time-out errors mention it. */
  excuse(stallMs: number, now: number): void {
    this.#queue.excuse(stallMs, now);
    if (stallMs < this.#stallMs && this.#stalledAt >= this.#queue.oldestSince()) return;
    this.#stallMs = stallMs;
    this.#stalledAt = now;
  }

  /** What is lent, the longest first. */
  holders(): HolderReport[] {
    return holdersOf(this.#roster.entries(), this.#core.settings.clock.now());
  }

  /** The pool at this moment. */
  stats(): PoolStats {
    const { state, size, settings, counts } = this.#core;
    const { total, idle, checking, destroying } = this.#roster;
    const { opening, generation, lastError } = this.#connector;
    const oldest = this.#queue.oldestSince();
    return Object.freeze({
      state,
      total,
      idle,
      inUse: total - idle,
      checking,
      waiting: this.#queue.length,
      pending: opening,
      closing: destroying,
      min: size.min,
      max: size.max,
      generation,
      oldestWaitMs: oldest === Infinity ? 0 : settings.clock.now() - oldest,
      lastConnectError: lastError === undefined ? undefined : messageOf(lastError),
      ...counts.snapshot(),
    });
  }

  /** Nothing is open and nothing is being opened. */
  get #outOfReach(): boolean {
    return this.#roster.total === 0 && this.#connector.opening === 0;
  }

  /** Why a caller can't even wait. */
  #refusal(signal: AbortSignal | undefined, timeoutMs: number, now: number): FormDBError | undefined {
    const { state, settings } = this.#core;
    if (state !== "ready") return refused(state);
    if (signal?.aborted) return abortedError("Acquiring a connection", signal);
    if (this.#queue.length >= settings.maxWaiting && this.#roster.idle === 0) {
      return queueFull(this.#circumstances(now), false, settings.maxWaiting);
    }
    const { hopeless, nextAttemptAt } = this.#connector;
    const pointless = hopeless && this.#outOfReach && now + timeoutMs <= nextAttemptAt;
    return pointless ? connectFailed(this.#circumstances(now)) : undefined;
  }

  readonly #abandon = (waiter: Waiter<T>): void => {
    this.#fail(waiter, () => abortedError("Acquiring a connection", waiter.particulars!.signal!));
    if (this.#core.state !== "ready") this.#core.advance();
  };

  #shed(waiter: Waiter<T>): void {
    const { counts, settings } = this.#core;
    counts.totals.shed++;
    this.#fail(waiter, () => queueFull(this.#circumstances(waiter.since), true, settings.maxWaiting));
  }

  #timeOut(waiter: Waiter<T>, now: number): void {
    const { timeoutMs } = waiter.deadlines!;
    const stallMs = this.#stalledAt >= waiter.since ? this.#stallMs : 0;
    const holders = holdersOf(this.#roster.entries(), now);
    const eventLoopDelayMs = Math.max(stallMs, now - waiter.deadline);
    this.#fail(waiter, () =>
      acquireTimeout(this.#circumstances(waiter.since), { timeoutMs, eventLoopDelayMs, holders }),
    );
  }

  /** Ends a wait; the error is made after it, so that its counts leave this caller out. */
  #fail(waiter: Waiter<T>, makeError: () => FormDBError): void {
    if (!this.#queue.remove(waiter)) return;
    const error = makeError();
    this.#countFailure(reasonOf(error), this.#core.settings.clock.now() - waiter.since);
    waiter.reject(error);
  }

  #countFailure(reason: AcquireFailureReason, waitMs: number): void {
    this.#core.counts.totals.failed[reason]++;
    this.#core.observer.acquireFailed(reason, waitMs);
  }

  /** What the error tells a caller that came at `since`. */
  #circumstances(since: number): Circumstances {
    return {
      stats: this.stats(),
      waitMs: this.#core.settings.clock.now() - since,
      lastConnectError: this.#connector.errorSince(since),
    };
  }

  /** Whether everything is lent to `use` calls that wait for more. */
  #isDeadlocked(): boolean {
    if (this.#roster.total < this.#core.size.max || this.#connector.opening > 0) return false;
    for (const { state, context } of this.#roster.entries()) {
      if (state !== "revoked" && (state !== "lent" || context?.blocked !== true)) return false;
    }
    return true;
  }
}
