import { describe, expect, test } from "vitest";
import { COMPATIBLE_NAMES } from "../../src/metrics/definitions.ts";
import { Metrics, storeOf } from "../../src/metrics/metrics.ts";
import { MAX_METRICS } from "../../src/metrics/registry.ts";
import { parseExposition } from "./exposition-parser.ts";

const lines = (metrics: Metrics): string[] => metrics.exportPrometheus().split("\n");

describe("The compatibility API's metrics", () => {
  test("are exported from the start, each with HELP, TYPE and a plain line", () => {
    const all = lines(new Metrics({ prefix: "formdb" }));
    for (const name of COMPATIBLE_NAMES) {
      const type = name.endsWith("_total") ? "counter" : "gauge";
      expect(all.filter((line) => line.startsWith(`# HELP formdb_${name} `))).toHaveLength(1);
      expect(all).toContain(`# TYPE formdb_${name} ${type}`);
      expect(all).toContain(`formdb_${name} 0`);
    }
  });

  test("count what is recorded", () => {
    const metrics = new Metrics();
    metrics.recordQuery(12);
    metrics.recordQuery(5.2, { operation: "select", collection: "users" });
    metrics.recordCacheHit();
    metrics.recordCacheMiss();
    metrics.recordCacheMiss("stale");
    metrics.recordError();
    metrics.recordError("FORMDB_SERIALIZATION", "40001");
    metrics.recordError("FORMDB_ENGINE", "nonsense");
    const all = lines(metrics);
    expect(all).toEqual(
      expect.arrayContaining([
        "formdb_query_total 2",
        "formdb_query_latency_ms 5.2",
        "formdb_cache_hits_total 1",
        "formdb_cache_misses_total 2",
        'formdb_cache_misses_by_reason_total{reason="cold"} 1',
        'formdb_cache_misses_by_reason_total{reason="stale"} 1',
        "formdb_errors_total 3",
        'formdb_errors_by_code_total{code="FORMDB_SERIALIZATION"} 1',
        'formdb_errors_by_code_total{code="FORMDB_ENGINE"} 1',
        'formdb_errors_by_sqlstate_class_total{sqlstate_class="40"} 1',
        'formdb_queries_by_operation_total{operation="select",outcome="ok"} 1',
        'formdb_query_duration_seconds_bucket{operation="select",collection="users",outcome="ok",le="0.005"} 0',
        'formdb_query_duration_seconds_bucket{operation="select",collection="users",outcome="ok",le="0.01"} 1',
        'formdb_query_duration_seconds_count{operation="select",collection="users",outcome="ok"} 1',
      ]),
    );
    expect(all.some((line) => line.includes('sqlstate_class="no"'))).toBe(false);
  });

  test("count a query whose latency is no number, without letting it spoil the latencies", () => {
    const metrics = new Metrics();
    metrics.recordQuery(3);
    for (const bad of [Number.NaN, Infinity, -1]) metrics.recordQuery(bad);
    expect(metrics.summary().queries).toMatchObject({ total: 4, lastMs: 3, meanMs: 3, maxMs: 3 });
    expect(lines(metrics)).toContain("formdb_metrics_ignored_values_total 3");
  });

  test("take another prefix, or none", () => {
    expect(lines(new Metrics({ prefix: "shop" }))).toContain("shop_query_total 0");
    expect(lines(new Metrics({ prefix: "" }))).toContain("query_total 0");
  });
});

