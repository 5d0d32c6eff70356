import type { FamilySnapshot } from "@formdb/perf/metrics";
import type { LiveEvent, LivePool, Percentiles } from "./live-event.ts";

/** What is read of a metric. */
export type Family = Pick<FamilySnapshot, "labels" | "buckets" | "series">;

/** The metrics of a process at one moment, by their names without the prefix. */
export interface Reading {
  /** On a clock that never goes back, in milliseconds. */
  readonly atMs: number;
  readonly families: ReadonlyMap<string, Family>;
}

type Labels = Readonly<Record<string, string>>;

/** What metrics say of the time between two readings. */
export class Interval {
  readonly #before: Reading;
  readonly #now: Reading;

  constructor(before: Reading, now: Reading) {
    this.#before = before;
    this.#now = now;
  }

  get ms(): number {
    return this.#now.atMs - this.#before.atMs;
  }

  /** How much a counter has grown. One that is smaller than before began anew with its process. */
  grown(name: string, where: Labels = {}): number {
    const before = total(this.#before.families.get(name), where);
    const now = total(this.#now.families.get(name), where);
    return now >= before ? now - before : now;
  }

  /** The value at the end of the interval, of all series with these labels together. */
  value(name: string, where: Labels = {}): number {
    return total(this.#now.families.get(name), where);
  }

  values(name: string, label: string): Record<string, number> {
    return byLabel(this.#now.families.get(name), label);
  }

  grownBy(name: string, label: string): Record<string, number> {
    return Object.fromEntries(
      Object.keys(this.values(name, label)).map((value) => [value, this.grown(name, { [label]: value })]),
    );
  }

  /** All series of a histogram with these labels together. */
  histogram(name: string, where: Labels = {}): Buckets {
    const now = bucketsOf(this.#now.families.get(name), where);
    const before = bucketsOf(this.#before.families.get(name), where);
    if (now.count < before.count) return now;
    return {
      bounds: now.bounds,
      counts: now.counts.map((count, i) => count - (before.counts[i] ?? 0)),
      count: now.count - before.count,
      sum: now.sum - before.sum,
    };
  }

  percentiles(name: string, where: Labels = {}): Percentiles {
    const buckets = this.histogram(name, where);
    return {
      p50Ms: percentile(buckets, 0.5) * 1_000,
      p95Ms: percentile(buckets, 0.95) * 1_000,
      p99Ms: percentile(buckets, 0.99) * 1_000,
    };
  }

  /** A histogram's mean; 0 without values. */
  mean(name: string): number {
    const { count, sum } = this.histogram(name);
    return count === 0 ? 0 : sum / count;
  }
}

/** All that the metrics of an interval say. What only the process itself knows is empty. */
export function eventOf(interval: Interval): LiveEvent {
  const hits = interval.grown("cache_hits_total");
  const misses = interval.grown("cache_misses_total");
  const missesBy = interval.grownBy("cache_misses_by_reason_total", "reason");
  // Texts that are no queries say nothing about the cache.
  const lookUps = hits + misses - (missesBy.invalid ?? 0);
  const shareOf = (found: number): number => (lookUps === 0 ? 0 : found / lookUps);
  const operations = interval.grown("queries_by_operation_total");
  return {
    time: Date.now(),
    intervalMs: interval.ms,
    queries: {
      count: interval.grown("query_total"),
      errors: operations - interval.grown("queries_by_operation_total", { outcome: "ok" }),
      inFlight: interval.value("queries_in_flight"),
      total: interval.value("query_total"),
      all: interval.percentiles("query_duration_seconds"),
      waiting: interval.percentiles("query_phase_duration_seconds", { phase: "pool_wait" }),
      database: interval.percentiles("query_phase_duration_seconds", { phase: "database" }),
      decoding: interval.percentiles("query_phase_duration_seconds", { phase: "decode" }),
    },
    cache: {
      hits,
      misses,
      missesBy,
      hitRate: shareOf(hits),
      size: interval.value("cache_entries"),
      maxSize: interval.value("cache_max_entries"),
      evictions: interval.grown("cache_removals_total", { reason: "evicted" }),
      // A plan that was pushed out of late would still have been in a cache of twice the size.
      doubledHitRate: shareOf(hits + (missesBy.evicted ?? 0)),
    },
    pools: Object.keys(interval.values("pool_max_connections", "pool"))
      .toSorted()
      .map((pool) => poolOf(interval, pool)),
    mergedReads: {
      statements: interval.histogram("merged_read_calls").count,
      callsPerStatement: interval.mean("merged_read_calls"),
      saved: interval.grown("read_statements_saved_total"),
    },
    batch: {
      queued: interval.value("batch_queue_length"),
      queuedBytes: interval.value("batch_queue_bytes"),
      inFlight: interval.value("batch_flushes_in_flight"),
      held: 0,
      waiting: 0,
      oldestMs: interval.value("batch_queue_oldest_age_seconds") * 1_000,
      flushes: interval.grown("batch_flushes_total"),
      rowsPerFlush: interval.mean("batch_flush_rows"),
      retries: interval.grown("batch_retries_total"),
      failed:
        interval.grown("batch_operations_total") -
        interval.grown("batch_operations_total", { outcome: "applied" }),
    },
    eventLoop: {
      meanMs: interval.value("event_loop_delay_mean_seconds") * 1_000,
      p99Ms: interval.value("event_loop_delay_p99_seconds") * 1_000,
      maxMs: interval.value("event_loop_delay_max_seconds") * 1_000,
      utilization: interval.value("event_loop_utilization_ratio"),
    },
    errors: positive(interval.grownBy("errors_by_code_total", "code")),
    errorTotals: positive(interval.values("errors_by_code_total", "code")),
  };
}

function poolOf(interval: Interval, pool: string): LivePool {
  const connections = (state: string): number => interval.value("pool_connections", { pool, state });
  return {
    name: pool,
    inUse: connections("in_use"),
    idle: connections("idle"),
    waiting: interval.value("pool_waiting", { pool }),
    pending: connections("opening"),
    max: interval.value("pool_max_connections", { pool }),
    oldestWaitMs: interval.value("pool_oldest_waiter_age_seconds", { pool }) * 1_000,
    holders: [],
    failed: interval.grown("pool_acquire_failures_total", { pool }),
  };
}

interface Buckets {
  readonly bounds: readonly number[];
  /** Each bucket's own count, the one without an upper bound last. */
  readonly counts: readonly number[];
  readonly count: number;
  readonly sum: number;
}

function bucketsOf(family: Family | undefined, where: Labels): Buckets {
  const bounds = family?.buckets ?? [];
  const counts = new Array<number>(bounds.length + 1).fill(0);
  let added = 0;
  for (const series of seriesOf(family, where)) {
    series.counts?.forEach((count, i) => {
      counts[i]! += count;
    });
    added += series.sum ?? 0;
  }
  return { bounds, counts, count: sum(counts), sum: added };
}

/** As Prometheus' `histogram_quantile`: values are taken as evenly spread within a bucket. */
function percentile({ bounds, counts, count }: Buckets, share: number): number {
  if (count === 0) return 0;
  const rank = share * count;
  let below = 0;
  for (const [i, inBucket] of counts.entries()) {
    if (inBucket > 0 && below + inBucket >= rank) {
      const lower = i === 0 ? 0 : bounds[i - 1]!;
      const upper = bounds[i] ?? lower;
      return lower + (upper - lower) * ((rank - below) / inBucket);
    }
    below += inBucket;
  }
  return bounds.at(-1) ?? 0;
}

function total(family: Family | undefined, where: Labels): number {
  return sum(seriesOf(family, where).map(({ value }) => value ?? 0));
}

function byLabel(family: Family | undefined, label: string): Record<string, number> {
  const at = family?.labels.indexOf(label) ?? -1;
  const values: Record<string, number> = {};
  for (const { labels, value } of family?.series ?? []) {
    const name = labels[at] ?? "";
    values[name] = (values[name] ?? 0) + (value ?? 0);
  }
  return values;
}

function seriesOf(family: Family | undefined, where: Labels): Family["series"] {
  if (family === undefined) return [];
  const wanted = Object.entries(where).map(
    ([label, value]) => [family.labels.indexOf(label), value] as const,
  );
  return family.series.filter(({ labels }) => wanted.every(([at, value]) => labels[at] === value));
}

function positive(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}
