import { Metrics, type MetricsOptions, type QueryLabels } from "../metrics/metrics.ts";
import { sharedMetrics } from "./shared-metrics.ts";

/** Counts a query and its latency in milliseconds. */
export function recordQuery(latencyMs: number, labels?: QueryLabels): void {
  sharedMetrics().recordQuery(latencyMs, labels);
}

/** Counts a plan that was found, in the default database's metrics. */
export function recordCacheHit(): void {
  sharedMetrics().recordCacheHit();
}

/** Counts a plan that was not found, in the default database's metrics. */
export function recordCacheMiss(): void {
  sharedMetrics().recordCacheMiss();
}

/** Counts an error by its code, in the default database's metrics. */
export function recordError(code?: string): void {
  sharedMetrics().recordError(code);
}

/** All metrics of the default database as Prometheus text 0.0.4. */
export function exportPrometheus(): string {
  return sharedMetrics().exportPrometheus();
}

/** Metrics of their own. */
export function makeMetrics(options?: MetricsOptions): Metrics {
  return new Metrics(options);
}
