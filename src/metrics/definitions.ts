import { LABEL_VALUES, type LabelDomain } from "./label-values.ts";

/** The kinds of metrics. */
export type MetricType = "counter" | "gauge" | "histogram";

/** How the values of several processes become one: counters and histograms always add. */
export type GaugeAggregation = "sum" | "max" | "mean";

/** A metric that FormDB exports: what `# HELP` and `# TYPE` say, and what its series look like. */
export interface MetricDefinition {
  /** Without the prefix; as samples have it in text 0.0.4, so counters end in `_total`. */
  readonly name: string;
  readonly type: MetricType;
  readonly help: string;
  /** The unit that OpenMetrics declares; always the end of the family's name. */
  readonly unit?: string;
  readonly labels?: readonly string[];
  /**
   * The values that a label can have, where they are few and known. A metric whose every label is listed
   * is exported as zero from the start; one that has a `pool` label, as soon as that pool is known.
   */
  readonly known?: Readonly<Record<string, readonly string[]>>;
  /** Upper bounds, ascending, without `+Inf`. */
  readonly buckets?: readonly number[];
  /** For gauges; `sum` when left out. */
  readonly aggregate?: GaugeAggregation;
  /** Exported only once something asks for it. */
  readonly onDemand?: boolean;
}

/** Seconds, from ten microseconds (a SQLite read by id) to ten seconds. */
export const DURATION_BUCKETS: readonly number[] = Object.freeze([
  0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
  0.5, 1, 2.5, 5, 10,
]);

/** Rows and operations, from none to a hundred thousand. */
const COUNT_BUCKETS: readonly number[] = Object.freeze([
  0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 10_000, 100_000,
]);

/** Bytes, from 256 to 64 MiB in steps of four. */
const BYTE_BUCKETS: readonly number[] = Object.freeze([
  256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864,
]);

/**
 * A metric as it is written down here. Its name says its unit and, of a histogram, the buckets: those of durations, of bytes,
 * or of counts where it has no unit.
 */
interface Entry extends Pick<MetricDefinition, "name" | "type" | "help" | "aggregate" | "onDemand"> {
  /** By label; `any` are values that nobody knows beforehand. */
  readonly labels?: Readonly<Record<string, LabelDomain | "any">>;
}

/** Names of the compatibility API, which come from the original module. They have no labels and never will. */
const COMPATIBLE = [
  { name: "query_total", type: "counter", help: "Total queries executed." },
  {
    name: "query_latency_ms",
    type: "gauge",
    help: "Latency of the last query in milliseconds; see query_duration_seconds for all of them.",
    aggregate: "max",
  },
  { name: "cache_hits_total", type: "counter", help: "Look-ups that found a plan in the cache." },
  { name: "cache_misses_total", type: "counter", help: "Look-ups that found no usable plan in the cache." },
  { name: "connection_pool_size", type: "gauge", help: "Open connections, idle and in use, of all pools." },
  { name: "active_connections", type: "gauge", help: "Connections in use, of all pools." },
  { name: "batch_size", type: "gauge", help: "Operations that wait to be sent in a batch." },
  { name: "errors_total", type: "counter", help: "Total errors." },
] as const;

const QUERIES = [
  {
    name: "queries_by_operation_total",
    type: "counter",
    help: "Queries executed, by operation and outcome.",
    labels: { operation: "operation", outcome: "queryOutcome" },
  },
  {
    name: "query_duration_seconds",
    type: "histogram",
    help: "Time from a query's call to its result.",
    labels: { operation: "operation", collection: "any", outcome: "queryOutcome" },
  },
  {
    name: "query_phase_duration_seconds",
    type: "histogram",
    help: "Parts of the queries' time: waiting for a connection, in the database, decoding rows, and the rest.",
    labels: { phase: "phase" },
  },
  {
    name: "query_rows",
    type: "histogram",
    help: "Rows that a query read or wrote.",
    labels: { operation: "any" },
  },
  { name: "queries_in_flight", type: "gauge", help: "Queries that have started and not ended." },
  { name: "merged_read_calls", type: "histogram", help: "Reads that one statement answered together." },
  {
    name: "read_statements_saved_total",
    type: "counter",
    help: "Statements that were not sent because another read's answered theirs too.",
  },
  {
    name: "slow_queries_total",
    type: "counter",
    help: "Queries, and groups of queued writes, that took longer than the slow-query threshold.",
  },
  {
    name: "slow_queries_suppressed_total",
    type: "counter",
    help: "Slow queries and groups that were not logged because the log's rate is bounded.",
  },
] as const;

