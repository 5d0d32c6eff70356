import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Registry, Counter as TheirCounter } from "prom-client";
import { describe, expect, it } from "vitest";
import type { EndedQuery } from "../../src/base/observer.ts";
import { open } from "../../src/engine/open.ts";
import { withPromClient } from "../../src/metrics/adapters/with-prom-client.ts";
import { SnapshotCollector } from "../../src/metrics/cluster/collector.ts";
import { Metrics, storeOf } from "../../src/metrics/metrics.ts";
import { poolRecorder } from "../../src/metrics/pool-recorder.ts";
import { recorder } from "../../src/metrics/recorder.ts";
import { SlowLog } from "../../src/metrics/slow-log.ts";
import { endedQuery } from "../support/ended-query.ts";
import { StandardError } from "../support/standard-error.ts";

/** Faults that a review has found, each held by a test. */
const sample = (text: string, series: string): string | undefined =>
  text
    .split("\n")
    .flatMap((line) => (line.startsWith(`${series} `) ? [line.slice(series.length + 1)] : []))[0];

describe("gauges that are read", () => {
  it("of a batch queue say 0 once it is gone, so that no alert goes on", () => {
    const metrics = new Metrics();
    const detach = metrics.observeBatch(() => ({ queued: 50, queuedBytes: 9, oldestMs: 12_000 }));
    expect(sample(metrics.exportPrometheus(), "formdb_batch_queue_oldest_age_seconds")).toBe("12");
    detach();
    const text = metrics.exportPrometheus();
    for (const name of [
      "batch_size",
      "batch_queue_length",
      "batch_queue_bytes",
      "batch_queue_oldest_age_seconds",
    ])
      expect(sample(text, `formdb_${name}`)).toBe("0");
  });

  it("of one pool, cache or queue are there though another can't be read", () => {
    const metrics = new Metrics();
    const broken = (): never => {
      throw new Error("gone");
    };
    metrics.observePool("a", broken);
    metrics.observePool("b", () => ({ idle: 3, inUse: 2, waiting: 7 }));
    metrics.observeCache(broken);
    metrics.observeCache(() => ({ size: 4 }));
    metrics.observeBatch(broken);
    metrics.observeBatch(() => ({ queued: 5 }));
    const text = metrics.exportPrometheus();
    expect(sample(text, 'formdb_pool_waiting{pool="b"}')).toBe("7");
    expect(sample(text, "formdb_connection_pool_size")).toBe("5");
    expect(sample(text, "formdb_cache_entries")).toBe("4");
    expect(sample(text, "formdb_batch_size")).toBe("5");
    expect(sample(text, "formdb_metrics_collect_errors_total")).toBe("3");
  });

  it("say that a pool is paused as long as it is, whatever its neighbours do", () => {
    const metrics = new Metrics();
    const [one, other] = [poolRecorder(metrics, "main"), poolRecorder(metrics, "main")];
    const paused = storeOf(metrics).gauge("pool_paused").labels({ pool: "main" });
    one.paused();
    one.paused();
    other.poolClosed();
    metrics.reset();
    expect(paused.value).toBe(1);
    other.paused();
    other.resumed();
    one.poolClosed();
    expect(paused.value).toBe(0);
  });

  it("of a writer's pool are there only where there is one", async () => {
    await using db = await open("sqlite::memory:");
    expect(db.metrics.exportPrometheus()).not.toContain('pool="writer"');
  });
});

