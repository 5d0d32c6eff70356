import type { Builder } from "@grafana/grafana-foundation-sdk/cog";
import type { Panel } from "@grafana/grafana-foundation-sdk/dashboard";
import { buckets, graph, number, type Query } from "./panels.ts";
import { max, quantile, rate, select, selectPool, share, sum } from "./promql.ts";

/** A heading with the panels under it. */
export interface Section {
  readonly title: string;
  readonly panels: readonly Builder<Panel>[];
}

const queries = rate(select("queries_by_operation_total"));
const failures = rate(select("queries_by_operation_total", 'outcome=~"error|timeout"'));
const durations = select("query_duration_seconds_bucket");
const lookups = `(${rate(select("cache_hits_total"))} + ${rate(select("cache_misses_total"))})`;
const hitRatio = share(rate(select("cache_hits_total")), lookups);

/** Median and tails of a histogram's values. */
function quantiles(selector: string): Query[] {
  return [0.5, 0.95, 0.99].map((q): Query => [quantile(q, selector), `p${q * 100}`]);
}

const glance: Section = {
  title: "At a glance",
  panels: [
    number("Queries", "ops", "Queries in a second.", queries, undefined),
    number(
      "Failed queries",
      "percentunit",
      "Queries that ended in an error or a timeout.",
      share(failures, queries),
      {
        yellow: 0.001,
        red: 0.01,
      },
    ),
    number("Slowest 1 %", "s", "One query in a hundred takes longer.", quantile(0.99, durations), {
      yellow: 0.1,
      red: 1,
    }),
    number("Plan cache hits", "percentunit", "Look-ups that found a plan.", hitRatio, {
      yellow: 0.9,
      red: 0.7,
    }),
    number(
      "Fullest pool",
      "percentunit",
      "Connections in use, of those that there may be.",
      max(
        share(
          sum(selectPool("pool_connections", 'state="in_use"'), "job, instance, pool"),
          sum(selectPool("pool_max_connections"), "job, instance, pool"),
        ),
      ),
      { yellow: 0.8, red: 1 },
    ),
    number(
      "Event-loop delay",
      "s",
      "Delay that 1 % exceed, in the slowest process.",
      max(select("event_loop_delay_p99_seconds")),
      {
        yellow: 0.05,
        red: 0.25,
      },
    ),
  ],
};

const red: Section = {
  title: "Queries: rate, errors, duration",
  panels: [
    graph("Rate by operation", { unit: "ops", stacked: true, description: "Queries in a second." }, [
      rate(select("queries_by_operation_total"), "operation"),
      "{{operation}}",
    ]),
    graph(
      "Outcomes other than success",
      {
        unit: "ops",
        stacked: true,
        description:
          "Queries in a second that ended in an error, a timeout, or because their caller gave up.",
      },
      [rate(select("queries_by_operation_total", 'outcome!="ok"'), "outcome"), "{{outcome}}"],
    ),
    graph(
      "Duration",
      { unit: "s", exemplars: true, description: "From a query's call to its result." },
      ...quantiles(durations),
    ),
    graph(
      "Slowest 1 % by operation",
      { unit: "s", description: "One query in a hundred of that kind takes longer." },
      [quantile(0.99, durations, "operation"), "{{operation}}"],
    ),
    graph("Slowest 1 % by collection", { unit: "s", description: "The ten slowest collections." }, [
      `topk(10, ${quantile(0.99, durations, "collection")})`,
      "{{collection}}",
    ]),
    buckets("Durations", "s", "How many queries took how long.", rate(durations, "le")),
    graph(
      "Where the time goes",
      {
        unit: "s",
        stacked: true,
        description:
          "Seconds of queries' time in a second: waiting for a connection, in the database, decoding rows, and the rest.",
      },
      [rate(select("query_phase_duration_seconds_sum"), "phase"), "{{phase}}"],
    ),
    graph(
      "Running and slow",
      { unit: "short", description: "Queries at the moment, and slow ones in a second." },
      [sum(select("queries_in_flight")), "running"],
      [rate(select("slow_queries_total")), "slow, a second"],
      [rate(select("slow_queries_suppressed_total")), "slow and not logged, a second"],
    ),
    graph(
      "Rows by operation",
      { unit: "short", description: "Mean number of rows that a query read or wrote." },
      [
        share(rate(select("query_rows_sum"), "operation"), rate(select("query_rows_count"), "operation")),
        "{{operation}}",
      ],
    ),
  ],
};

const errors: Section = {
  title: "Errors",
  panels: [
    graph("By code", { unit: "ops", stacked: true, description: "Errors in a second, by FormDB's code." }, [
      `${rate(select("errors_by_code_total"), "code")} > 0`,
      "{{code}}",
    ]),
    graph(
      "By SQLSTATE class",
      { unit: "ops", stacked: true, description: "Errors that the database raised in a second." },
      [`${rate(select("errors_by_sqlstate_class_total"), "sqlstate_class")} > 0`, "{{sqlstate_class}}"],
    ),
    graph(
      "Nobody's errors",
      { unit: "ops", description: "Failures of writes that nobody awaited, beside all errors." },
      [rate(select("errors_unhandled_total")), "unhandled"],
      [rate(select("errors_total")), "all"],
    ),
  ],
};