const CACHE = [
  {
    name: "cache_misses_by_reason_total",
    type: "counter",
    help: "Look-ups that found no usable plan in the cache, by reason.",
    labels: { reason: "miss" },
  },
  {
    name: "cache_removals_total",
    type: "counter",
    help: "Plans that left the cache or were not let in, by reason.",
    labels: { reason: "removal" },
  },
  { name: "cache_compile_duration_seconds", type: "histogram", help: "Time that compiling a plan took." },
  { name: "cache_saved_seconds_total", type: "counter", help: "Compile time that cache hits spared." },
  { name: "cache_entries", type: "gauge", help: "Plans in the cache." },
  { name: "cache_max_entries", type: "gauge", help: "Plans that the cache can hold." },
  { name: "cache_bytes", type: "gauge", help: "Estimated memory of the cached plans." },
  {
    name: "cache_max_bytes",
    type: "gauge",
    help: "Memory that the cached plans may take; 0 where only their number is bounded.",
  },
  {
    name: "cache_doubled_hit_ratio",
    type: "gauge",
    help: "Hit ratio that a cache of twice the size would have had.",
    aggregate: "mean",
  },
] as const;

const POOL = [
  {
    name: "pool_connections",
    type: "gauge",
    help: "Connections by state.",
    labels: { pool: "any", state: "connectionState" },
  },
  {
    name: "pool_max_connections",
    type: "gauge",
    help: "Most connections at a time.",
    labels: { pool: "any" },
  },
  {
    name: "pool_min_connections",
    type: "gauge",
    help: "Connections that are kept open when idle.",
    labels: { pool: "any" },
  },
  {
    name: "pool_waiting",
    type: "gauge",
    help: "Callers that wait for a connection.",
    labels: { pool: "any" },
  },
  {
    name: "pool_oldest_waiter_age_seconds",
    type: "gauge",
    help: "How long the first caller in the queue has waited; 0 when nobody waits.",
    labels: { pool: "any" },
    aggregate: "max",
  },
  {
    name: "pool_peak_in_use",
    type: "gauge",
    help: "Most connections in use at a time since the scrape before, and for at least a minute.",
    labels: { pool: "any" },
  },
  {
    name: "pool_peak_waiting",
    type: "gauge",
    help: "Most callers waiting at a time since the scrape before, and for at least a minute.",
    labels: { pool: "any" },
  },
  {
    name: "pool_paused",
    type: "gauge",
    help: "1 while the pool is paused; of several pools of one name, how many are.",
    labels: { pool: "any" },
    aggregate: "max",
  },
  {
    name: "pool_wait_seconds",
    type: "histogram",
    help: "Time that callers waited for a connection, whether they got one or not.",
    labels: { pool: "any" },
  },
  {
    name: "pool_hold_seconds",
    type: "histogram",
    help: "Time that callers kept a connection.",
    labels: { pool: "any" },
  },
  {
    name: "pool_connect_seconds",
    type: "histogram",
    help: "Time that opening a connection took.",
    labels: { pool: "any" },
  },
  {
    name: "pool_acquire_failures_total",
    type: "counter",
    help: "Callers that got no connection, by reason.",
    labels: { pool: "any", reason: "acquireFailure" },
  },
  {
    name: "pool_connections_opened_total",
    type: "counter",
    help: "Connections that became ready.",
    labels: { pool: "any" },
  },
  {
    name: "pool_connections_closed_total",
    type: "counter",
    help: "Connections that were closed, by reason; one that could not be opened counts under error.",
    labels: { pool: "any", reason: "close" },
  },
  {
    name: "pool_invalidations_total",
    type: "counter",
    help: "Times that all connections were marked for replacement, as after a failover.",
    labels: { pool: "any" },
  },
] as const;

const BATCH = [
  {
    name: "batch_operations_total",
    type: "counter",
    help: "Write operations that are settled, by kind and outcome.",
    labels: { kind: "writeKind", outcome: "writeOutcome" },
  },
  {
    name: "batch_flushes_total",
    type: "counter",
    help: "Batches that were sent, by what made them leave.",
    labels: { reason: "flush" },
  },
  { name: "batch_flush_rows", type: "histogram", help: "Operations in a batch." },
  { name: "batch_flush_bytes", type: "histogram", help: "Size of a batch's documents." },
  {
    name: "batch_flush_duration_seconds",
    type: "histogram",
    help: "Time from first sending a batch to its answer.",
  },
  {
    name: "batch_wait_seconds",
    type: "histogram",
    help: "Time that a batch's oldest operation waited in the queue.",
  },
  { name: "batch_queue_length", type: "gauge", help: "Operations in the queue, sent ones excluded." },
  { name: "batch_queue_bytes", type: "gauge", help: "Size of the queued documents." },
  {
    name: "batch_queue_oldest_age_seconds",
    type: "gauge",
    help: "How long the first operation in the queue has waited; 0 when it is empty.",
    aggregate: "max",
  },
  {
    name: "batch_flushes_in_flight",
    type: "gauge",
    help: "Batches that were sent for the first time and have no answer yet.",
  },
  {
    name: "batch_retries_total",
    type: "counter",
    help: "Times that a group of operations was sent again after a transient failure.",
  },
  {
    name: "batch_bisections_total",
    type: "counter",
    help: "Times that a failed group was halved to find its bad operations.",
  },
] as const;

