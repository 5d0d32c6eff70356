import { graph } from "./panels.ts";
import { max, quantile, rate, select, selectPool, share, sum } from "./promql.ts";
import { hitRatio, quantiles, type Section } from "./section.ts";

export const cache: Section = {
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

export const pool: Section = {
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

export const batch: Section = {
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