describe("Instruments", () => {
  test("record through handles that are bound once", () => {
    const metrics = new Metrics();
    const counter = metrics.counter("jobs_total", "Jobs.", ["kind"]);
    const handle = counter.labels({ kind: "mail" });
    handle.inc();
    handle.inc(2);
    expect(counter.labels({ kind: "mail" })).toBe(handle);
    const gauge = metrics.gauge("level", "Level.");
    gauge.set(7);
    gauge.inc(3);
    gauge.dec();
    metrics.histogram("size", "Size.", [1, 10]).observe(5);
    expect(lines(metrics)).toEqual(
      expect.arrayContaining([
        'formdb_jobs_total{kind="mail"} 3',
        "formdb_level 9",
        'formdb_size_bucket{le="1"} 0',
        'formdb_size_bucket{le="10"} 1',
        'formdb_size_bucket{le="+Inf"} 1',
        "formdb_size_sum 5",
        "formdb_size_count 1",
      ]),
    );
  });

  test("leave out what a counter can't take, and count that", () => {
    const metrics = new Metrics();
    const counter = metrics.counter("jobs_total", "Jobs.");
    for (const bad of [-1, Number.NaN, Infinity, -Infinity]) counter.inc(bad);
    counter.inc(0);
    expect(counter.value).toBe(0);
    expect(lines(metrics)).toContain("formdb_metrics_ignored_values_total 4");
  });

  test("read a gauge when metrics are exported, and survive one that throws", () => {
    const metrics = new Metrics();
    let level = 1;
    metrics.gauge("level", "Level.").collect(() => level);
    metrics
      .gauge("broken", "Broken.", ["part"])
      .labels({ part: "a" })
      .collect(() => {
        throw new Error("no");
      });
    expect(lines(metrics)).toContain("formdb_level 1");
    level = 2;
    expect(lines(metrics)).toContain("formdb_level 2");
    expect(lines(metrics)).toContain("formdb_metrics_collect_errors_total 3");
  });

  test("need exactly their labels", () => {
    const counter = new Metrics().counter("jobs_total", "Jobs.", ["kind", "size"]);
    counter.labels({ kind: "a", size: 1 });
    const refused = {
      code: "FORMDB_CONFIG",
      message: expect.stringMatching(/formdb_jobs_total.*kind, size/),
    };
    const wrong: Record<string, unknown>[] = [
      {},
      { kind: "a" },
      { kind: "a", size: 1, more: "b" },
      { kind: "a", sizes: 1 },
      { kind: "a", size: undefined },
      { kind: "a", size: null },
    ];
    for (const labels of wrong) {
      expect(() => counter.labels(labels as never), JSON.stringify(labels)).toThrow(
        expect.objectContaining(refused),
      );
    }
    expect(() => counter.inc()).toThrow(expect.objectContaining(refused));
    expect(() => new Metrics().counter("x_total", "X.").labels({ a: "b" })).toThrow(/no labels/);
  });

  test("tell apart label sets that would be one if they were joined", () => {
    const metrics = new Metrics();
    const counter = metrics.counter("jobs_total", "Jobs.", ["a", "b"]);
    const sets = [
      ["x,y", "z"],
      ["x", "y,z"],
      ['x",b="y', "z"],
      ["x\\", "z"],
      ["x\\\\", "z"],
      ["x\n", "z"],
      ["x\\n", "z"],
      ["", ""],
    ];
    for (const [a, b] of sets) counter.labels({ a: a!, b: b! }).inc();
    const family = parseExposition(metrics.exportPrometheus(), "prometheus").get("formdb_jobs_total")!;
    expect(family.samples.map(({ labels, value }) => [labels.a, labels.b, value])).toEqual(
      sets.map(([a, b]) => [a, b, 1]),
    );
  });
});

