import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import type { MetricStore } from "./store.ts";

/** Shortest time that the gauges cover, so that two scrapers don't spoil each other's windows. */
export const MIN_WINDOW_MS = 10_000;

/** How often the delay is measured. The monitor's values have this much in them even when nothing is late. */
const RESOLUTION_MS = 20;
const NANOSECONDS = 1e9;

/** Reads the event loop's delay and utilization at each export, until the returned function is called. */
export function watchEventLoop(store: MetricStore): () => void {
  const monitor = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  monitor.enable();
  const mean = store.gauge("event_loop_delay_mean_seconds");
  const p50 = store.gauge("event_loop_delay_p50_seconds");
  const p99 = store.gauge("event_loop_delay_p99_seconds");
  const max = store.gauge("event_loop_delay_max_seconds");
  const utilization = store.gauge("event_loop_utilization_ratio");
  let windowStart = store.now();
  let lastUtilization = performance.eventLoopUtilization();
  let complete = false;

  const read = (): void => {
    const full = store.now() - windowStart >= MIN_WINDOW_MS;
    // A window that has just begun says little: what the last one said stands until it is long enough.
    if (!full && complete) return;
    mean.set(delay(monitor.mean));
    p50.set(delay(monitor.percentile(50)));
    p99.set(delay(monitor.percentile(99)));
    max.set(delay(monitor.max));
    const now = performance.eventLoopUtilization();
    utilization.set(performance.eventLoopUtilization(now, lastUtilization).utilization);
    if (!full) return;
    complete = true;
    monitor.reset();
    lastUtilization = now;
    windowStart = store.now();
  };

  const detach = store.registry.onCollect(read);
  return () => {
    detach();
    monitor.disable();
    // The last values must not stay when nobody measures any more.
    for (const gauge of [mean, p50, p99, max, utilization]) gauge.set(0);
  };
}

function delay(nanoseconds: number): number {
  return Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / NANOSECONDS - RESOLUTION_MS / 1_000) : 0;
}
