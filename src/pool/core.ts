import { messageOf } from "../base/errors.ts";
import { guardObservers, POOL_EVENTS, type PoolObserver } from "../base/observer.ts";
import { Connector } from "./connector.ts";
import type { Circumstances } from "./failures.ts";
import { type PoolOptions, type PoolSettings, settingsOf } from "./options.ts";
import { Roster } from "./roster.ts";
import { type PoolSize, sizeOf } from "./size.ts";
import { PoolCounts, type PoolState, type PoolStats } from "./stats.ts";
import { Tasks } from "./tasks.ts";
import { WaitQueue } from "./wait-queue.ts";
import type { Waiter } from "./waiter.ts";
import { WakeUp } from "./wake-up.ts";

/** What a part of a pool asks of the pool as a whole. */
export interface WholePool {
  /** Brings idle entries and callers together and opens what is missing. */
  pump(): void;
  /** Ends a drain or the closing if nothing is left to wait for. */
  settleEnds(): void;
  /** Replaces every connection. */
  invalidate(): void;
  /** Something fell due, so many milliseconds ago. */
  wakeUp(lateMs: number): void;
}

/**
 * What the parts of one pool share: its settings, its collections, and the numbers that more than one of
 * them reads. It tells how things stand and moves nothing; each field below says who does.
 */
export class PoolCore<T> {
  readonly settings: PoolSettings<T>;
  readonly observer: Required<PoolObserver>;
  readonly roster: Roster<T>;
  readonly queue: WaitQueue<T>;
  readonly tasks: Tasks = new Tasks();
  readonly connector: Connector<T>;
  readonly wake: WakeUp;
  readonly counts: PoolCounts = new PoolCounts();
  readonly whole: WholePool;
  readonly #namedHosts: boolean;
  /** Moved by `Lifecycle`. */
  state: PoolState;
  /** Changed by `Pool.resize`. */
  size: PoolSize;
  /** Raised by `Pool.invalidate`; entries of an earlier one are stale. */
  generation = 0;
  /** Entries under validation or reset, which somebody will get soon. Counted by `Returning`. */
  checking = 0;
  /** Entries for which a successor is wanted. Counted by `Supply`, and by `Departures` when they go. */
  replacing = 0;
  /** Resources that left the pool and are not destroyed yet. Counted by `Departures`. */
  destroying = 0;

  /** Throws `FORMDB_CONFIG`. */
  constructor(options: PoolOptions<T>, whole: WholePool) {
    this.settings = settingsOf(options);
    this.size = sizeOf(options);
    const { hosts, holds, acquireTimeoutMs, clock } = this.settings;
    this.observer = guardObservers<PoolObserver>(POOL_EVENTS, [options.observer]);
    this.roster = new Roster<T>(hosts, holds);
    this.queue = new WaitQueue<T>(acquireTimeoutMs);
    this.connector = new Connector<T>(this.settings, this.roster.hosts, this.tasks);
    this.wake = new WakeUp(clock, (lateMs) => whole.wakeUp(lateMs));
    this.whole = whole;
    this.#namedHosts = options.hosts !== undefined;
    this.state = options.startPaused === true ? "paused" : "ready";
  }

  /** Whether the pool ends for good, or has ended. */
  get closing(): boolean {
    return this.state === "closing" || this.state === "closed";
  }

  /** Nothing is open and nothing is being opened. */
  get outOfReach(): boolean {
    return this.roster.total === 0 && this.connector.opening === 0;
  }

  /** Whether an idle entry is to be proved before it is lent. */
  needsProof(provenAt: number, now: number): boolean {
    const { validate, validateAfterIdleMs } = this.settings;
    return validate !== undefined && now - provenAt > validateAfterIdleMs;
  }

  stats(): PoolStats {
    const { roster, size } = this;
    const { total, idle } = roster;
    const oldest = this.queue.oldestSince();
    const { lastError } = this.connector;
    return Object.freeze({
      state: this.state,
      total,
      idle,
      inUse: total - idle,
      checking: this.checking,
      waiting: this.queue.length,
      pending: this.connector.opening,
      closing: this.destroying,
      min: size.min,
      max: size.max,
      generation: this.generation,
      oldestWaitMs: oldest === Infinity ? 0 : this.settings.clock.now() - oldest,
      lastConnectError: lastError === undefined ? undefined : messageOf(lastError),
      hosts: this.#namedHosts ? roster.hosts.map((host) => host.stats()) : [],
      ...this.counts.snapshot(),
    });
  }

  /** What a caller is told who gets nothing; without a waiter, one that could not even wait. */
  circumstances(waiter?: Waiter<T>): Circumstances {
    const since = waiter?.since;
    // Trouble of long ago, or that is over, explains nothing.
    const { lastError, lastErrorAt } = this.connector;
    const recent = this.connector.failing || (since !== undefined && lastErrorAt >= since);
    return {
      stats: this.stats(),
      waitMs: since === undefined ? 0 : this.settings.clock.now() - since,
      lastConnectError: recent ? lastError : undefined,
    };
  }
}
