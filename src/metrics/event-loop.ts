import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import type { Clock } from "../base/clock.ts";
import type { CatalogueHost } from "./sources.ts";

/** Shortest time that the gauges cover, so that two scrapers don't spoil each other's windows. */
export const MIN_WINDOW_MS = 10_000;

/** How often the delay is measured. The monitor's values have this much in them even when nothing is late. */
const RESOLUTION_MS = 20;
const NANOSECONDS = 1e9;

/** Reads the event loop's delay and utilization at each export, until the returned function is called. */
export function watchEventLoop(host: CatalogueHost, clock: Clock): () => void {
  const monitor = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  monitor.enable();
  const mean = host.gaugeOf("event_loop_delay_mean_seconds");
  const p50 = host.gaugeOf("event_loop_delay_p50_seconds");
  const p99 = host.gaugeOf("event_loop_delay_p99_seconds");
  const max = host.gaugeOf("event_loop_delay_max_seconds");
  const utilization = host.gaugeOf("event_loop_utilization_ratio");
  let windowStart = clock.now();
  let lastUtilization = performance.eventLoopUtilization();
  let complete = false;

  const read = (): void => {
    const full = clock.now() - windowStart >= MIN_WINDOW_MS;
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
    windowStart = clock.now();
  };

  const detach = host.onCollect(read);
  return () => {
    detach();
    monitor.disable();
    // What nobody measures must not look as it last did.
    for (const gauge of [mean, p50, p99, max, utilization]) gauge.set(0);
  };
}

function delay(nanoseconds: number): number {
  return Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / NANOSECONDS - RESOLUTION_MS / 1_000) : 0;
}