describe("The limit on label sets", () => {
  test("sends later ones to a series that counts with them, for good", () => {
    const metrics = new Metrics({ maxLabelSets: 2 });
    const counter = metrics.counter("jobs_total", "Jobs.", ["kind"]);
    for (const kind of ["a", "b", "c", "d", "c"]) counter.labels({ kind }).inc();
    counter.labels({ kind: "a" }).inc();
    const found = lines(metrics).filter((line) => line.startsWith("formdb_jobs_total"));
    expect(found).toEqual([
      'formdb_jobs_total{kind="a"} 2',
      'formdb_jobs_total{kind="b"} 1',
      'formdb_jobs_total{kind="__other__"} 3',
    ]);
    expect(lines(metrics)).toContain('formdb_metrics_label_overflows_total{metric="formdb_jobs_total"} 3');
    metrics.reset();
    counter.labels({ kind: "e" }).inc();
    expect(lines(metrics)).toContain('formdb_jobs_total{kind="__other__"} 1');
  });

  test("keeps labels of known values apart in the overflow series", () => {
    const metrics = new Metrics({ maxLabelSets: 1 });
    metrics.recordQuery(1, { operation: "select", collection: "a" });
    metrics.recordQuery(1, { operation: "select", collection: "b" });
    metrics.recordQuery(1, { operation: "insert", collection: "c", outcome: "error" });
    metrics.recordQuery(1, { operation: "surprise", collection: "d" });
    const counts = lines(metrics).filter((line) => line.startsWith("formdb_query_duration_seconds_count"));
    const series = (operation: string, collection: string, outcome: string): string =>
      `formdb_query_duration_seconds_count{operation="${operation}",collection="${collection}",outcome="${outcome}"} 1`;
    expect(counts).toEqual([
      series("select", "a", "ok"),
      series("select", "__other__", "ok"),
      series("insert", "__other__", "error"),
      series("__other__", "__other__", "ok"),
    ]);
  });

  test("does not touch the series that are exported as zero", () => {
    const metrics = new Metrics({ maxLabelSets: 1 });
    expect(lines(metrics)).toContain('formdb_errors_by_code_total{code="FORMDB_ENGINE"} 0');
    expect(lines(metrics).join()).not.toContain("__other__");
  });

  test("is not for values that are too long: they overflow at once", () => {
    const metrics = new Metrics();
    metrics
      .counter("jobs_total", "Jobs.", ["kind"])
      .labels({ kind: "x".repeat(1_025) })
      .inc();
    expect(lines(metrics)).toContain('formdb_jobs_total{kind="__other__"} 1');
  });

  test("holds for the queries of ever new collections", () => {
    const metrics = new Metrics({ maxLabelSets: 10 });
    for (let i = 0; i < 1_000; i++) metrics.recordQuery(1, { operation: "get", collection: `c${i}` });
    const counts = lines(metrics).filter((line) => line.startsWith("formdb_query_duration_seconds_count"));
    expect(counts).toHaveLength(11);
    expect(counts.at(-1)).toMatch(/ 990$/);
    expect(metrics.summary().queries.total).toBe(1_000);
  });
});

