import fc from "fast-check";
import { AggregatorRegistry, Counter, Gauge, Histogram, Registry, Summary } from "prom-client";
import { afterEach, describe, expect, test } from "vitest";
import { addToPromClient } from "../../../src/metrics/adapters/prom-client.ts";
import { withPromClient } from "../../../src/metrics/adapters/with-prom-client.ts";
import { Metrics, storeOf } from "../../../src/metrics/metrics.ts";
import { type ParsedFamily, parseExposition } from "../exposition-parser.ts";

const OPEN_METRICS = Registry.OPENMETRICS_CONTENT_TYPE;

type Parsed = ReadonlyMap<string, ParsedFamily>;

/** prom-client puts an empty line between metrics, which the strict parser does not take. */
function parseTheirs(text: string, format: "prometheus" | "openmetrics"): Parsed {
  return parseExposition(text.replaceAll(/\n{2,}/g, "\n"), format);
}

function sampleOf(
  parsed: Parsed,
  family: string,
  sample: string,
  labels: Record<string, string> = {},
): unknown {
  return parsed
    .get(family)
    ?.samples.find(
      (one) =>
        one.name === sample && Object.entries(labels).every(([key, value]) => one.labels[key] === value),
    )?.value;
}

function filled(): Metrics {
  const metrics = new Metrics();
  metrics.recordQuery(3, { operation: "get", collection: 'a"\\\n', outcome: "ok" });
  metrics.recordQuery(4, { operation: "get", collection: 'a"\\\n', outcome: "ok" });
  metrics.recordCacheHit();
  metrics.observePool("main", () => ({ idle: 1, inUse: 2, waiting: 0, max: 10 }));
  return metrics;
}

