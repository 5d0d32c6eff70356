import type { AcquireFailureReason, ConnectionCloseReason } from "../base/observer.ts";

/** `draining` serves those who wait and turns newcomers away; then it is `paused`. */
export type PoolState = "paused" | "ready" | "draining" | "closing" | "closed";

/** Events since the pool was made. `created` = `pending` + `total` + all of `closed`. */
export interface PoolTotals {
  readonly created: number;
  readonly ready: number;
  readonly connectFailures: number;
  readonly closed: Readonly<Record<ConnectionCloseReason, number>>;
  readonly destroyFailures: number;
  readonly acquired: number;
  readonly released: number;
  readonly failed: Readonly<Record<AcquireFailureReason, number>>;
  /** Of `failed.queueFull`, those that CoDel turned away. */
  readonly shed: number;
  readonly invalidations: number;
  readonly leaks: number;
}

/** The most at a time since the pool was made. */
export interface PoolPeaks {
  readonly total: number;
  readonly inUse: number;
  readonly waiting: number;
}

/** A pool at one moment. `total` = `idle` + `inUse`. */
export interface PoolStats {
  readonly state: PoolState;
  readonly total: number;
  readonly idle: number;
  /** With callers, or with the pool itself, which validates or resets them. */
  readonly inUse: number;
  /** Of `inUse`, those that are being validated or reset. */
  readonly checking: number;
  /** Callers that wait. */
  readonly waiting: number;
  /** Being opened. */
  readonly pending: number;
  /** Left the pool and not yet destroyed. */
  readonly closing: number;
  readonly min: number;
  readonly max: number;
  readonly generation: number;
  /** How long the first who waits has waited; 0 when nobody does. */
  readonly oldestWaitMs: number;
  readonly lastConnectError: string | undefined;
  readonly totals: PoolTotals;
  readonly peaks: PoolPeaks;
}

type Mutable<V> = {
  -readonly [K in keyof V]: V[K] extends Readonly<Record<string, number>> ? Mutable<V[K]> : V[K];
};

/** Counts what happens to a pool. */
export class PoolCounts {
  readonly totals: Mutable<PoolTotals> = {
    created: 0,
    ready: 0,
    connectFailures: 0,
    closed: { idle: 0, stale: 0, lifetime: 0, maxUses: 0, error: 0, poolClosed: 0 },
    destroyFailures: 0,
    acquired: 0,
    released: 0,
    failed: { timeout: 0, aborted: 0, poolClosed: 0, poolPaused: 0, queueFull: 0, connectError: 0 },
    shed: 0,
    invalidations: 0,
    leaks: 0,
  };
  readonly peaks: Mutable<PoolPeaks> = { total: 0, inUse: 0, waiting: 0 };

  snapshot(): { readonly totals: PoolTotals; readonly peaks: PoolPeaks } {
    const { totals, peaks } = this;
    return {
      totals: Object.freeze({
        ...totals,
        closed: Object.freeze({ ...totals.closed }),
        failed: Object.freeze({ ...totals.failed }),
      }),
      peaks: Object.freeze({ ...peaks }),
    };
  }
}