describe("Registering", () => {
  test("the same metric again gives the same instrument", () => {
    const metrics = new Metrics();
    const counter = metrics.counter("jobs_total", "Jobs.", ["a", "b"]);
    expect(metrics.counter("jobs_total", "Jobs.", ["b", "a"])).toBe(counter);
    expect(metrics.counter("formdb_jobs_total", "Jobs.", ["a", "b"])).toBe(counter);
    const histogram = metrics.histogram("size", "Size.", [1, 2]);
    expect(metrics.histogram("size", "Size.")).toBe(histogram);
    expect(metrics.counter("query_total", "Queries.")).toBe(metrics.get("formdb_query_total"));
  });

  test.each<[string, (metrics: Metrics) => unknown, RegExp]>([
    ["another type", (m) => m.gauge("query_total", "Q."), /formdb_query_total is a counter already/],
    ["other labels", (m) => m.counter("query_total", "Q.", ["a"]), /formdb_query_total has the labels none/],
    [
      "other buckets",
      (m) => m.histogram("batch_wait_seconds", "Q.", [1]),
      /formdb_batch_wait_seconds has the buckets/,
    ],
    [
      "a family of OpenMetrics",
      (m) => m.gauge("query", "Q."),
      /formdb_query would be taken for .*query_total/,
    ],
    ["a histogram's sample", (m) => m.gauge("batch_wait_seconds_sum", "Q."), /batch_wait_seconds_sum/],
    ["a bad name", (m) => m.counter("a-b", "Q."), /"a-b"/],
    ["an empty name", (m) => m.counter("", "Q."), /""/],
    ["a bad label", (m) => m.counter("a_total", "Q.", ["a-b"]), /"a-b"/],
    ["a reserved label", (m) => m.counter("a_total", "Q.", ["__a"]), /"__a"/],
    ["no help", (m) => m.counter("a_total", undefined as never), /formdb_a_total must have a help text/],
    ["labels in no array", (m) => m.counter("query_total", "Q.", "a" as never), /in an array, not "a"/],
    ["a label twice", (m) => m.counter("a_total", "Q.", ["a", "a"]), /differ/],
    ["a label le", (m) => m.histogram("a", "Q.", [1], ["le"]), /label le/],
    ["a constant label again", (m) => m.counter("a_total", "Q.", ["region"]), /region.*constant/],
    ["falling buckets", (m) => m.histogram("a", "Q.", [2, 1]), /1 follows 2/],
    ["infinite buckets", (m) => m.histogram("a", "Q.", [1, Infinity]), /Infinity/],
    ["no buckets", (m) => m.histogram("a", "Q.", []), /from 1 to/],
  ])("%s is refused by name", (_, register, message) => {
    const metrics = new Metrics({ constLabels: { region: "eu" } });
    const before = metrics.exportPrometheus();
    expect(() => register(metrics)).toThrow(
      expect.objectContaining({ code: "FORMDB_CONFIG", message: expect.stringMatching(message) }),
    );
    expect(metrics.exportPrometheus()).toBe(before);
  });

  test("has a limit", () => {
    const metrics = new Metrics();
    expect(() => {
      for (let i = 0; i <= MAX_METRICS; i++) metrics.gauge(`g${i}`, "G.");
    }).toThrow(/at most 2000 metrics/);
  });

  test("wants options that exist and make sense", () => {
    const refused = (options: object, message: RegExp): void =>
      expect(() => new Metrics(options)).toThrow(
        expect.objectContaining({ code: "FORMDB_CONFIG", message: expect.stringMatching(message) }),
      );
    refused({ prefx: "a" }, /did you mean "prefix"/);
    refused({ prefix: "a b" }, /"a b"/);
    refused({ maxLabelSets: 0 }, /maxLabelSets/);
    refused({ buckets: [3, 1] }, /ascending/);
    refused({ constLabels: { a: 1 } }, /constant label a/);
    refused({ constLabels: { le: "x" } }, /le/);
  });
});

describe("reset", () => {
  test("brings everything to zero and keeps handles good", () => {
    const metrics = new Metrics();
    const handle = metrics.histogram("size", "Size.", [1, 10]).labels();
    handle.observe(5);
    metrics.recordQuery(7);
    metrics.gauge("level", "Level.").set(4);
    metrics.reset();
    expect(metrics.summary()).toMatchObject({
      queries: { total: 0, lastMs: 0, maxMs: 0 },
      values: { formdb_level: 0 },
    });
    handle.observe(3);
    expect(handle).toMatchObject({ count: 1, sum: 3, max: 3 });
  });

  test("leaves gauges that are moved up and down, which say how many are open", () => {
    const metrics = new Metrics();
    const open = metrics.gauge("open", "Open.");
    open.inc(3);
    metrics.reset();
    open.dec();
    expect(open.value).toBe(2);
  });
});

