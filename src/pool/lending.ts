import { abortedError } from "../base/abort.ts";
import type { FormDBError } from "../base/errors.ts";
import { abortSignal, integer, milliseconds, type OptionCheck, string } from "../base/options.ts";
import type { CoDel } from "./codel.ts";
import type { PoolCore } from "./core.ts";
import type { Entry } from "./entry.ts";
import { connectFailed, nestedAcquire, queueFull, reasonOf, refused } from "./failures.ts";
import type { Nesting } from "./nesting.ts";
import type { Refusals } from "./refusals.ts";
import { Waiter } from "./waiter.ts";

/** How one caller wants its resource. */
export interface AcquireOptions {
  /** Ends the wait; what is being opened goes on and joins the pool. */
  readonly signal?: AbortSignal | undefined;
  /** How long to wait, instead of the pool's `acquireTimeoutMs`. */
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

/**
 * How entries get to callers: at once where a fresh one is idle, else by standing in line and direct
 * hand-over, at which the deadline is checked once more.
 */
export class Lending<T> {
  readonly #core: PoolCore<T>;
  readonly #refusals: Refusals<T>;
  readonly #codel: CoDel | undefined;
  readonly #nesting: Nesting | undefined;

  constructor(
    core: PoolCore<T>,
    refusals: Refusals<T>,
    codel: CoDel | undefined,
    nesting: Nesting | undefined,
  ) {
    this.#core = core;
    this.#refusals = refusals;
    this.#codel = codel;
    this.#nesting = nesting;
  }

  /** The best idle entry, taken off its stack, if it can be lent as it is. */
  takeFresh(prefer: string | undefined, now: number): Entry<T> | undefined {
    const core = this.#core;
    if (core.state !== "ready" || core.queue.length > 0) return undefined;
    const entry = core.roster.best(prefer);
    if (entry === undefined || entry.expiresAt <= now || core.needsProof(entry.provenAt, now))
      return undefined;
    core.roster.take(entry);
    return entry;
  }

  /** Makes a free entry the caller's, who came at `since`. */
  lend(entry: Entry<T>, now: number, since: number, origin: Error | undefined): void {
    const { counts, observer, roster, settings, wake } = this.#core;
    entry.state = "lent";
    entry.lentAt = now;
    if (entry.loans++ === 0) entry.host.losses = 0;
    entry.origin = origin;
    const { totals, peaks } = counts;
    totals.acquired++;
    const inUse = roster.total - roster.idle;
    if (inUse > peaks.inUse) peaks.inUse = inUse;
    const leakAt = now + settings.leakThresholdMs;
    if (wake.isLaterThan(leakAt)) wake.by(leakAt, false, now);
    observer.acquired(entry.id, now - since);
  }

  /** Puts the caller in line, or says why it can't even wait. */
  wait(options: AcquireOptions, now: number, origin: Error | undefined): Promise<T> {
    const core = this.#core;
    const { signal, timeoutMs = core.settings.acquireTimeoutMs, priority = 0, prefer } = options;
    const refusal = this.#refusal(signal, timeoutMs, now);
    if (refusal !== undefined) {
      this.#refusals.count(reasonOf(refusal), 0);
      return Promise.reject(refusal);
    }
    const context = this.#nesting?.current();
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
    const { counts, queue, roster, wake } = core;
    queue.push(waiter);
    if (queue.length > counts.peaks.waiting) counts.peaks.waiting = queue.length;
    if (!wake.keepsAlive || wake.isLaterThan(now + timeoutMs)) wake.by(now + timeoutMs, true, now);
    // With everything lent there is nothing to do but wait.
    if (roster.idle > 0 || roster.total < core.size.max) core.whole.pump();
    if (context !== undefined && waiter.level !== undefined && this.#isDeadlocked()) {
      this.#refusals.fail(waiter, () => nestedAcquire(core.circumstances(waiter)));
    }
    return waiter.promise;
  }

  /** Lends a free entry to the first caller that still wants it; false when nobody does. */
  handOver(entry: Entry<T>, now: number): boolean {
    const { queue } = this.#core;
    for (let waiter = queue.peek(); waiter !== undefined; waiter = queue.peek()) {
      if (waiter.deadline <= now) {
        this.#refusals.timeOut(waiter, now);
      } else if (this.#codel?.sheds(now, now - waiter.since) === true) {
        this.#shed(waiter);
      } else {
        queue.remove(waiter);
        this.lend(entry, now, waiter.since, waiter.particulars?.origin);
        waiter.resolve(entry.resource);
        return true;
      }
    }
    return false;
  }

  #shed(waiter: Waiter<T>): void {
    const core = this.#core;
    core.counts.totals.shed++;
    this.#refusals.fail(waiter, () => queueFull(core.circumstances(waiter), true, core.settings.maxWaiting));
  }

  /** Why a caller can't even wait. */
  #refusal(signal: AbortSignal | undefined, timeoutMs: number, now: number): FormDBError | undefined {
    const core = this.#core;
    const { maxWaiting } = core.settings;
    if (core.state !== "ready") return refused(core.state);
    if (signal?.aborted) return abortedError("Acquiring a connection", signal);
    if (core.queue.length >= maxWaiting && core.roster.idle === 0) {
      return queueFull(core.circumstances(), false, maxWaiting);
    }
    const pointless = core.outOfReach && core.connector.hopeless;
    if (pointless && now + timeoutMs <= core.connector.nextAttemptAt())
      return connectFailed(core.circumstances());
    return undefined;
  }

  readonly #abandon = (waiter: Waiter<T>): void => {
    this.#refusals.fail(waiter, () => abortedError("Acquiring a connection", waiter.particulars!.signal!));
    this.#core.whole.settleEnds();
  };

  /** Whether everything is lent to `use` calls that wait for more. */
  #isDeadlocked(): boolean {
    const { connector, roster, size } = this.#core;
    if (roster.total < size.max || connector.opening > 0) return false;
    for (const { state, context } of roster.entries()) {
      if (state !== "revoked" && (state !== "lent" || context?.blocked !== true)) return false;
    }
    return true;
  }
}
