import {
  type BatchObserver,
  type CacheObserver,
  type Observer,
  type QueryObserver,
  vouchFor,
} from "../base/observer.ts";
import { checkOptions, object, string } from "../base/options.ts";
import type { Counter } from "./counter.ts";
import { EndedQueries } from "./deferred/ended-queries.ts";
import type { CounterFamily } from "./instruments.ts";
import { type Metrics, storeOf } from "./metrics.ts";
import { poolRecorder } from "./pool-recorder.ts";
import { type SlowLog, slowQueryObserver } from "./slow-log.ts";
import type { TopStatements } from "./top-statements.ts";

/** What a recorder tells beside metrics. */
export interface RecorderOptions {
  /** The name of the pool that reports to this observer; default `main`. */
  readonly pool?: string | undefined;
  /** Kept up with every query that is reported. */
  readonly statements?: TopStatements | undefined;
  /** Told of slow queries. */
  readonly slowLog?: SlowLog | undefined;
}

const RECORDER_CHECKS = { pool: string, statements: object, slowLog: object };

/**
 * The observer that turns events into metrics. Handles are bound when it is made; while it
 * records it allocates nothing. Of several pools each needs a recorder's pool methods of its own: `poolRecorder`.
 */
export function recorder(metrics: Metrics, options: RecorderOptions = {}): Required<Observer> {
  checkOptions("recorder", options, RECORDER_CHECKS);
  return vouchFor({
    ...cacheRecorder(metrics),
    ...poolRecorder(metrics, options.pool ?? "main"),
    ...batchRecorder(metrics),
    ...queryRecorder(metrics, options),
  });
}

/** An observer that counts what a plan cache does. */
export function cacheRecorder(metrics: Metrics): Required<CacheObserver> {
  const store = storeOf(metrics);
  const removals = handles(store.counter("cache_removals_total"), "reason");
  const compile = store.histogram("cache_compile_duration_seconds").labels();
  const saved = store.counter("cache_saved_seconds_total").labels();
  return {
    hit: () => metrics.recordCacheHit(),
    miss: (reason) => metrics.recordCacheMiss(reason),
    removed: (reason) => removals(reason).inc(1),
    compiled: (ms) => compile.observe(ms / 1_000),
    saved: (ms) => saved.inc(ms / 1_000),
  };
}

/** An observer that counts what a batch processor does. */
export function batchRecorder(metrics: Metrics): Required<BatchObserver> {
  const store = storeOf(metrics);
  const operations = store.counter("batch_operations_total");
  const applied = handles(operations, "kind", { outcome: "applied" });
  const rejected = handles(operations, "kind", { outcome: "rejected" });
  const unknown = handles(operations, "kind", { outcome: "unknown" });
  const flushes = handles(store.counter("batch_flushes_total"), "reason");
  const rows = store.histogram("batch_flush_rows").labels();
  const size = store.histogram("batch_flush_bytes").labels();
  const duration = store.histogram("batch_flush_duration_seconds").labels();
  const wait = store.histogram("batch_wait_seconds").labels();
  const inFlight = store.gauge("batch_flushes_in_flight").labels();
  const retries = store.counter("batch_retries_total").labels();
  const unawaited = store.counter("errors_unhandled_total").labels();
  const bisections = store.counter("batch_bisections_total").labels();
  return {
    // How many are queued is read from the queue itself when metrics are exported: see observeBatch.
    queued: () => {},
    flushStarted: (reason, count, bytes, waitMs) => {
      flushes(reason).inc(1);
      rows.observe(count);
      size.observe(bytes);
      wait.observe(waitMs / 1_000);
      inFlight.inc(1);
    },
    flushFinished: (_count, ms) => {
      duration.observe(ms / 1_000);
      inFlight.dec(1);
    },
    settled: (kind, outcome) => {
      const byKind = outcome === "applied" ? applied : outcome === "rejected" ? rejected : unknown;
      byKind(kind).inc(1);
    },
    failed: (code, sqlstate) => metrics.recordError(code, sqlstate),
    unawaited: (failures) => unawaited.inc(failures),
    retried: () => retries.inc(1),
    bisected: () => bisections.inc(1),
  };
}

/** An observer that counts queries and errors. */
export function queryRecorder(metrics: Metrics, options: RecorderOptions = {}): Required<QueryObserver> {
  checkOptions("queryRecorder", options, RECORDER_CHECKS);
  const { statements, slowLog } = options;
  const store = storeOf(metrics);
  const ended = new EndedQueries(store, statements);
  const inFlight = store.gauge("queries_in_flight").labels();
  const slow = store.counter("slow_queries_total").labels();
  const suppressed = store.counter("slow_queries_suppressed_total").labels();
  const mergedCalls = store.histogram("merged_read_calls").labels();
  const saved = store.counter("read_statements_saved_total").labels();
  const slowMs = slowLog?.thresholdMs ?? Infinity;
  const slowQueries =
    slowLog &&
    slowQueryObserver(slowLog, (logged) => {
      slow.inc(1);
      if (!logged) suppressed.inc(1);
    });
  return {
    queryStarted: () => inFlight.inc(1),
    queryFinished: (query) => {
      inFlight.dec(1);
      ended.put(query);
      if (query.code === "" && query.totalMs < slowMs && !store.exemplars.present) return;
      ended.count();
      slowQueries?.queryFinished(query);
    },
    groupFinished: (group) => {
      statements?.recordGroup(group);
      slowQueries?.groupFinished(group);
    },
    errorReported: (code, sqlstate) => metrics.recordError(code, sqlstate),
    readsMerged: (reads) => {
      mergedCalls.observe(reads);
      saved.inc(reads - 1);
    },
  };
}

/** Bound counters by the value of one label, the others being fixed. */
function handles(
  family: CounterFamily,
  label: string,
  fixed: Readonly<Record<string, string>> = {},
): (value: string) => Counter {
  return memo((value) => family.labels({ ...fixed, [label]: value }));
}

/** Most handles that are kept by value; later values are looked up each time. */
const MAX_HANDLES = 100;

function memo<H>(find: (value: string) => H): (value: string) => H {
  const known = new Map<string, H>();
  let lastValue: string | undefined;
  let last: H | undefined;
  return (value) => {
    // Events come in runs of one kind: comparing a name costs less than looking it up.
    if (value === lastValue) return last!;
    let handle = known.get(value);
    if (handle === undefined) {
      handle = find(value);
      if (known.size < MAX_HANDLES) known.set(value, handle);
    }
    lastValue = value;
    last = handle;
    return handle;
  };
}
