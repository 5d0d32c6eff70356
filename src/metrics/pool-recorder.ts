import { type PoolObserver, vouchFor } from "../base/observer.ts";
import type { Counter } from "./counter.ts";
import type { CounterFamily } from "./instruments.ts";
import type { Metrics } from "./metrics.ts";
import { Peak } from "./peak.ts";
import { zeroPool } from "./sources.ts";

interface Levels {
  readonly inUse: Peak;
  readonly waiting: Peak;
}

const levelsOf = new WeakMap<Metrics, Map<string, Levels>>();

/** The observer of one pool. Recorders of one name share their peaks. */
export function poolRecorder(metrics: Metrics, pool: string): Required<PoolObserver> {
  zeroPool(metrics, pool);
  const { inUse, waiting } = levels(metrics, pool);
  const wait = metrics.histogramOf("pool_wait_seconds").labels({ pool });
  const hold = metrics.histogramOf("pool_hold_seconds").labels({ pool });
  const connect = metrics.histogramOf("pool_connect_seconds").labels({ pool });
  const opened = metrics.counterOf("pool_connections_opened_total").labels({ pool });
  const invalidations = metrics.counterOf("pool_invalidations_total").labels({ pool });
  const paused = metrics.gaugeOf("pool_paused").labels({ pool });
  const closed = byReason(metrics.counterOf("pool_connections_closed_total"), pool);
  const failed = byReason(metrics.counterOf("pool_acquire_failures_total"), pool);

  const waited = (waitMs: number): void => {
    // Most callers get their connection at once and never wait: how many wait is told by one who did, before it ends.
    if (waitMs > 0) waiting.mark();
    waiting.down();
    wait.observe(waitMs / 1_000);
  };
  let isPaused = false;
  const pause = (now: boolean): void => {
    if (now === isPaused) return;
    isPaused = now;
    // Of several pools of one name, each counts.
    if (now) paused.inc(1);
    else paused.dec(1);
  };
  return vouchFor({
    poolCreated: () => {},
    resumed: () => pause(false),
    paused: () => pause(true),
    cleared: () => invalidations.inc(1),
    poolClosed: () => pause(false),
    connectionCreated: () => {},
    connectionReady: (_id, ms) => {
      opened.inc(1);
      connect.observe(ms / 1_000);
    },
    connectionClosed: (_id, reason) => closed(reason).inc(1),
    acquireStarted: () => waiting.up(),
    acquired: (_id, waitMs) => {
      waited(waitMs);
      inUse.up();
      inUse.mark();
    },
    acquireFailed: (reason, waitMs) => {
      waited(waitMs);
      failed(reason).inc(1);
    },
    released: (_id, heldMs) => {
      inUse.down();
      hold.observe(heldMs / 1_000);
    },
  });
}

function byReason(family: CounterFamily, pool: string): (reason: string) => Counter {
  const known = new Map(
    family.series.flatMap((series) =>
      series.labelValues[0] === pool ? [[series.labelValues[1]!, series]] : [],
    ),
  );
  return (reason) => known.get(reason) ?? family.labels({ pool, reason });
}

function levels(metrics: Metrics, pool: string): Levels {
  let pools = levelsOf.get(metrics);
  if (pools === undefined) {
    pools = new Map();
    levelsOf.set(metrics, pools);
  }
  let found = pools.get(pool);
  if (found === undefined) {
    const now = metrics.now();
    found = { inUse: new Peak(now), waiting: new Peak(now) };
    pools.set(pool, found);
    const { inUse, waiting } = found;
    metrics
      .gaugeOf("pool_peak_in_use")
      .labels({ pool })
      .collect(() => inUse.read(metrics.now()));
    metrics
      .gaugeOf("pool_peak_waiting")
      .labels({ pool })
      .collect(() => waiting.read(metrics.now()));
  }
  return found;
}