describe("exemplars", () => {
  it("that are null are none, and harm no query", async () => {
    const metrics = new Metrics();
    await using db = await open("sqlite::memory:", { metrics });
    await db.createCollection("c");
    metrics.exemplarsFrom((() => null) as never);
    await db.query("SELECT * FROM c");
    metrics.counter("jobs_total", "Jobs.").inc(1, null as never);
    const text = metrics.export("openmetrics");
    expect(sample(text, 'formdb_queries_by_operation_total{operation="select",outcome="ok"}')).toBe("1");
    expect(sample(text, "formdb_jobs_total")).toBe("1");
  });

  it("of amounts that a counter refuses are refused too", () => {
    const metrics = new Metrics();
    const jobs = metrics.counter("jobs_total", "Jobs.");
    jobs.inc(1, { trace_id: "good" });
    jobs.inc(Number.NaN, { trace_id: "bad" });
    jobs.inc(-5, { trace_id: "bad" });
    expect(metrics.export("openmetrics")).toMatch(/formdb_jobs_total 1 # \{trace_id="good"\} 1 /);
  });

  it("are those of their own queries, not of the scrape that counts them", () => {
    const metrics = new Metrics();
    const { queryFinished } = recorder(metrics);
    queryFinished(endedQuery({ totalMs: 1, databaseMs: 1 }));
    metrics.exemplarsFrom(() => ({ trace_id: "later" }));
    expect(metrics.export("openmetrics")).not.toContain("later");
  });
});

it("the last query's latency is that of the last query, whoever has recorded it", () => {
  const metrics = new Metrics();
  const { queryFinished } = recorder(metrics);
  queryFinished(endedQuery({ totalMs: 1, databaseMs: 1 }));
  metrics.recordQuery(12_345);
  expect(sample(metrics.exportPrometheus(), "formdb_query_latency_ms")).toBe("12345");
});

describe("a scrape endpoint", () => {
  it("that may not keep the process lets it end though a scraper keeps its connection", async () => {
    const program = `
      import { Metrics } from ${JSON.stringify(fileURLToPath(new URL("../../src/metrics/metrics.ts", import.meta.url)))};
      import { Worker } from "node:worker_threads";
      const endpoint = await new Metrics().listen({ port: 0, keepAlive: false });
      // The scraper is in a thread that does not keep the process either.
      const scraper = new Worker(\`
        import { Agent, get } from "node:http";
        import { parentPort, workerData } from "node:worker_threads";
        get(workerData, { agent: new Agent({ keepAlive: true }) }, (response) => {
          response.resume().on("end", () => parentPort.postMessage("scraped"));
        });
        setInterval(() => {}, 1_000);
      \`, { eval: true, workerData: endpoint.url });
      scraper.unref();
      const wait = setTimeout(() => {}, 60_000);
      scraper.once("message", () => { clearTimeout(wait); console.log("done"); });
    `;
    const started = performance.now();
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--input-type=module", "--experimental-strip-types", "-e", program],
      { timeout: 55_000 },
    );
    expect(stdout).toBe("done\n");
    expect(performance.now() - started).toBeLessThan(50_000);
  });

  it("that can't be had leaves no port open, and the event loop can be watched later", async () => {
    const metrics = new Metrics();
    metrics.counter("event_loop_delay_mean_seconds", "In the way.");
    const taken = await new Metrics().listen({ port: 0 });
    const { port } = taken;
    await taken.close();
    for (let i = 0; i < 2; i++) {
      await expect(metrics.listen({ port })).rejects.toMatchObject({ code: "FORMDB_CONFIG" });
      await expect(fetch(`http://127.0.0.1:${port}/metrics`)).rejects.toThrow();
    }
    await expect(metrics.watchEventLoop()).rejects.toMatchObject({ code: "FORMDB_CONFIG" });
  });
});

it("counters of prom-client keep their names once their registry has written OpenMetrics", async () => {
  const registry = new Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  new TheirCounter({ name: "jobs_total", help: "Jobs.", registers: [registry] }).inc(3);
  const both = withPromClient(new Metrics(), registry);
  const before = await both.exportAsync();
  await registry.metrics();
  const after = await both.exportAsync();
  for (const text of [before, after]) {
    expect(sample(text, "jobs_total")).toBe("3");
    expect(text).toContain("# TYPE jobs_total counter");
  }
});

