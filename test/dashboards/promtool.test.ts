import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { Metrics } from "../../src/metrics/metrics.ts";
import { recorder } from "../../src/metrics/recorder.ts";
import { endedQuery } from "../support/ended-query.ts";
import { hasTool, promtool } from "./prometheus-tools.ts";

const present = hasTool(
  "promtool",
  "the exposition, the rules and the alerts' cases by Prometheus' own tool",
);
const folder = fileURLToPath(new URL("../../dashboards/prometheus/", import.meta.url));

describe.skipIf(!present)("promtool", () => {
  test("has nothing against a live export but the old name that ends in ms", async () => {
    const metrics = new Metrics();
    const endpoint = await metrics.listen({ port: 0 });
    try {
      const observer = recorder(metrics);
      observer.queryFinished(
        endedQuery({
          collection: 'odd "name"\\\n',
          totalMs: 2,
          waitMs: 0.1,
          databaseMs: 1,
          decodeMs: 0.2,
          shape: "SELECT",
          parameters: [1],
        }),
      );
      observer.queryFinished(
        endedQuery({
          operation: "select",
          code: "FORMDB_TIMEOUT",
          totalMs: 2_000,
          waitMs: 1_500,
          databaseMs: 400,
          rows: 0,
          shape: "SELECT",
          cacheHit: false,
        }),
      );
      observer.errorReported("FORMDB_TIMEOUT", "57014");
      observer.acquired(1, 3);
      observer.released(1, 4);
      observer.flushStarted("size", 100, 12_345, 3);
      observer.flushFinished(100, 7);
      metrics.observeCache(() => ({ size: 3, maxSize: 10, bytes: 1_000 }));
      metrics.observeBatch(() => ({ queued: 1 }));
      metrics.observePool("main", () => ({ idle: 1, inUse: 2, waiting: 3, max: 10 }));
      const text = await (await fetch(endpoint.url)).text();
      expect(text).toContain('collection="odd \\"name\\"\\\\\\n"');
      const { output } = promtool(["check", "metrics"], text);
      expect(output.trim().split("\n")).toEqual([
        "formdb_query_latency_ms metric names should not contain abbreviated units",
      ]);
    } finally {
      await endpoint.close();
    }
  });

  test("finds what is wrong with an export: this test can fail", () => {
    const { status, output } = promtool(["check", "metrics"], "# TYPE some_total gauge\nsome_total 1\n");
    expect(status).not.toBe(0);
    expect(output).toContain("some_total");
  });

  test("accepts the rules", () => {
    const { status, output } = promtool(["check", "rules", "--lint-fatal", `${folder}formdb.rules.yml`]);
    expect(output).toContain("SUCCESS");
    expect(status).toBe(0);
  });

  test("sees each alert fire and stay silent as its cases say", () => {
    const { status, output } = promtool(["test", "rules", `${folder}formdb.test.yml`]);
    expect(output).toContain("SUCCESS");
    expect(status).toBe(0);
  });
});

interface Case {
  readonly alert_rule_test: readonly { readonly alertname: string; readonly exp_alerts: readonly object[] }[];
}

describe("The alerts' cases", () => {
  test("take the rules' groups in their order in the file", () => {
    const { groups } = parse(readFileSync(`${folder}formdb.rules.yml`, "utf8")) as {
      groups: { name: string }[];
    };
    const cases = parse(readFileSync(`${folder}formdb.test.yml`, "utf8")) as { group_eval_order: string[] };
    expect(cases.group_eval_order).toEqual(groups.map(({ name }) => name));
  });

  test("have, for every alert, a moment at which it fires and one at which it does not", () => {
    const rules = parse(readFileSync(`${folder}formdb.rules.yml`, "utf8")) as {
      groups: { rules: { alert?: string }[] }[];
    };
    const alerts = new Set(rules.groups.flatMap((group) => group.rules.flatMap(({ alert }) => alert ?? [])));
    const { tests } = parse(readFileSync(`${folder}formdb.test.yml`, "utf8")) as { tests: Case[] };
    const cases = tests.flatMap((one) => one.alert_rule_test);
    expect(alerts.size).toBeGreaterThan(15);
    for (const alert of alerts) {
      const own = cases.filter(({ alertname }) => alertname === alert);
      expect(
        own.some(({ exp_alerts }) => exp_alerts.length > 0),
        `${alert} fires`,
      ).toBe(true);
      // Alerts about one of two pools, caches or processes: the other one is silent in the same moment.
      const silent = own.some(({ exp_alerts }) => exp_alerts.length === 0);
      expect(silent || ONE_OF_TWO.has(alert), `${alert} is silent`).toBe(true);
    }
  });
});

const ONE_OF_TWO: ReadonlySet<string> = new Set(["FormDBConnectFailures", "FormDBBatchRejections"]);
