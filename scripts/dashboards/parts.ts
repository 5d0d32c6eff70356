import { graph } from "./panels.ts";
import { increase, max, quantile, rate, select, selectPool, share, sum } from "./promql.ts";
import { doubledHitRatio, hitRatio, quantiles, rateBy, type Section } from "./section.ts";

export const cache: Section = {
  title: "Plan cache: utilization, saturation, errors",
  panels: [
    graph(
      "Hit ratio",
      "Share of look-ups that found a plan, and what it would be at twice the size.",
      { unit: "percentunit", max: 1 },
      [hitRatio, "hits"],
      [doubledHitRatio, "at twice the size"],
    ),
    graph(
      "Misses by reason",
      "Look-ups in a second that found no usable plan.",
      { unit: "ops", stacked: true },
      rateBy(select("cache_misses_by_reason_total"), "reason"),
    ),
    graph(
      "Removals by reason",
      "Plans in a second that left the cache or were not let in.",
      { unit: "ops", stacked: true },
      rateBy(select("cache_removals_total"), "reason"),
    ),
    graph(
      "Plans",
      "Plans in the caches of all processes, and how many there may be.",
      { unit: "short" },
      [sum(select("cache_entries")), "plans"],
      [sum(select("cache_max_entries")), "limit"],
    ),
    graph(
      "Memory",
      "Estimated memory of the plans, and its limit where there is one.",
      { unit: "bytes" },
      [sum(select("cache_bytes")), "plans"],
      [`${sum(select("cache_max_bytes"))} > 0`, "limit"],
    ),
    graph(
      "Compiling",
      "Seconds spent on compiling plans in a second, those that hits spared, and the slowest 1 %.",
      { unit: "s" },
      [rate(select("cache_compile_duration_seconds_sum")), "spent"],
      [rate(select("cache_saved_seconds_total")), "spared"],
      [quantile(0.99, select("cache_compile_duration_seconds_bucket")), "p99 of one"],
    ),
  ],
};

export const pool: Section = {
  title: "Connection pool $pool: utilization, saturation, errors",
  panels: [
    graph(
      "Connections by state",
      "Connections of all processes, and how many there may be.",
      { unit: "short", stacked: true },
      [sum(selectPool("pool_connections"), "state"), "{{state}}"],
      [sum(selectPool("pool_max_connections")), "limit"],
      [sum(selectPool("pool_min_connections")), "kept open"],
    ),
    graph(
      "Peaks",
      "Most connections in use and most waiters in one process, between scrapes too.",
      { unit: "short" },
      [max(selectPool("pool_peak_in_use"), "pool"), "{{pool}} in use"],
      [max(selectPool("pool_peak_waiting"), "pool"), "{{pool}} waiting"],
    ),
    graph(
      "Waiting callers",
      "Callers that wait for a connection, and paused pools.",
      { unit: "short" },
      [sum(selectPool("pool_waiting"), "pool"), "{{pool}}"],
      [`${sum(selectPool("pool_paused"), "pool")} > 0`, "{{pool}} paused"],
    ),
    graph(
      "Wait for a connection",
      "Of callers that got one and of those that did not; and how long the first in the queue has waited.",
      { unit: "s" },
      ...quantiles(selectPool("pool_wait_seconds_bucket")),
      [max(selectPool("pool_oldest_waiter_age_seconds")), "oldest waiter"],
    ),
    graph(
      "Use of a connection",
      "How long callers keep one.",
      { unit: "s" },
      ...quantiles(selectPool("pool_hold_seconds_bucket")),
    ),
    graph(
      "Opening a connection",
      "How long that takes.",
      { unit: "s" },
      ...quantiles(selectPool("pool_connect_seconds_bucket")),
    ),
    graph(
      "Callers without a connection",
      "In a second, by reason.",
      { unit: "ops", stacked: true },
      rateBy(selectPool("pool_acquire_failures_total"), "reason"),
    ),
    graph(
      "Opened and closed",
      "Connections in a second; closed ones by reason.",
      { unit: "ops" },
      [rate(selectPool("pool_connections_opened_total")), "opened"],
      [rate(selectPool("pool_connections_closed_total"), "reason"), "closed: {{reason}}"],
    ),
    graph(
      "Invalidations",
      "Times that all connections were marked for replacement, as after a failover.",
      { unit: "short" },
      [increase(selectPool("pool_invalidations_total"), "pool"), "{{pool}}"],
    ),
  ],
};

export const batch: Section = {
  title: "Batches: utilization, saturation, errors",
  panels: [
    graph(
      "Writes by kind",
      "Write operations in a second that were applied.",
      { unit: "ops", stacked: true },
      [rate(select("batch_operations_total", 'outcome="applied"'), "kind"), "{{kind}}"],
    ),
    graph(
      "Writes that were not applied",
      "In a second. Unknown means that the connection was lost at COMMIT and nobody could say.",
      { unit: "ops", stacked: true },
      [
        rate(select("batch_operations_total", 'outcome=~"rejected|unknown"'), "kind, outcome"),
        "{{kind}} {{outcome}}",
      ],
    ),
    graph(
      "Flushes by reason",
      "Batches in a second, by what made them leave.",
      { unit: "ops", stacked: true },
      rateBy(select("batch_flushes_total"), "reason"),
    ),
    graph(
      "Queue",
      "Operations that wait to be sent, and batches that are on their way.",
      { unit: "short" },
      [sum(select("batch_queue_length")), "operations"],
      [sum(select("batch_flushes_in_flight")), "batches in flight"],
    ),
    graph(
      "Age of the queue",
      "How long the first operation has waited, in the slowest process; and how long those waited that were sent.",
      { unit: "s" },
      [max(select("batch_queue_oldest_age_seconds")), "oldest now"],
      [quantile(0.99, select("batch_wait_seconds_bucket")), "p99 when sent"],
    ),
    graph(
      "Size of the queue",
      "Documents in the queue; and the mean batch.",
      { unit: "bytes" },
      [sum(select("batch_queue_bytes")), "queue"],
      [share(rate(select("batch_flush_bytes_sum")), rate(select("batch_flush_bytes_count"))), "mean batch"],
    ),
    graph(
      "Operations in a batch",
      "More is cheaper.",
      { unit: "short" },
      [share(rate(select("batch_flush_rows_sum")), rate(select("batch_flush_rows_count"))), "mean"],
      [quantile(0.95, select("batch_flush_rows_bucket")), "p95"],
    ),
    graph(
      "Time of a batch",
      "From first sending it to its answer.",
      { unit: "s" },
      ...quantiles(select("batch_flush_duration_seconds_bucket")),
    ),
    graph(
      "Second attempts",
      "Groups in a second that were sent again after a transient failure, and groups that were halved to find bad operations.",
      { unit: "ops" },
      [rate(select("batch_retries_total")), "retries"],
      [rate(select("batch_bisections_total")), "bisections"],
    ),
  ],
};