it("a worker whose metric is defined otherwise spoils neither this export nor those after it", async () => {
  const own = new Metrics();
  own.counter("jobs_total", "Jobs.", ["a"]).labels({ a: "x" }).inc(2);
  const other = new Metrics();
  other.counter("jobs_total", "Jobs.", ["b"]).labels({ b: "x" }).inc(3);
  other.recordQuery(1);
  const told: Error[] = [];
  const collector = new SnapshotCollector({ own, onError: (error) => told.push(error) });
  let answer: ((message: unknown) => void) | undefined;
  collector.attach("1", {
    send: (message) =>
      answer!({ ...(message as object), type: "formdb:metrics:snapshot", snapshot: other.snapshot() }),
    receive: (listener) => {
      answer = listener;
      return () => {};
    },
  });
  const check = async (): Promise<void> => {
    const text = await collector.exportAsync();
    expect(sample(text, 'formdb_jobs_total{a="x"}')).toBe("2");
    expect(sample(text, "formdb_query_total")).toBe("1");
  };
  await check();
  collector.detach("1");
  await check();
  expect(told.map(({ message }) => message)).toEqual([expect.stringContaining("formdb_jobs_total")]);
});

it("the slow log writes entries whose parameters JSON can't hold", () => {
  using error = new StandardError();
  const log = new SlowLog({ thresholdMs: 0, parameters: "full" });
  const endless: unknown[] = [1];
  endless.push(endless);
  log.report(endedQuery({ parameters: [10n] }));
  log.report(endedQuery({ parameters: endless }));
  const written = error.lines.map((line) => (JSON.parse(line) as { parameters: unknown }).parameters);
  expect(written).toEqual([["10"], ["number", "array(2)"]]);
});

it("slow queries are logged though nothing is measured", async () => {
  using error = new StandardError();
  await using db = await open("sqlite::memory:", { metrics: false, slowQueryMs: 0 });
  await db.createCollection("c");
  await db.query("SELECT * FROM c");
  const shapes = error.lines.map((line) => (JSON.parse(line) as { shape: string }).shape);
  expect(shapes).toEqual(["createCollection", "SELECT * FROM c"]);
  expect(storeOf(db.metrics).counter("query_total").value).toBe(0);
});

it("bounds of buckets are spelled as OpenMetrics asks", () => {
  const metrics = new Metrics({ prefix: "" });
  metrics
    .histogram("h", "Values.", [1e-10, 1e-9, 1e-5, 0.0001, 0.1, 1, 12.5, 1e5, 1e6, 2_500_000, 1e10])
    .observe(1);
  const bounds = (text: string): string[] =>
    Array.from(text.matchAll(/^h_bucket\{le="(.*)"\}/gm), ([, le]) => le!);
  expect(bounds(metrics.export("openmetrics"))).toEqual([
    "1e-10",
    "1e-09",
    "1e-05",
    "0.0001",
    "0.1",
    "1.0",
    "12.5",
    "100000.0",
    "1e+06",
    "2.5e+06",
    "1e+10",
    "+Inf",
  ]);
  expect(bounds(metrics.exportPrometheus())).toEqual([
    "1e-10",
    "1e-09",
    "1e-05",
    "0.0001",
    "0.1",
    "1",
    "12.5",
    "100000",
    "1e+06",
    "2.5e+06",
    "1e+10",
    "+Inf",
  ]);
});

it("labels that are no object are refused by name", () => {
  const family = new Metrics().counter("jobs_total", "Jobs.", ["kind"]);
  for (const wrong of [null, 7, "mail"]) {
    expect(() => family.labels(wrong as never)).toThrow(expect.objectContaining({ code: "FORMDB_CONFIG" }));
  }
});

it("a stream reports its own cache outcome, whatever is asked between stream() and its first row", async () => {
  const ended: EndedQuery[] = [];
  // Copied: a query is valid during the call only.
  const queryFinished = ({ shape, cacheHit }: EndedQuery): unknown =>
    ended.push(endedQuery({ shape, cacheHit }));
  await using db = await open("sqlite::memory:", { observer: { queryFinished } });
  await db.batchInsert("c", [{ id: "1" }]);
  await db.query("SELECT * FROM c");
  ended.length = 0;
  const cached = db.stream("SELECT * FROM c");
  await db.query("SELECT a FROM c");
  for await (const _ of cached);
  const compiled = db.stream("SELECT b FROM c");
  await db.query("SELECT * FROM c");
  for await (const _ of compiled);
  expect(ended.map(({ shape, cacheHit }) => [shape, cacheHit])).toEqual([
    ["SELECT a FROM c", false],
    ["SELECT * FROM c", true],
    ["SELECT * FROM c", true],
    ["SELECT b FROM c", false],
  ]);
});