const cache: Section = {
  title: "Plan cache: utilization, saturation, errors",
  panels: [
    graph(
      "Hit ratio",
      {
        unit: "percentunit",
        max: 1,
        description: "Share of look-ups that found a plan, and what it would be at twice the size.",
      },
      [hitRatio, "hits"],
      [`avg (${select("cache_doubled_hit_ratio")})`, "at twice the size"],
    ),
    graph(
      "Misses by reason",
      { unit: "ops", stacked: true, description: "Look-ups in a second that found no usable plan." },
      [rate(select("cache_misses_by_reason_total"), "reason"), "{{reason}}"],
    ),
    graph(
      "Removals by reason",
      {
        unit: "ops",
        stacked: true,
        description: "Plans in a second that left the cache or were not let in.",
      },
      [rate(select("cache_removals_total"), "reason"), "{{reason}}"],
    ),
    graph(
      "Plans",
      { unit: "short", description: "Plans in the caches of all processes, and how many there may be." },
      [sum(select("cache_entries")), "plans"],
      [sum(select("cache_max_entries")), "limit"],
    ),
    graph(
      "Memory",
      { unit: "bytes", description: "Estimated memory of the plans, and its limit where there is one." },
      [sum(select("cache_bytes")), "plans"],
      [`${sum(select("cache_max_bytes"))} > 0`, "limit"],
    ),
    graph(
      "Compiling",
      {
        unit: "s",
        description:
          "Seconds spent on compiling plans in a second, those that hits spared, and the slowest 1 %.",
      },
      [rate(select("cache_compile_duration_seconds_sum")), "spent"],
      [rate(select("cache_saved_seconds_total")), "spared"],
      [quantile(0.99, select("cache_compile_duration_seconds_bucket")), "p99 of one"],
    ),
  ],
};

const pool: Section = {
  title: "Connection pool $pool: utilization, saturation, errors",
  panels: [
    graph(
      "Connections by state",
      {
        unit: "short",
        stacked: true,
        description: "Connections of all processes, and how many there may be.",
      },
      [sum(selectPool("pool_connections"), "state"), "{{state}}"],
      [sum(selectPool("pool_max_connections")), "limit"],
      [sum(selectPool("pool_min_connections")), "kept open"],
    ),
    graph(
      "Peaks",
      {
        unit: "short",
        description: "Most connections in use and most waiters in one process, between scrapes too.",
      },
      [max(selectPool("pool_peak_in_use"), "pool"), "{{pool}} in use"],
      [max(selectPool("pool_peak_waiting"), "pool"), "{{pool}} waiting"],
    ),
    graph(
      "Waiting callers",
      { unit: "short", description: "Callers that wait for a connection, and paused pools." },
      [sum(selectPool("pool_waiting"), "pool"), "{{pool}}"],
      [`${sum(selectPool("pool_paused"), "pool")} > 0`, "{{pool}} paused"],
    ),
    graph(
      "Wait for a connection",
      {
        unit: "s",
        description:
          "Of callers that got one and of those that did not; and how long the first in the queue has waited.",
      },
      ...quantiles(selectPool("pool_wait_seconds_bucket")),
      [max(selectPool("pool_oldest_waiter_age_seconds")), "oldest waiter"],
    ),
    graph(
      "Use of a connection",
      { unit: "s", description: "How long callers keep one." },
      ...quantiles(selectPool("pool_hold_seconds_bucket")),
    ),
    graph(
      "Opening a connection",
      { unit: "s", description: "How long that takes." },
      ...quantiles(selectPool("pool_connect_seconds_bucket")),
    ),
    graph(
      "Callers without a connection",
      { unit: "ops", stacked: true, description: "In a second, by reason." },
      [rate(selectPool("pool_acquire_failures_total"), "reason"), "{{reason}}"],
    ),
    graph(
      "Opened and closed",
      { unit: "ops", description: "Connections in a second; closed ones by reason." },
      [rate(selectPool("pool_connections_opened_total")), "opened"],
      [rate(selectPool("pool_connections_closed_total"), "reason"), "closed: {{reason}}"],
    ),
    graph(
      "Invalidations",
      {
        unit: "short",
        description: "Times that all connections were marked for replacement, as after a failover.",
      },
      [sum(`increase(${selectPool("pool_invalidations_total")}[$__rate_interval])`, "pool"), "{{pool}}"],
    ),
  ],
};

