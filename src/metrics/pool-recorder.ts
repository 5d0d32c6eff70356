import { getOrInsert } from "../base/maps.ts";
import { type PoolObserver, vouchFor } from "../base/observer.ts";
import type { Counter } from "./counter.ts";
import type { GaugeName } from "./definitions.ts";
import type { CounterFamily } from "./instruments.ts";
import { type Metrics, storeOf } from "./metrics.ts";
import { Peak } from "./peak.ts";
import { zeroPool } from "./sources.ts";
import type { MetricStore } from "./store.ts";

interface Levels {
  readonly inUse: Peak;
  readonly waiting: Peak;
}

const levelsOf = new WeakMap<MetricStore, Map<string, Levels>>();

/** The observer of one pool. Recorders of one name share their peaks. */
export function poolRecorder(metrics: Metrics, pool: string): Required<PoolObserver> {
  const store = storeOf(metrics);
  zeroPool(store, pool);
  const { inUse, waiting } = levels(store, pool);
  const wait = store.histogram("pool_wait_seconds").labels({ pool });
  const hold = store.histogram("pool_hold_seconds").labels({ pool });
  const connect = store.histogram("pool_connect_seconds").labels({ pool });
  const opened = store.counter("pool_connections_opened_total").labels({ pool });
  const invalidations = store.counter("pool_invalidations_total").labels({ pool });
  const paused = store.gauge("pool_paused").labels({ pool });
  const closed = byReason(store.counter("pool_connections_closed_total"), pool);
  const failed = byReason(store.counter("pool_acquire_failures_total"), pool);

  const waited = (waitMs: number): void => {
    // Most callers get a connection at once. So the peak of waiting is taken when one that had to wait stops waiting.
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

function levels(store: MetricStore, pool: string): Levels {
  const pools = getOrInsert(levelsOf, store, () => new Map<string, Levels>());
  const peak = (name: GaugeName): Peak => {
    const shown = new Peak(store.now());
    const gauge = store.gauge(name).labels({ pool });
    gauge.collect(() => shown.read(store.now()));
    return shown;
  };
  return getOrInsert(pools, pool, () => ({
    inUse: peak("pool_peak_in_use"),
    waiting: peak("pool_peak_waiting"),
  }));
}
