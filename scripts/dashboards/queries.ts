import { buckets, graph, number } from "./panels.ts";
import { max, quantile, rate, select, selectPool, share, sum } from "./promql.ts";
import { hitRatio, quantiles, rateBy, type Section } from "./section.ts";

const queries = rate(select("queries_by_operation_total"));
const failures = rate(select("queries_by_operation_total", 'outcome=~"error|timeout"'));
const durations = select("query_duration_seconds_bucket");

export const glance: Section = {
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

export const red: Section = {
  title: "Queries: rate, errors, duration",
  panels: [
    graph(
      "Rate by operation",
      "Queries in a second.",
      { unit: "ops", stacked: true },
      rateBy(select("queries_by_operation_total"), "operation"),
    ),
    graph(
      "Outcomes other than success",
      "Queries in a second that ended in an error, a timeout, or because their caller gave up.",
      { unit: "ops", stacked: true },
      [rate(select("queries_by_operation_total", 'outcome!="ok"'), "outcome"), "{{outcome}}"],
    ),
    graph(
      "Duration",
      "From a query's call to its result.",
      { unit: "s", exemplars: true },
      ...quantiles(durations),
    ),
    graph("Slowest 1 % by operation", "One query in a hundred of that kind takes longer.", { unit: "s" }, [
      quantile(0.99, durations, "operation"),
      "{{operation}}",
    ]),
    graph("Slowest 1 % by collection", "The ten slowest collections.", { unit: "s" }, [
      `topk(10, ${quantile(0.99, durations, "collection")})`,
      "{{collection}}",
    ]),
    buckets("Durations", "s", "How many queries took how long.", rate(durations, "le")),
    graph(
      "Where the time goes",
      "Seconds of queries' time in a second: waiting for a connection, in the database, decoding rows, and the rest.",
      { unit: "s", stacked: true },
      rateBy(select("query_phase_duration_seconds_sum"), "phase"),
    ),
    graph(
      "Running and slow",
      "Queries at the moment, and slow ones in a second.",
      { unit: "short" },
      [sum(select("queries_in_flight")), "running"],
      [rate(select("slow_queries_total")), "slow, a second"],
      [rate(select("slow_queries_suppressed_total")), "slow and not logged, a second"],
    ),
    graph(
      "Reads that share a statement",
      "Reads that one statement answered; and statements in a second that were not sent.",
      { unit: "short" },
      [
        share(rate(select("merged_read_calls_sum")), rate(select("merged_read_calls_count"))),
        "mean reads a statement",
      ],
      [rate(select("read_statements_saved_total")), "saved, a second"],
    ),
    graph("Rows by operation", "Mean number of rows that a query read or wrote.", { unit: "short" }, [
      share(rate(select("query_rows_sum"), "operation"), rate(select("query_rows_count"), "operation")),
      "{{operation}}",
    ]),
  ],
};

export const errors: Section = {
  title: "Errors",
  panels: [
    graph("By code", "Errors in a second, by FormDB's code.", { unit: "ops", stacked: true }, [
      `${rate(select("errors_by_code_total"), "code")} > 0`,
      "{{code}}",
    ]),
    graph(
      "By SQLSTATE class",
      "Errors that the database raised in a second.",
      { unit: "ops", stacked: true },
      [`${rate(select("errors_by_sqlstate_class_total"), "sqlstate_class")} > 0`, "{{sqlstate_class}}"],
    ),
    graph(
      "Nobody's errors",
      "Failures of queued writes that no flush() collected, beside all errors.",
      { unit: "ops" },
      [rate(select("errors_unhandled_total")), "unhandled"],
      [rate(select("errors_total")), "all"],
    ),
  ],
};
