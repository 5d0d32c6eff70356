import { Metrics, type MetricsOptions } from "./metrics.ts";

/** The entry `@formdb/perf/metrics`. */
export { exportSnapshot, mergeSnapshots } from "./aggregate.ts";
export { CATALOGUE, type MetricDefinition, type MetricType, type QueryOutcome } from "./catalogue.ts";
export {
  answerSnapshots,
  type CollectorOptions,
  clusterChannel,
  portChannel,
  type SnapshotChannel,
  SnapshotCollector,
} from "./collector.ts";
export type { Counter } from "./counter.ts";
export type { ExemplarLabels } from "./exemplar.ts";
export type { ExportFormat } from "./exposition.ts";
export type { LabelValues } from "./family.ts";
export type { Gauge } from "./gauge.ts";
export type { Histogram } from "./histogram.ts";
export type { CounterFamily, GaugeFamily, HistogramFamily } from "./instruments.ts";
export { type ListenOptions, type ScrapeEndpoint, scrapeHandler } from "./listen.ts";
export { Metrics, type MetricsOptions, type QueryLabels } from "./metrics.ts";
export { poolRecorder } from "./pool-recorder.ts";
export {
  batchRecorder,
  cacheRecorder,
  queryRecorder,
  type RecorderOptions,
  recorder,
} from "./recorder.ts";
export { SlowLog, type SlowLogOptions, type SlowQuery, type SlowQueryEntry } from "./slow-log.ts";
export type { FamilySnapshot, MetricsSnapshot, SeriesSnapshot } from "./snapshot.ts";
export type { BatchSource, CacheSource, PoolSource } from "./sources.ts";
export type { Distribution, MetricSummary, MetricsSummary } from "./summary.ts";
export { type StatementStats, TopStatements, type TopStatementsOptions } from "./top-statements.ts";
export { type AcquireTrace, channels, type FlushTrace, type QueryTrace, traced } from "./tracing-channels.ts";

/** The seed's way to make a store. */
export function make(options?: MetricsOptions): Metrics {
  return new Metrics(options);
}
