import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import type { DatabaseStats, FormDB } from "@formdb/perf";
import type { FamilySnapshot, MetricsSnapshot } from "@formdb/perf/metrics";
import type { LiveEvent, LivePool, Percentiles } from "./live-event.ts";

/** How often the event loop's delay is measured; the monitor's values have this much in them when nothing is late. */
const RESOLUTION_MS = 10;
const NANOSECONDS_A_MS = 1e6;

type PoolStats = DatabaseStats["pool"];

/** What an interval begins with. */
interface Reading {
  readonly atMs: number;
  readonly stats: DatabaseStats;
  readonly families: ReadonlyMap<string, FamilySnapshot>;
  readonly loop: ReturnType<typeof performance.eventLoopUtilization>;
}

/** Makes an event of what a database did since the one before. Must be closed. */
export class LiveSampler implements Disposable {
  readonly #db: FormDB;
  readonly #delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #before: Reading;

  constructor(db: FormDB) {
    this.#db = db;
    this.#delays.enable();
    this.#before = this.#read();
  }

  sample(): LiveEvent {
    const before = this.#before;
    const now = this.#read();
    this.#before = now;
    const between = new Between(before, now);
    const { cache, batch, profile } = now.stats;
    const hits = cache.hits - before.stats.cache.hits;
    const misses = cache.misses - before.stats.cache.misses;
    const rows = between.histogram("batch_flush_rows");
    const memory = process.memoryUsage();
    const event: LiveEvent = {
      time: Date.now(),
      intervalMs: now.atMs - before.atMs,
      uptimeMs: performance.now(),
      profile,
      queries: {
        count: between.counter("query_total"),
        errors: between.counter("queries_by_operation_total", (labels) => labels[1] !== "ok"),
        inFlight: valueNow(now, "queries_in_flight"),
        total: valueNow(now, "query_total"),
        all: between.percentiles("query_duration_seconds"),
        waiting: between.percentiles("query_phase_duration_seconds", "pool_wait"),
        database: between.percentiles("query_phase_duration_seconds", "database"),
        decoding: between.percentiles("query_phase_duration_seconds", "decode"),
      },
      cache: {
        hits,
        misses,
        missesBy: differences(cache.missesBy, before.stats.cache.missesBy),
        hitRate: hits + misses === 0 ? 0 : hits / (hits + misses),
        size: cache.size,
        maxSize: cache.maxSize,
        evictions: cache.evictions - before.stats.cache.evictions,
        doubledHitRate: cache.hitRateAtDoubleSize,
      },
      pools: this.#pools(now, before),
      batch: {
        queued: batch.queued,
        queuedBytes: batch.queuedBytes,
        inFlight: batch.inFlight,
        held: batch.held,
        waiting: batch.waiting,
        oldestMs: batch.oldestMs,
        flushes: batch.flushes - before.stats.batch.flushes,
        rowsPerFlush: rows.count === 0 ? 0 : rows.sum / rows.count,
        retries: batch.retries - before.stats.batch.retries,
        failed: batch.failed - before.stats.batch.failed,
      },
      eventLoop: {
        meanMs: delay(this.#delays.mean),
        p99Ms: delay(this.#delays.percentile(99)),
        maxMs: delay(this.#delays.max),
        utilization: performance.eventLoopUtilization(now.loop, before.loop).utilization,
      },
      errors: positive(between.byLabel("errors_by_code_total")),
      errorTotals: positive(byLabel(now.families.get("errors_by_code_total"))),
      memory: { heapUsedBytes: memory.heapUsed, rssBytes: memory.rss },
    };
    this.#delays.reset();
    return event;
  }

  [Symbol.dispose](): void {
    this.#delays.disable();
  }

  #pools(now: Reading, before: Reading): LivePool[] {
    const { pool, writer } = now.stats;
    const main = poolOf("main", pool, before.stats.pool);
    const pools = [{ ...main, holders: this.#db.pool.holders() }];
    return writer === undefined || before.stats.writer === undefined
      ? pools
      : [...pools, poolOf("writer", writer, before.stats.writer)];
  }

  #read(): Reading {
    const { metrics } = this.#db;
    return {
      atMs: performance.now(),
      stats: this.#db.stats(),
      families: familiesOf(metrics.snapshot(), `${metrics.prefix}_`),
      loop: performance.eventLoopUtilization(),
    };
  }
}

function familiesOf({ families }: MetricsSnapshot, prefix: string): Map<string, FamilySnapshot> {
  return new Map(families.map((family) => [family.name.slice(prefix.length), family]));
}

function poolOf(name: LivePool["name"], stats: PoolStats, before: PoolStats): LivePool {
  const { inUse, idle, waiting, pending, max, oldestWaitMs } = stats;
  const failed = sum(Object.values(stats.totals.failed)) - sum(Object.values(before.totals.failed));
  return { name, inUse, idle, waiting, pending, max, oldestWaitMs, holders: [], failed };
}

/** The metrics of an interval: those at its end without those at its beginning. */
class Between {
  readonly #before: Reading;
  readonly #now: Reading;

  constructor(before: Reading, now: Reading) {
    this.#before = before;
    this.#now = now;
  }

  counter(name: string, where: (labels: readonly string[]) => boolean = () => true): number {
    return total(this.#now.families.get(name), where) - total(this.#before.families.get(name), where);
  }

  byLabel(name: string): Record<string, number> {
    return differences(byLabel(this.#now.families.get(name)), byLabel(this.#before.families.get(name)));
  }

  /** All series of a histogram together, or those with this first label. */
  histogram(name: string, label?: string): Buckets {
    const now = bucketsOf(this.#now.families.get(name), label);
    const before = bucketsOf(this.#before.families.get(name), label);
    return {
      bounds: now.bounds,
      counts: now.counts.map((count, i) => count - (before.counts[i] ?? 0)),
      count: now.count - before.count,
      sum: now.sum - before.sum,
    };
  }

  percentiles(name: string, label?: string): Percentiles {
    const buckets = this.histogram(name, label);
    return {
      p50Ms: percentile(buckets, 0.5) * 1_000,
      p95Ms: percentile(buckets, 0.95) * 1_000,
      p99Ms: percentile(buckets, 0.99) * 1_000,
    };
  }
}

interface Buckets {
  readonly bounds: readonly number[];
  /** Each bucket's own count, the one without an upper bound last. */
  readonly counts: readonly number[];
  readonly count: number;
  readonly sum: number;
}

function bucketsOf(family: FamilySnapshot | undefined, label: string | undefined): Buckets {
  const bounds = family?.buckets ?? [];
  const counts = new Array<number>(bounds.length + 1).fill(0);
  let added = 0;
  for (const series of family?.series ?? []) {
    if (label !== undefined && series.labels[0] !== label) continue;
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

function valueNow({ families }: Reading, name: string): number {
  return total(families.get(name), () => true);
}

function total(family: FamilySnapshot | undefined, where: (labels: readonly string[]) => boolean): number {
  return sum((family?.series ?? []).filter(({ labels }) => where(labels)).map(({ value }) => value ?? 0));
}

function byLabel(family: FamilySnapshot | undefined): Record<string, number> {
  return Object.fromEntries((family?.series ?? []).map(({ labels, value }) => [labels[0]!, value ?? 0]));
}

function differences(
  now: Readonly<Record<string, number>>,
  before: Readonly<Record<string, number>>,
): Record<string, number> {
  return Object.fromEntries(Object.entries(now).map(([name, value]) => [name, value - (before[name] ?? 0)]));
}

function positive(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}

function delay(nanoseconds: number): number {
  return Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / NANOSECONDS_A_MS - RESOLUTION_MS) : 0;
}
