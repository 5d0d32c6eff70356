export {
  exportPrometheus,
  makeMetrics as make,
  recordCacheHit,
  recordCacheMiss,
  recordError,
  recordQuery,
  stats,
} from "./functions.ts";
export * from "./metrics/metrics.ts";
