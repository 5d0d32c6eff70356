import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dashboard } from "../../scripts/dashboards.ts";
import type { Done, Served } from "./loaded-service.ts";
import { PrometheusServer, until } from "./prometheus-server.ts";
import { hasTool } from "./prometheus-tools.ts";

const present = hasTool("prometheus", "scrapes of a live process by a real Prometheus");
const rules = readFileSync(new URL("../../dashboards/prometheus/formdb.rules.yml", import.meta.url), "utf8");

describe.skipIf(!present)("A real Prometheus that scrapes a process under load", () => {
  let service: ChildProcess;
  let prometheus: PrometheusServer;
  let done: Done;

  beforeAll(async () => {
    service = fork(fileURLToPath(new URL("loaded-service.ts", import.meta.url)));
    const [{ port }] = (await once(service, "message")) as [Served];
    prometheus = await PrometheusServer.start(port, rules);
    // The load goes on until there are rates to see; then everything stands still to be compared.
    await until("the rate of queries is seen", async () => {
      const perSecond = await prometheus.value("sum(rate(formdb_query_total[5s]))");
      return perSecond !== undefined && perSecond > 0 ? true : undefined;
    });
    service.send("stop");
    [done] = (await once(service, "message")) as [Done];
    await until("the last scrape has all queries", async () => {
      const total = await prometheus.value("formdb_query_total");
      return total === done.gets + done.selects + done.failures ? true : undefined;
    });
  });

  afterAll(async () => {
    await prometheus?.stop();
    service?.kill("SIGKILL");
  });

  test("finds it up", async () => {
    expect(await prometheus.value('up{job="test"}')).toBe(1);
    expect(done.selects).toBeGreaterThan(10);
  });

  test("has the numbers that the process counted itself", async () => {
    const byOperation = 'formdb_queries_by_operation_total{outcome="ok", operation=';
    expect(await prometheus.value(`${byOperation}"get"}`)).toBe(done.gets);
    expect(await prometheus.value(`${byOperation}"select"}`)).toBe(done.selects);
    expect(await prometheus.value('formdb_errors_by_code_total{code="FORMDB_SYNTAX"}')).toBe(done.failures);
    const inserted = 'formdb_batch_operations_total{kind="insert", outcome="applied"}';
    expect(await prometheus.value(inserted)).toBe(done.inserts);
    const count = 'sum(formdb_query_duration_seconds_count{collection="people", outcome="ok"})';
    expect(await prometheus.value(count)).toBe(done.gets + done.selects);
    expect(await prometheus.value("formdb_cache_max_entries")).toBe(1_000);
  });

  test("has histograms that make sense: the infinite bucket is the count, and quantiles lie in their buckets", async () => {
    const different = await prometheus.query(
      'formdb_query_duration_seconds_count != ignoring(le) formdb_query_duration_seconds_bucket{le="+Inf"}',
    );
    expect(different).toEqual([]);
    const p99 = await prometheus.value(
      "histogram_quantile(0.99, sum by (le) (formdb_query_duration_seconds_bucket))",
    );
    expect(p99).toBeGreaterThan(0.00001);
    expect(p99).toBeLessThan(10);
  });

  test("reads label values back as they were", async () => {
    const [odd] = await prometheus.query("formdb_odd_total");
    expect(odd?.metric.value).toBe(done.oddLabel);
    expect(odd?.value[1]).toBe("7");
  });

  test("keeps help, type and unit, and exemplars with their trace", async () => {
    const metadata = (await prometheus.get("targets/metadata", {
      metric: "formdb_query_duration_seconds",
    })) as object[];
    expect(metadata).toMatchObject([
      { type: "histogram", help: "Time from a query's call to its result.", unit: "seconds" },
    ]);
    const now = Date.now() / 1_000;
    const found = (await prometheus.get("query_exemplars", {
      query: "formdb_query_duration_seconds_bucket",
      start: `${now - 300}`,
      end: `${now + 300}`,
    })) as { exemplars: { labels: object }[] }[];
    expect(found.flatMap(({ exemplars }) => exemplars)[0]?.labels).toEqual({
      trace_id: "0af7651916cd43dd8448eb211c80319c",
    });
  });

  test("evaluates all of our rules in health, and the recorded values are right", async () => {
    const groups = await until("every rule was evaluated", async () => {
      const data = (await prometheus.get("rules")) as {
        groups: { rules: { name: string; health: string; lastError?: string }[] }[];
      };
      return data.groups.every((group) => group.rules.every(({ health }) => health !== "unknown"))
        ? data.groups
        : undefined;
    });
    const all = groups.flatMap((group) => group.rules);
    expect(all.length).toBeGreaterThan(30);
    expect(all.filter(({ health }) => health !== "ok")).toEqual([]);
    const ratio = await until("the hit ratio was recorded", () =>
      prometheus.value('job:formdb_cache_hits:ratio_rate30m{job="test"}'),
    );
    expect(ratio).toBeGreaterThan(0);
    expect(ratio).toBeLessThanOrEqual(1);
  });

  test("answers every panel of the dashboard, and those of what was under load with values", async () => {
    const empty: string[] = [];
    for (const panel of dashboard().panels ?? []) {
      for (const target of ("targets" in panel ? panel.targets : []) ?? []) {
        const { expr = "" } = target as { expr?: string };
        const filled = expr.replaceAll(/"\$\w+"/g, '".*"').replaceAll("$__rate_interval", "5m");
        if ((await prometheus.query(filled)).length === 0) empty.push(panel.title ?? "");
      }
    }
    // What is hidden while it is zero, what needs the recording rules to have run for longer, and what SQLite has not.
    const mayBeEmpty = [
      ...[
        "Reads that share a statement",
        "By SQLSTATE class",
        "Memory",
        "Waiting callers",
        "Trouble with metrics",
        "Burn rate",
        "Failures that count",
      ],
    ];
    expect(empty.filter((title) => !mayBeEmpty.includes(title))).toEqual([]);
  });
});
