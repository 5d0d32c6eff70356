export {
  exportPrometheus,
  makeMetrics as make,
  recordCacheHit,
  recordCacheMiss,
  recordError,
  recordQuery,
} from "./functions/metrics.ts";
export { stats } from "./functions/stats.ts";
export type { Counter } from "./metrics/counter.ts";
export { METRIC_DEFINITIONS, type MetricDefinition, type MetricType } from "./metrics/definitions.ts";
export type { ExemplarLabels } from "./metrics/exemplar.ts";
export type { ExportFormat } from "./metrics/exposition.ts";
export type { LabelValues } from "./metrics/family.ts";
export type { Gauge } from "./metrics/gauge.ts";
export type { Histogram } from "./metrics/histogram.ts";
export type { CounterFamily, GaugeFamily, HistogramFamily } from "./metrics/instruments.ts";
export type { QueryOutcome } from "./metrics/label-values.ts";
export { type ListenOptions, type ScrapeEndpoint, scrapeHandler } from "./metrics/listen.ts";
export { Metrics, type MetricsOptions, type QueryLabels } from "./metrics/metrics.ts";
export { poolRecorder } from "./metrics/pool-recorder.ts";
export {
  batchRecorder,
  cacheRecorder,
  queryRecorder,
  type RecorderOptions,
  recorder,
} from "./metrics/recorder.ts";
export { SlowLog, type SlowLogOptions, type SlowQueryEntry, slowQueryObserver } from "./metrics/slow-log.ts";
export type { FamilySnapshot, MetricsSnapshot, SeriesSnapshot } from "./metrics/snapshot.ts";
export type { BatchSource, CacheSource, PoolSource } from "./metrics/sources.ts";
export type { Distribution, MetricSummary, MetricsSummary } from "./metrics/summary.ts";
export { type StatementStats, TopStatements, type TopStatementsOptions } from "./metrics/top-statements.ts";
