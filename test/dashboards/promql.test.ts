import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { dashboard } from "../../scripts/dashboards.ts";
import { METRIC_DEFINITIONS } from "../../src/metrics/definitions.ts";
import { PromqlCheck } from "./promql-check.ts";

interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

const RULES = new URL("../../dashboards/prometheus/formdb.rules.yml", import.meta.url);
const groups = (parse(readFileSync(RULES, "utf8")) as { groups: { rules: Rule[] }[] }).groups;
const rules = groups.flatMap((group) => group.rules);

interface Target {
  readonly expr?: string;
}

/** All PromQL of the dashboard, with Grafana's own interval in place, by the panel's title. */
const targets = (dashboard().panels ?? []).flatMap((panel) =>
  (("targets" in panel ? panel.targets : []) ?? []).map(
    (target) =>
      [panel.title ?? "", ((target as Target).expr ?? "").replaceAll("$__rate_interval", "5m")] as const,
  ),
);

function checkWithRules(): PromqlCheck {
  const check = new PromqlCheck(METRIC_DEFINITIONS, "formdb");
  for (const { record, expr } of rules) if (record !== undefined) check.record(record, expr);
  return check;
}

describe("The rules and panels", () => {
  test("ask only for metrics, labels and label values that FormDB exports", () => {
    const check = checkWithRules();
    const alerts = rules.filter(({ alert }) => alert !== undefined);
    expect(alerts.length).toBeGreaterThan(15);
    for (const { expr } of alerts) check.check(expr);
    expect(targets.length).toBeGreaterThan(60);
    for (const [, expr] of targets) check.check(expr);
  });

  test("show or watch every metric of the catalogue but what others say better", () => {
    const check = checkWithRules();
    for (const { expr } of rules) check.check(expr);
    for (const [, expr] of targets) check.check(expr);
    const shown = (name: string): boolean =>
      ["", "_bucket", "_sum", "_count"].some((suffix) => check.used.has(`formdb_${name}${suffix}`));
    expect(METRIC_DEFINITIONS.map(({ name }) => name).filter((name) => !shown(name))).toEqual([
      // query_duration_seconds, cache_misses_by_reason_total, pool_connections and batch_queue_length say the same with labels or as a distribution;
      // of the doubled hit ratio cache_misses_by_reason_total tells what it is of late.
      ...[
        "query_total",
        "query_latency_ms",
        "cache_misses_total",
        "connection_pool_size",
        "active_connections",
        "batch_size",
        "cache_doubled_hit_ratio",
      ],
    ]);
  });

  test("let alerts speak only of labels that they have", () => {
    const check = checkWithRules();
    for (const { alert, expr, labels = {}, annotations = {} } of rules) {
      if (alert === undefined) continue;
      const has = new Set([...check.check(expr)!, ...Object.keys(labels)]);
      for (const [, label] of Object.values(annotations)
        .join()
        .matchAll(/\$labels\.(\w+)/g)) {
        expect([...has], `${alert} speaks of ${label}`).toContain(label);
      }
      expect(labels.severity, alert).toMatch(/^(critical|warning|info)$/);
      expect(Object.keys(annotations), alert).toEqual(["summary", "description"]);
    }
  });

  test("let panels' legends speak only of labels that they have", () => {
    const check = checkWithRules();
    for (const panel of dashboard().panels ?? []) {
      for (const target of ("targets" in panel ? panel.targets : []) ?? []) {
        const { expr = "", legendFormat = "" } = target as { expr?: string; legendFormat?: string };
        const labels = check.check(expr.replaceAll("$__rate_interval", "5m"))!;
        for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
          expect([...labels], panel.title).toContain(label);
        }
      }
    }
  });

  test("look at the metrics that the dashboard's choices are made of", () => {
    const check = checkWithRules();
    const choices = (dashboard().templating?.list ?? []).filter(({ type }) => type === "query");
    expect(choices.map(({ name }) => name)).toEqual(["job", "instance", "pool"]);
    for (const { query } of choices) {
      const [, expr, label] = /^label_values\((.*), (\w+)\)$/.exec(String(query))!;
      expect([...check.check(expr!)!]).toContain(label);
    }
  });
});

describe("The check of PromQL", () => {
  const check = checkWithRules();

  test.each([
    ["a metric that is not exported", "formdb_nothing_total", "Nothing exports"],
    ["a histogram's own name, which no sample has", "formdb_query_duration_seconds", "Nothing exports"],
    ["a counter without _total", "formdb_query", "Nothing exports"],
    ["another prefix", "other_query_total", "Nothing exports"],
    ["a recorded name that no rule records", "job:formdb_operations:rate7m", "Nothing exports"],
    ["a label that the metric has not", 'formdb_query_total{operation="get"}', "no label operation"],
    ["a value that the label never has", 'formdb_pool_connections{state="used"}', "never used"],
    ["one such value of several", 'formdb_pool_connections{state=~"idle|used"}', "never used"],
    ["grouping by a label that is not there", "sum by (pool) (formdb_batch_size)", "label pool"],
    [
      "grouping by a label that was summed away",
      "sum by (pool) (sum by (job) (formdb_pool_waiting))",
      "label pool",
    ],
    ["a rate of a gauge", "rate(formdb_pool_waiting[5m])", "must be of a counter"],
    [
      "a quantile without buckets",
      "histogram_quantile(0.9, sum by (job) (rate(formdb_query_duration_seconds_bucket[5m])))",
      "label le",
    ],
    [
      "sides that never match",
      "formdb_pool_waiting / sum by (job) (formdb_pool_max_connections)",
      "can't match",
    ],
    ["matching on a label of one side", "formdb_pool_waiting and on (pool) formdb_batch_size", "Both sides"],
    ["what is not PromQL", "sum(rate(formdb_query_total[5m])", "Not PromQL"],
  ])("refuses %s", (_, expr, message) => {
    expect(() => check.check(expr)).toThrow(message);
  });

  test("gives the labels of what an expression gives", () => {
    expect([...check.check('sum by (job, pool) (formdb_pool_connections{state="idle"}) > 3')!]).toEqual([
      "job",
      "pool",
    ]);
    expect(check.check("1 + 2")).toBeUndefined();
  });
});