describe("A prom-client registry that includes our metrics", () => {
  test("writes the same samples as we do, in text", async () => {
    const metrics = filled();
    const registry = new Registry();
    new Gauge({ name: "app_up", help: "Up.", registers: [registry] }).set(1);
    addToPromClient(metrics, registry);
    const theirs = parseTheirs(await registry.metrics(), "prometheus");
    const ours = parseExposition(metrics.export(), "prometheus");
    for (const [name, family] of ours) {
      expect(theirs.get(name)?.type, name).toBe(family.type);
      expect(theirs.get(name)?.help, name).toBe(family.help);
      const sorted = (parsed: ParsedFamily): string[] =>
        parsed.samples.map(({ name: sample, labels, value }) =>
          JSON.stringify([sample, Object.entries(labels).sort(), String(value)]),
        );
      expect(sorted(theirs.get(name)!).sort(), name).toEqual(sorted(family).sort());
    }
    expect(theirs.size).toBe(ours.size + 1);
    expect(sampleOf(theirs, "app_up", "app_up")).toBe(1);
  });

  test("writes OpenMetrics with exemplars, and correct text again after it", async () => {
    const metrics = new Metrics();
    metrics.exemplarsFrom(() => ({ trace_id: 'a"b', span_id: "c\nd" }));
    metrics.recordQuery(3, { operation: "get" });
    const registry = new Registry();
    addToPromClient(metrics, registry);
    registry.setContentType(OPEN_METRICS as never);
    const open = parseTheirs(await registry.metrics(), "openmetrics");
    expect(sampleOf(open, "formdb_query", "formdb_query_total")).toBe(1);
    const exemplar = open
      .get("formdb_query_duration_seconds")!
      .samples.find(({ exemplar: found }) => found !== undefined)?.exemplar;
    expect(exemplar).toMatchObject({ labels: { trace_id: 'a"b', span_id: "c\nd" }, value: 0.003 });

    registry.setContentType(Registry.PROMETHEUS_CONTENT_TYPE);
    const text = parseTheirs(await registry.metrics(), "prometheus");
    expect(sampleOf(text, "formdb_query_total", "formdb_query_total")).toBe(1);
  });

  test("can be merged with others, in either format", async () => {
    const own = new Registry();
    addToPromClient(filled(), own);
    const other = new Registry();
    new Counter({ name: "app_jobs_total", help: "Jobs.", registers: [other] }).inc(4);
    const merged = Registry.merge([own, other]);
    const text = parseTheirs(await merged.metrics(), "prometheus");
    expect(sampleOf(text, "formdb_query_total", "formdb_query_total")).toBe(2);
    expect(sampleOf(text, "app_jobs_total", "app_jobs_total")).toBe(4);
    for (const registry of [own, other]) registry.setContentType(OPEN_METRICS as never);
    const open = parseTheirs(await Registry.merge([own, other]).metrics(), "openmetrics");
    expect(sampleOf(open, "formdb_query", "formdb_query_total")).toBe(2);
    expect(sampleOf(open, "app_jobs", "app_jobs_total")).toBe(4);
  });

  test("adds its default labels, and our constant ones stay", async () => {
    const metrics = new Metrics({ constLabels: { zone: "eu" } });
    metrics.recordCacheHit();
    const registry = new Registry();
    registry.setDefaultLabels({ app: "shop" });
    addToPromClient(metrics, registry);
    const parsed = parseTheirs(await registry.metrics(), "prometheus");
    const labels = { zone: "eu", app: "shop" };
    expect(sampleOf(parsed, "formdb_cache_hits_total", "formdb_cache_hits_total", labels)).toBe(1);
  });

  test("gives data that prom-client adds up over a cluster's workers by our rules", async () => {
    const workers = await Promise.all(
      [3, 5].map(async (latency) => {
        const metrics = new Metrics();
        metrics.recordQuery(latency, { operation: "get" });
        metrics.observePool("main", () => ({ idle: 1, inUse: latency, waiting: 0 }));
        const registry = new Registry();
        addToPromClient(metrics, registry);
        return registry.getMetricsAsJSON();
      }),
    );
    const sum = AggregatorRegistry.aggregate(workers);
    const parsed = parseTheirs(await sum.metrics(), "prometheus");
    expect(sampleOf(parsed, "formdb_query_total", "formdb_query_total")).toBe(2);
    // The largest of both, as the catalogue says of that gauge; the other is a sum.
    expect(sampleOf(parsed, "formdb_query_latency_ms", "formdb_query_latency_ms")).toBe(5);
    expect(sampleOf(parsed, "formdb_active_connections", "formdb_active_connections")).toBe(8);
    const le = { operation: "get", outcome: "ok", le: "0.005" };
    const bucket = "formdb_query_duration_seconds_bucket";
    expect(sampleOf(parsed, "formdb_query_duration_seconds", bucket, le)).toBe(2);
  });

  test("gets metrics that were made later, and loses all of ours when told so", async () => {
    const metrics = new Metrics();
    const registry = new Registry();
    const remove = addToPromClient(metrics, registry);
    await registry.metrics();
    metrics.counter("jobs_total", "Jobs.").inc(3);
    await registry.metrics();
    expect(
      sampleOf(parseTheirs(await registry.metrics(), "prometheus"), "formdb_jobs_total", "formdb_jobs_total"),
    ).toBe(3);
    remove();
    expect(await registry.getMetricsAsJSON()).toEqual([]);
  });

  test("gets later metrics where it is only asked for JSON, as in workers, and leaves out what clashes", async () => {
    const metrics = new Metrics();
    const registry = new Registry();
    addToPromClient(metrics, registry);
    const theirs = new Counter({ name: "formdb_visits_total", help: "Visits.", registers: [registry] });
    theirs.inc(9);
    metrics.counter("visits_total", "Our visits.").inc(1);
    metrics.counter("jobs_total", "Jobs.").inc(3);
    await registry.getMetricsAsJSON();
    const json = (await registry.getMetricsAsJSON()) as unknown as {
      name: string;
      values: { value: number }[];
    }[];
    const first = (name: string): number | undefined =>
      json.find((one) => one.name === name)?.values[0]?.value;
    expect(first("formdb_jobs_total")).toBe(3);
    expect(first("formdb_visits_total")).toBe(9);
    expect(storeOf(metrics).counter("metrics_collect_errors_total").value).toBeGreaterThan(0);
  });

  test("resets ours with its own", async () => {
    const metrics = filled();
    const registry = new Registry();
    addToPromClient(metrics, registry);
    registry.resetMetrics();
    expect(storeOf(metrics).counter("query_total").value).toBe(0);
  });

  test("refuses a name that it has already, and then has none of ours", () => {
    const registry = new Registry();
    const theirs = new Counter({ name: "formdb_errors_total", help: "Other errors.", registers: [registry] });
    expect(() => addToPromClient(new Metrics(), registry)).toThrow("formdb_errors_total");
    expect(registry.getMetricsAsArray()).toEqual([theirs]);
  });
});

