import type { MetricType } from "./definitions.ts";
import type { AnyFamily } from "./instruments.ts";
import { percentile } from "./percentile.ts";

/** A distribution in few numbers, in the unit of what was observed; zeros without observations. */
export interface Distribution {
  readonly count: number;
  readonly sum: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

export type SeriesSummary = { readonly labels: Readonly<Record<string, string>> } & (
  | { readonly value: number }
  | Distribution
);

/** A metric's series in short. */
export interface MetricSummary {
  readonly type: MetricType;
  readonly help: string;
  readonly series: readonly SeriesSummary[];
}

/** All metrics as data, the most asked for first. Times are in milliseconds if the name ends in `Ms`. */
export interface MetricsSummary {
  readonly queries: {
    readonly total: number;
    readonly inFlight: number;
    readonly lastMs: number;
    readonly meanMs: number;
    readonly p50Ms: number;
    readonly p90Ms: number;
    readonly p95Ms: number;
    readonly p99Ms: number;
    readonly maxMs: number;
  };
  /** `hitRate` leaves out the misses of texts that are no queries, as the plan cache's own does. */
  readonly cache: { readonly hits: number; readonly misses: number; readonly hitRate: number };
  readonly pool: { readonly size: number; readonly active: number };
  readonly batch: { readonly size: number };
  readonly errors: { readonly total: number };
  /** The values of all metrics without labels, by full name; histograms are left out. */
  readonly values: Readonly<Record<string, number>>;
  /** Every metric by full name. */
  readonly metrics: Readonly<Record<string, MetricSummary>>;
}

/** `find` gives a metric by its name without the prefix. */
export function summarize(
  families: Iterable<AnyFamily>,
  find: (name: string) => AnyFamily | undefined,
): MetricsSummary {
  const values: Record<string, number> = {};
  const metrics: Record<string, MetricSummary> = {};
  for (const family of families) {
    metrics[family.name] = metricSummary(family);
    if (family.type !== "histogram" && family.labelNames.length === 0) values[family.name] = family.value;
  }
  const value = (name: string): number => {
    const family = find(name);
    return family === undefined || family.type === "histogram" ? 0 : family.value;
  };
  const durations = find("query_duration_seconds");
  const queries = durations?.type === "histogram" ? distribution(durations.bounds, durations.series) : NONE;
  const hits = value("cache_hits_total");
  const misses = value("cache_misses_total");
  const byReason = find("cache_misses_by_reason_total");
  const invalid =
    byReason?.type === "counter"
      ? (byReason.series.find(({ labelValues }) => labelValues[0] === "invalid")?.value ?? 0)
      : 0;
  const looked = hits + misses - invalid;
  return {
    queries: {
      total: value("query_total"),
      inFlight: value("queries_in_flight"),
      lastMs: value("query_latency_ms"),
      meanMs: queries.mean * 1_000,
      p50Ms: queries.p50 * 1_000,
      p90Ms: queries.p90 * 1_000,
      p95Ms: queries.p95 * 1_000,
      p99Ms: queries.p99 * 1_000,
      maxMs: queries.max * 1_000,
    },
    cache: { hits, misses, hitRate: looked === 0 ? 0 : hits / looked },
    pool: { size: value("connection_pool_size"), active: value("active_connections") },
    batch: { size: value("batch_size") },
    errors: { total: value("errors_total") },
    values,
    metrics,
  };
}

interface Counted {
  readonly counts: Float64Array;
  readonly sum: number;
  readonly max: number;
}

/** The distribution of all that several series of one histogram have counted. */
export function distribution(bounds: readonly number[], series: readonly Counted[]): Distribution {
  const counts = new Float64Array(bounds.length + 1);
  let sum = 0;
  let max = -Infinity;
  for (const one of series) {
    const own = one.counts;
    for (let i = 0; i < counts.length; i++) counts[i]! += own[i]!;
    sum += one.sum;
    max = Math.max(max, one.max);
  }
  const count = counts.reduce((total, bucket) => total + bucket, 0);
  if (count === 0) return NONE;
  const at = (share: number): number => percentile(share, bounds, counts, max);
  return { count, sum, mean: sum / count, p50: at(0.5), p90: at(0.9), p95: at(0.95), p99: at(0.99), max };
}

const NONE: Distribution = Object.freeze({
  count: 0,
  sum: 0,
  mean: 0,
  p50: 0,
  p90: 0,
  p95: 0,
  p99: 0,
  max: 0,
});

function metricSummary(family: AnyFamily): MetricSummary {
  const labels = (values: readonly string[]): Record<string, string> =>
    Object.fromEntries(family.labelNames.map((name, i) => [name, values[i]!]));
  const series: SeriesSummary[] =
    family.type === "histogram"
      ? family.series.map((one) => ({
          labels: labels(one.labelValues),
          ...distribution(family.bounds, [one]),
        }))
      : family.series.map((one) => ({ labels: labels(one.labelValues), value: one.value }));
  return { type: family.type, help: family.definition.help, series };
}