const batch: Section = {
  title: "Batches: utilization, saturation, errors",
  panels: [
    graph(
      "Writes by kind",
      { unit: "ops", stacked: true, description: "Write operations in a second that were applied." },
      [rate(select("batch_operations_total", 'outcome="applied"'), "kind"), "{{kind}}"],
    ),
    graph(
      "Writes that were not applied",
      {
        unit: "ops",
        stacked: true,
        description:
          "In a second. Unknown means that the connection was lost at COMMIT and nobody could say.",
      },
      [
        rate(select("batch_operations_total", 'outcome=~"rejected|unknown"'), "kind, outcome"),
        "{{kind}} {{outcome}}",
      ],
    ),
    graph(
      "Flushes by reason",
      { unit: "ops", stacked: true, description: "Batches in a second, by what made them leave." },
      [rate(select("batch_flushes_total"), "reason"), "{{reason}}"],
    ),
    graph(
      "Queue",
      { unit: "short", description: "Operations that wait to be sent, and batches that are on their way." },
      [sum(select("batch_queue_length")), "operations"],
      [sum(select("batch_flushes_in_flight")), "batches in flight"],
    ),
    graph(
      "Age of the queue",
      {
        unit: "s",
        description:
          "How long the first operation has waited, in the slowest process; and how long those waited that were sent.",
      },
      [max(select("batch_queue_oldest_age_seconds")), "oldest now"],
      [quantile(0.99, select("batch_wait_seconds_bucket")), "p99 when sent"],
    ),
    graph(
      "Size of the queue",
      { unit: "bytes", description: "Documents in the queue; and the mean batch." },
      [sum(select("batch_queue_bytes")), "queue"],
      [share(rate(select("batch_flush_bytes_sum")), rate(select("batch_flush_bytes_count"))), "mean batch"],
    ),
    graph(
      "Operations in a batch",
      { unit: "short", description: "More is cheaper." },
      [share(rate(select("batch_flush_rows_sum")), rate(select("batch_flush_rows_count"))), "mean"],
      [quantile(0.95, select("batch_flush_rows_bucket")), "p95"],
    ),
    graph(
      "Time of a batch",
      { unit: "s", description: "From sending to its last outcome." },
      ...quantiles(select("batch_flush_duration_seconds_bucket")),
    ),
    graph(
      "Second attempts",
      {
        unit: "ops",
        description:
          "Groups in a second that were sent again after a transient failure, and groups that were halved to find bad operations.",
      },
      [rate(select("batch_retries_total")), "retries"],
      [rate(select("batch_bisections_total")), "bisections"],
    ),
  ],
};

const processes: Section = {
  title: "Event loop and metrics",
  panels: [
    graph(
      "Event-loop delay",
      {
        unit: "s",
        description:
          "Of the slowest process. What waits here counts as time of queries, and is not the database's.",
      },
      [max(select("event_loop_delay_mean_seconds")), "mean"],
      [max(select("event_loop_delay_p50_seconds")), "p50"],
      [max(select("event_loop_delay_p99_seconds")), "p99"],
      [max(select("event_loop_delay_max_seconds")), "max"],
    ),
    graph(
      "Event-loop utilization",
      { unit: "percentunit", max: 1, description: "Share of time in which the event loop was busy." },
      [max(select("event_loop_utilization_ratio"), "instance"), "{{instance}}"],
    ),
    graph(
      "Trouble with metrics",
      {
        unit: "short",
        description:
          "Label sets beyond a metric's limit, values left out, and failures of what gauges are read from.",
      },
      [
        `${sum(`increase(${select("metrics_label_overflows_total")}[$__rate_interval])`, "metric")} > 0`,
        "overflow: {{metric}}",
      ],
      [sum(`increase(${select("metrics_ignored_values_total")}[$__rate_interval])`), "ignored values"],
      [sum(`increase(${select("metrics_collect_errors_total")}[$__rate_interval])`), "failures"],
    ),
  ],
};

const windows: readonly Query[] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"].map(
  (window): Query => [
    `job:formdb_operation_failures:ratio_rate${window}{job=~"$job"} / 0.001`,
    `{{job}} ${window}`,
  ],
);

const budget: Section = {
  title: "Error budget (needs prometheus/formdb.rules.yml)",
  panels: [
    graph(
      "Burn rate",
      {
        unit: "short",
        description:
          "How many times as fast as allowed the budget of 99.9 % is spent. Alerts: 14.4 (1h and 5m), 6 (6h and 30m), 3 (1d and 2h), 1 (3d and 6h).",
      },
      ...windows,
    ),
    graph(
      "Failures that count",
      { unit: "ops", description: "Queries and writes in a second that failed for reasons that are not the caller's." },
      ['job:formdb_operation_failures:rate5m{job=~"$job"}', "{{job}}"],
    ),
  ],
};

/** The dashboard from top to bottom. */
export const SECTIONS: readonly Section[] = [glance, red, errors, cache, pool, batch, processes, budget];