const ERRORS = [
  {
    name: "errors_by_code_total",
    type: "counter",
    help: "Errors by FormDB's code.",
    labels: { code: "errorCode" },
  },
  {
    name: "errors_by_sqlstate_class_total",
    type: "counter",
    help: "Errors that a database raised, by the first two characters of their SQLSTATE.",
    labels: { sqlstate_class: "sqlstateClass" },
  },
  {
    name: "errors_unhandled_total",
    type: "counter",
    help: "Failures of queued writes that no flush() collected before close().",
  },
] as const;

const PROCESS = [
  {
    name: "event_loop_delay_mean_seconds",
    type: "gauge",
    help: "Mean delay of the event loop since the scrape before, and for at least ten seconds.",
    onDemand: true,
    aggregate: "mean",
  },
  {
    name: "event_loop_delay_p50_seconds",
    type: "gauge",
    help: "Median delay of the event loop in that time.",
    onDemand: true,
    aggregate: "max",
  },
  {
    name: "event_loop_delay_p99_seconds",
    type: "gauge",
    help: "Delay of the event loop that one in a hundred exceeds, in that time.",
    onDemand: true,
    aggregate: "max",
  },
  {
    name: "event_loop_delay_max_seconds",
    type: "gauge",
    help: "Longest delay of the event loop in that time.",
    onDemand: true,
    aggregate: "max",
  },
  {
    name: "event_loop_utilization_ratio",
    type: "gauge",
    help: "Share of that time in which the event loop was busy, from 0 to 1.",
    onDemand: true,
    aggregate: "mean",
  },
] as const;

const SELF = [
  {
    name: "metrics_label_overflows_total",
    type: "counter",
    help: "Look-ups of label sets beyond a metric's limit, which went to its overflow series.",
    labels: { metric: "any" },
  },
  {
    name: "metrics_ignored_values_total",
    type: "counter",
    help: "Values that no counter or histogram can take (NaN, infinite, or negative) and were left out.",
  },
  {
    name: "metrics_collect_errors_total",
    type: "counter",
    help: "Failures of what gauges and exemplars are read from.",
  },
] as const;

type DefinedMetric = (
  | typeof COMPATIBLE
  | typeof QUERIES
  | typeof CACHE
  | typeof POOL
  | typeof BATCH
  | typeof ERRORS
  | typeof PROCESS
  | typeof SELF
)[number];
type NameOf<Type extends MetricType> = Extract<DefinedMetric, { readonly type: Type }>["name"];

/** Names of FormDB's own metrics, without the prefix: a name that does not exist is an error of types. */
export type CounterName = NameOf<"counter">;
export type GaugeName = NameOf<"gauge">;
export type HistogramName = NameOf<"histogram">;

/** Every metric that FormDB itself exports, those of the compatibility API first. `docs/metrics.md` lists the same. */
export const METRIC_DEFINITIONS: readonly MetricDefinition[] = Object.freeze(
  [...COMPATIBLE, ...QUERIES, ...CACHE, ...POOL, ...BATCH, ...ERRORS, ...PROCESS, ...SELF].map(definition),
);

function definition({ labels, ...entry }: Entry): MetricDefinition {
  const unit = /_(seconds|bytes|ratio)(?:_total)?$/.exec(entry.name)?.[1];
  const known = Object.entries(labels ?? {}).flatMap(([label, domain]) =>
    domain === "any" ? [] : [[label, LABEL_VALUES[domain]]],
  );
  const buckets = unit === "seconds" ? DURATION_BUCKETS : unit === "bytes" ? BYTE_BUCKETS : COUNT_BUCKETS;
  return {
    ...entry,
    ...(unit === undefined ? {} : { unit }),
    ...(labels === undefined ? {} : { labels: Object.keys(labels) }),
    ...(known.length === 0 ? {} : { known: Object.fromEntries(known) }),
    ...(entry.type === "histogram" ? { buckets } : {}),
  };
}

/** The compatibility API's names, without the prefix. */
export const COMPATIBLE_NAMES: readonly string[] = Object.freeze(COMPATIBLE.map(({ name }) => name));