describe("Our exposition with the metrics of a prom-client registry", () => {
  const closers: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
  });

  function theirRegistry(): Registry {
    const registry = new Registry();
    new Counter({
      name: "app_jobs_total",
      help: 'Jobs "done".',
      labelNames: ["kind"],
      registers: [registry],
    }).inc({ kind: 'a"\\\n' }, 2);
    new Counter({ name: "app_visits", help: "Visits.", registers: [registry] }).inc(5);
    new Gauge({ name: "app_temperature", help: "Degrees.", registers: [registry] }).set(Number.NaN);
    const histogram = new Histogram({
      name: "app_wait_seconds",
      help: "Wait.",
      buckets: [0.5, 1, 2],
      registers: [registry],
    });
    histogram.observe(0.7);
    histogram.observe(9);
    const summary = new Summary({
      name: "app_size",
      help: "Size.",
      percentiles: [0.5, 1],
      registers: [registry],
    });
    summary.observe(3);
    return registry;
  }

  test("has both in text, each sample as its owner says", async () => {
    const text = await withPromClient(filled(), theirRegistry()).exportAsync();
    const parsed = parseAll(text, "prometheus");
    expect(sampleOf(parsed, "formdb_query_total", "formdb_query_total")).toBe(2);
    expect(sampleOf(parsed, "app_jobs_total", "app_jobs_total", { kind: 'a"\\\n' })).toBe(2);
    expect(sampleOf(parsed, "app_visits", "app_visits")).toBe(5);
    expect(sampleOf(parsed, "app_temperature", "app_temperature")).toBeNaN();
    expect(sampleOf(parsed, "app_wait_seconds", "app_wait_seconds_bucket", { le: "1" })).toBe(1);
    expect(sampleOf(parsed, "app_wait_seconds", "app_wait_seconds_count")).toBe(2);
    expect(text).toContain('app_size{quantile="0.5"} 3\n');
  });

  test("has both in OpenMetrics, with counters named as it wants and one end", async () => {
    const parsed = parseAll(
      await withPromClient(filled(), theirRegistry()).exportAsync("openmetrics"),
      "openmetrics",
    );
    expect(sampleOf(parsed, "formdb_query", "formdb_query_total")).toBe(2);
    expect(sampleOf(parsed, "app_jobs", "app_jobs_total", { kind: 'a"\\\n' })).toBe(2);
    expect(sampleOf(parsed, "app_visits", "app_visits_total")).toBe(5);
    expect(sampleOf(parsed, "app_wait_seconds", "app_wait_seconds_bucket", { le: "1.0" })).toBe(1);
  });

  test("keeps their exemplars in OpenMetrics and leaves them out of text", async () => {
    const registry = new Registry();
    registry.setContentType(OPEN_METRICS as never);
    const histogram = new Histogram({
      name: "app_wait_seconds",
      help: "Wait.",
      buckets: [1],
      enableExemplars: true,
      registers: [registry],
    });
    histogram.observe({ value: 0.7, exemplarLabels: { trace_id: "abc" } } as never);
    const combined = withPromClient(new Metrics(), registry);
    const open = parseAll(await combined.exportAsync("openmetrics"), "openmetrics");
    expect(open.get("app_wait_seconds")!.samples[0]!.exemplar).toMatchObject({
      labels: { trace_id: "abc" },
      value: 0.7,
    });
    expect(await combined.exportAsync("prometheus")).not.toContain("trace_id");
  });

  test("writes nothing twice where ours are in their registry as well", async () => {
    const metrics = filled();
    const registry = theirRegistry();
    addToPromClient(metrics, registry);
    const combined = withPromClient(metrics, registry);
    const parsed = parseAll(await combined.exportAsync(), "prometheus");
    expect(sampleOf(parsed, "formdb_query_total", "formdb_query_total")).toBe(2);
    expect(storeOf(metrics).counter("metrics_collect_errors_total").value).toBe(0);
  });

  test("leaves out what clashes and what fails, and counts it", async () => {
    const metrics = filled();
    const clashing = new Registry();
    new Gauge({ name: "formdb_query_duration_seconds_count", help: "Clash.", registers: [clashing] }).set(77);
    const failing = new Registry();
    new Gauge({
      name: "app_bad",
      help: "Bad.",
      registers: [failing],
      collect: () => {
        throw new Error("no");
      },
    });
    const combined = withPromClient(metrics, clashing, failing);
    const text = await combined.exportAsync();
    parseAll(text, "prometheus");
    expect(text).not.toMatch(/ 77$/m);
    expect(storeOf(metrics).counter("metrics_collect_errors_total").value).toBe(2);
  });

  test("writes any label values, help texts and numbers of theirs so that they read back", async () => {
    const text = fc.string({ unit: "binary", maxLength: 20 });
    const samples = fc.uniqueArray(fc.tuple(text, fc.double()), {
      maxLength: 8,
      selector: ([label]) => label,
    });
    await fc.assert(
      fc.asyncProperty(
        samples,
        text,
        fc.constantFrom("prometheus" as const, "openmetrics" as const),
        async (all, help, format) => {
          const registry = new Registry();
          const gauge = new Gauge({
            name: "app_any",
            help: help || "-",
            labelNames: ["value"],
            registers: [registry],
          });
          for (const [label, value] of all) gauge.set({ value: label }, value);
          const parsed = parseExposition(
            await withPromClient(new Metrics(), registry).exportAsync(format),
            format,
          );
          const read = parsed.get("app_any")!.samples.map(({ labels, value }) => [labels.value, value]);
          // Prometheus tells no zeroes apart.
          expect(read).toEqual(all.map(([label, value]) => [label.toWellFormed(), value + 0]));
        },
      ),
      { numRuns: 60 },
    );
  });

  test("is served over HTTP in the format that the scraper accepts", async () => {
    const endpoint = await withPromClient(filled(), theirRegistry()).listen({ port: 0 });
    closers.push(() => endpoint.close());
    const text = await (await fetch(endpoint.url)).text();
    expect(sampleOf(parseAll(text, "prometheus"), "app_visits", "app_visits")).toBe(5);
    const response = await fetch(endpoint.url, { headers: { accept: "application/openmetrics-text" } });
    expect(sampleOf(parseAll(await response.text(), "openmetrics"), "app_visits", "app_visits_total")).toBe(
      5,
    );
  });
});

/** The strict parser knows no summaries, which only prom-client has: they are taken out for it. */
function parseAll(text: string, format: "prometheus" | "openmetrics"): Parsed {
  return parseExposition(text.replaceAll(/^(?:# (?:HELP|TYPE) )?app_size.*\n/gm, ""), format);
}
