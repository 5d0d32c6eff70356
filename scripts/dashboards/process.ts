import { graph, type Query } from "./panels.ts";
import { increase, max, select } from "./promql.ts";
import type { Section } from "./section.ts";

export const processes: Section = {
  title: "Event loop and metrics",
  panels: [
    graph(
      "Event-loop delay",
      "Of the slowest process. What waits here counts as time of queries, and is not the database's.",
      { unit: "s" },
      [max(select("event_loop_delay_mean_seconds")), "mean"],
      [max(select("event_loop_delay_p50_seconds")), "p50"],
      [max(select("event_loop_delay_p99_seconds")), "p99"],
      [max(select("event_loop_delay_max_seconds")), "max"],
    ),
    graph(
      "Event-loop utilization",
      "Share of time in which the event loop was busy.",
      { unit: "percentunit", max: 1 },
      [max(select("event_loop_utilization_ratio"), "instance"), "{{instance}}"],
    ),
    graph(
      "Trouble with metrics",
      "Label sets beyond a metric's limit, values left out, and failures of what gauges are read from.",
      { unit: "short" },
      [`${increase(select("metrics_label_overflows_total"), "metric")} > 0`, "overflow: {{metric}}"],
      [increase(select("metrics_ignored_values_total")), "ignored values"],
      [increase(select("metrics_collect_errors_total")), "failures"],
    ),
  ],
};

const windows: readonly Query[] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"].map(
  (window): Query => [
    `job:formdb_operation_failures:ratio_rate${window}{job=~"$job"} / 0.001`,
    `{{job}} ${window}`,
  ],
);

export const budget: Section = {
  title: "Error budget (needs prometheus/formdb.rules.yml)",
  panels: [
    graph(
      "Burn rate",
      "How many times as fast as allowed the budget of 99.9 % is spent. Alerts: 14.4 (1h and 5m), 6 (6h and 30m), 3 (1d and 2h), 1 (3d and 6h).",
      { unit: "short" },
      ...windows,
    ),
    graph(
      "Failures that count",
      "Queries and writes in a second that failed for reasons that are not the caller's.",
      { unit: "ops" },
      ['job:formdb_operation_failures:rate5m{job=~"$job"}', "{{job}}"],
    ),
  ],
};