describe("summary", () => {
  test("gives percentiles between the bounds of their bucket, and never above the largest value", () => {
    const metrics = new Metrics();
    for (let i = 1; i <= 1_000; i++)
      metrics.recordQuery(i / 10, { operation: i % 2 === 0 ? "select" : "get" });
    const { queries, cache, values, metrics: all } = metrics.summary();
    expect(queries.total).toBe(1_000);
    expect(queries.meanMs).toBeCloseTo(50.05, 6);
    expect(queries.p50Ms).toBeCloseTo(50, 0);
    expect(queries.p90Ms).toBeCloseTo(90, 0);
    expect(queries.p99Ms).toBeCloseTo(99, 0);
    expect(queries.maxMs).toBeCloseTo(100, 6);
    expect(cache).toEqual({ hits: 0, misses: 0, hitRate: 0 });
    metrics.recordCacheHit();
    metrics.recordCacheMiss();
    for (let i = 0; i < 8; i++) metrics.recordCacheMiss("invalid");
    expect(metrics.summary().cache).toEqual({ hits: 1, misses: 9, hitRate: 0.5 });
    expect(values.formdb_query_total).toBe(1_000);
    expect(all.formdb_query_duration_seconds!.series).toHaveLength(2);
    expect(all.formdb_query_duration_seconds!.series[0]).toMatchObject({
      labels: { operation: "get" },
      count: 500,
    });
  });

  test("is all zeroes before anything happened, and can be written as JSON", () => {
    const summary = new Metrics().summary();
    expect(summary.queries).toEqual({
      total: 0,
      inFlight: 0,
      lastMs: 0,
      meanMs: 0,
      p50Ms: 0,
      p90Ms: 0,
      p95Ms: 0,
      p99Ms: 0,
      maxMs: 0,
    });
    expect(JSON.parse(JSON.stringify(summary))).toEqual(summary);
  });

  test("is exact where all values are the same", () => {
    const metrics = new Metrics();
    const histogram = metrics.histogram("size", "Size.", [1, 10, 100]);
    histogram.observe(400);
    expect(metrics.summary().metrics.formdb_size!.series[0]).toMatchObject({
      p50: 250,
      p99: 397,
      max: 400,
      mean: 400,
    });
  });
});

describe("The gauges of parts", () => {
  test("are read when metrics are exported, added up, and zero when the part is gone", () => {
    const metrics = new Metrics();
    const first = { idle: 3, inUse: 2, waiting: 4, pending: 1, min: 2, max: 10, oldestWaitMs: 250 };
    const detach = metrics.observePool("main", () => first);
    metrics.observePool("writer", () => ({ idle: 0, inUse: 1, waiting: 0, max: 1 }));
    metrics.observeCache(() => ({
      size: 5,
      maxSize: 10,
      bytes: 700,
      maxBytes: Infinity,
      hitRateAtDoubleSize: 0.75,
    }));
    metrics.observeBatch(() => ({ queued: 9, queuedBytes: 900, oldestMs: 50 }));
    expect(lines(metrics)).toEqual(
      expect.arrayContaining([
        "formdb_connection_pool_size 6",
        "formdb_active_connections 3",
        "formdb_batch_size 9",
        'formdb_pool_connections{pool="main",state="idle"} 3',
        'formdb_pool_connections{pool="main",state="in_use"} 2',
        'formdb_pool_connections{pool="main",state="opening"} 1',
        'formdb_pool_connections{pool="writer",state="in_use"} 1',
        'formdb_pool_max_connections{pool="main"} 10',
        'formdb_pool_waiting{pool="main"} 4',
        'formdb_pool_oldest_waiter_age_seconds{pool="main"} 0.25',
        'formdb_pool_acquire_failures_total{pool="writer",reason="timeout"} 0',
        "formdb_cache_entries 5",
        "formdb_cache_max_bytes 0",
        "formdb_cache_doubled_hit_ratio 0.75",
        "formdb_batch_queue_length 9",
        "formdb_batch_queue_oldest_age_seconds 0.05",
      ]),
    );
    first.inUse = 5;
    expect(lines(metrics)).toContain("formdb_active_connections 6");
    detach();
    expect(lines(metrics)).toEqual(
      expect.arrayContaining([
        "formdb_connection_pool_size 1",
        'formdb_pool_connections{pool="main",state="in_use"} 0',
      ]),
    );
  });

  test("stay as they were set where no part is observed", () => {
    const metrics = new Metrics();
    storeOf(metrics).gauge("connection_pool_size").set(7);
    storeOf(metrics).gauge("batch_size").set(8);
    expect(lines(metrics)).toEqual(
      expect.arrayContaining(["formdb_connection_pool_size 7", "formdb_batch_size 8"]),
    );
  });
});
