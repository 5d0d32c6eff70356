import type { FormDBError } from "../base/errors.ts";
import type { AcquireFailureReason } from "../base/observer.ts";
import type { PoolCore } from "./core.ts";
import { acquireTimeout, connectFailed, reasonOf } from "./failures.ts";
import { holdersOf } from "./holders.ts";
import type { Waiter } from "./waiter.ts";

/** Tells callers that they get nothing, each exactly once, and counts them. */
export class Refusals<T> {
  readonly #core: PoolCore<T>;
  readonly #listHolders: boolean;
  /** The latest notable delay of the event loop, as the pool's timer saw it. */
  #loopDelayMs = 0;
  #loopDelayAt = -Infinity;

  constructor(core: PoolCore<T>, listHolders: boolean) {
    this.#core = core;
    this.#listHolders = listHolders;
  }

  /** Ends a wait; the error is made after it, so that its counts leave this caller out. */
  fail(waiter: Waiter<T>, makeError: () => FormDBError): void {
    const { queue, settings } = this.#core;
    if (!queue.remove(waiter)) return;
    const error = makeError();
    this.count(reasonOf(error), settings.clock.now() - waiter.since);
    waiter.reject(error);
  }

  failAll(error: () => FormDBError): void {
    for (const waiter of this.#core.queue.list()) this.fail(waiter, error);
  }

  count(reason: AcquireFailureReason, waitMs: number): void {
    this.#core.counts.totals.failed[reason]++;
    this.#core.observer.acquireFailed(reason, waitMs);
  }

  timeOut(waiter: Waiter<T>, now: number): void {
    const core = this.#core;
    const delayMs = this.#loopDelayAt >= waiter.since ? this.#loopDelayMs : 0;
    const holders = this.#listHolders ? holdersOf(core.roster.entries(), now) : undefined;
    const late = Math.max(delayMs, now - waiter.deadline);
    this.fail(waiter, () => acquireTimeout(core.circumstances(waiter), waiter.timeoutMs, late, holders));
    if (core.state !== "ready") core.whole.settleEnds();
  }

  /** Times out everybody whose deadline has come. */
  timeOutLate(now: number): void {
    const { queue } = this.#core;
    for (let late = queue.firstExpired(now); late !== undefined; late = queue.firstExpired(now)) {
      this.timeOut(late, now);
    }
  }

  /** Those who can't be served any more, or not in time, hear why at once. */
  tellIfPointless(): void {
    const core = this.#core;
    if (core.queue.length === 0 || !core.outOfReach) return;
    const { hopeless } = core.connector;
    const next = core.connector.nextAttemptAt();
    for (const waiter of core.queue.list()) {
      if (hopeless || waiter.deadline <= next)
        this.fail(waiter, () => connectFailed(core.circumstances(waiter)));
    }
  }

  /** Remembers how late the timer was: those who wait then may blame the event loop and not the pool. */
  noteLoopDelay(lateMs: number, now: number): void {
    if (lateMs < this.#loopDelayMs && this.#loopDelayAt >= this.#core.queue.oldestSince()) return;
    this.#loopDelayMs = lateMs;
    this.#loopDelayAt = now;
  }
}
