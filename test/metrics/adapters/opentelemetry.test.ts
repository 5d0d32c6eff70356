import { context, metrics as otelMetrics, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  AggregationTemporality,
  type HistogramMetricData,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import {
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { FormDBError } from "../../../src/base/errors.ts";
import { open } from "../../../src/engine/open.ts";
import { exemplarsFromActiveSpan, openTelemetry } from "../../../src/metrics/adapters/opentelemetry.ts";
import { Metrics } from "../../../src/metrics/metrics.ts";
import { channels, traced } from "../../../src/metrics/tracing-channels.ts";
import { endedQuery } from "../../support/ended-query.ts";
import { parseExposition } from "../exposition-parser.ts";

const stops: (() => unknown)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

interface Point {
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly value: unknown;
}

/** A real SDK whose metrics are collected when asked for. */
function meterSdk(): {
  provider: MeterProvider;
  read(): Promise<Map<string, { unit: string; points: Point[] }>>;
} {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({ readers: [reader] });
  stops.push(() => provider.shutdown());
  return {
    provider,
    async read() {
      exporter.reset();
      await provider.forceFlush();
      const found = new Map<string, { unit: string; points: Point[] }>();
      for (const { metrics } of exporter.getMetrics().at(-1)?.scopeMetrics ?? []) {
        for (const { descriptor, dataPoints } of metrics) {
          found.set(descriptor.name, { unit: descriptor.unit, points: dataPoints as Point[] });
        }
      }
      return found;
    },
  };
}

describe("OpenTelemetry metrics", () => {
  test("have the names, units and attributes of the semantic conventions", async () => {
    const sdk = meterSdk();
    const otel = await openTelemetry({
      meterProvider: sdk.provider,
      spans: false,
      system: "postgres",
      namespace: "shop",
      serverAddress: "db.example",
      serverPort: 5432,
    });
    const { observer } = otel;
    observer.queryFinished?.(
      endedQuery({ operation: "select", totalMs: 30, waitMs: 1, databaseMs: 20, decodeMs: 2, rows: 7 }),
    );
    observer.queryFinished?.(
      endedQuery({ operation: "select", code: "FORMDB_TIMEOUT", totalMs: 900, waitMs: 1, rows: 0 }),
    );
    observer.acquired?.(1, 2);
    observer.acquireFailed?.("timeout", 5_000);
    observer.acquireFailed?.("aborted", 5);
    observer.released?.(1, 40);
    observer.connectionReady?.(1, 12);
    otel.observePool("main", () => ({ idle: 3, inUse: 2, waiting: 4, max: 10, min: 1 }));

    const found = await sdk.read();
    const server = {
      "db.system.name": "postgresql",
      "db.namespace": "shop",
      "server.address": "db.example",
      "server.port": 5432,
    };
    const pool = { ...server, "db.client.connection.pool.name": "main" };
    const units = Object.fromEntries([...found].map(([name, { unit }]) => [name, unit]));
    expect(units).toEqual({
      "db.client.operation.duration": "s",
      "db.client.response.returned_rows": "{row}",
      "db.client.connection.wait_time": "s",
      "db.client.connection.use_time": "s",
      "db.client.connection.create_time": "s",
      "db.client.connection.timeouts": "{timeout}",
      "db.client.connection.count": "{connection}",
      "db.client.connection.pending_requests": "{request}",
      "db.client.connection.max": "{connection}",
      "db.client.connection.idle.min": "{connection}",
    });
    const query = { ...server, "db.operation.name": "SELECT", "db.collection.name": "users" };
    expect(found.get("db.client.operation.duration")!.points).toMatchObject([
      { attributes: query, value: { count: 1, sum: 0.03 } },
      { attributes: { ...query, "error.type": "FORMDB_TIMEOUT" }, value: { count: 1, sum: 0.9 } },
    ]);
    expect(found.get("db.client.response.returned_rows")!.points).toMatchObject([
      { attributes: query, value: { sum: 7 } },
    ]);
    expect(found.get("db.client.connection.wait_time")!.points).toMatchObject([
      { attributes: pool, value: { sum: 0.002 } },
    ]);
    expect(found.get("db.client.connection.use_time")!.points).toMatchObject([
      { attributes: pool, value: { sum: 0.04 } },
    ]);
    expect(found.get("db.client.connection.create_time")!.points).toMatchObject([{ value: { sum: 0.012 } }]);
    expect(found.get("db.client.connection.timeouts")!.points).toMatchObject([
      { attributes: pool, value: 1 },
    ]);
    expect(found.get("db.client.connection.count")!.points).toMatchObject([
      { attributes: { ...pool, "db.client.connection.state": "idle" }, value: 3 },
      { attributes: { ...pool, "db.client.connection.state": "used" }, value: 2 },
    ]);
    expect(found.get("db.client.connection.pending_requests")!.points).toMatchObject([{ value: 4 }]);
    expect(found.get("db.client.connection.max")!.points).toMatchObject([{ value: 10 }]);
  });

  test("tell sub-millisecond durations apart, or by buckets of one's own", async () => {
    const sdk = meterSdk();
    const fine = await openTelemetry({ meterProvider: sdk.provider, spans: false });
    fine.observer.queryFinished?.(endedQuery({ totalMs: 0.03 }));
    const [point] = (await sdk.read()).get("db.client.operation.duration")!.points;
    const { boundaries, counts } = (point as HistogramMetricData["dataPoints"][number]).value.buckets;
    expect(boundaries[counts.indexOf(1)]).toBe(0.00005);

    const own = meterSdk();
    const coarse = await openTelemetry({ meterProvider: own.provider, spans: false, buckets: [1, 2] });
    coarse.observer.queryFinished?.(endedQuery({ totalMs: 0.03 }));
    const [other] = (await own.read()).get("db.client.operation.duration")!.points;
    expect((other as HistogramMetricData["dataPoints"][number]).value.buckets.boundaries).toEqual([1, 2]);
  });

  test("don't take names of collections from callers that ask for what is not there", async () => {
    const sdk = meterSdk();
    const { observer } = await openTelemetry({ meterProvider: sdk.provider, spans: false });
    observer.queryFinished?.(
      endedQuery({
        operation: "select",
        collection: "invented",
        code: "FORMDB_UNKNOWN_COLLECTION",
        totalMs: 1,
        rows: 0,
      }),
    );
    const [point] = (await sdk.read()).get("db.client.operation.duration")!.points;
    expect(point!.attributes).not.toHaveProperty("db.collection.name");
  });

  test("count what a database does, and stop reading pools when told so", async () => {
    const sdk = meterSdk();
    const otel = await openTelemetry({ meterProvider: sdk.provider, spans: false, system: "sqlite" });
    const db = await open("sqlite::memory:", { observer: otel.observer });
    stops.push(() => db.close());
    otel.observePool("main", () => db.pool.stats());
    await db.batchInsert("users", [{ id: "1" }, { id: "2" }, { id: "3" }]);
    await db.query("SELECT * FROM users");
    await db.query("SELECT * FROM users");
    const found = await sdk.read();
    const rows = found.get("db.client.response.returned_rows")!.points;
    expect(rows).toMatchObject([{ value: { count: 2, sum: 6 } }]);
    const applied = { "db.operation.name": "INSERT", "formdb.batch.outcome": "applied" };
    expect(found.get("formdb.batch.operations")!.points).toMatchObject([{ attributes: applied, value: 3 }]);
    expect(found.get("formdb.batch.flush.size")!.points).toMatchObject([{ value: { sum: 3 } }]);
    const lookups = found.get("formdb.cache.lookups")!.points;
    expect(lookups.map(({ attributes, value }) => [attributes["formdb.cache.result"], value])).toEqual([
      ["miss", 1],
      ["hit", 1],
    ]);
    const count = found.get("db.client.connection.count")!.points;
    expect(count.map(({ value }) => value)).toEqual([db.pool.stats().idle, db.pool.stats().inUse]);
    let reads = 0;
    otel.observePool("counted", () => {
      reads++;
      return { idle: 5, inUse: 6, waiting: 0 };
    });
    const both = (await sdk.read()).get("db.client.connection.count")!.points;
    expect(both.map(({ value }) => value)).toEqual([...count.map(({ value }) => value), 5, 6]);
    expect(reads).toBeGreaterThan(0);
    const before = reads;
    otel.stop();
    await sdk.read();
    expect(reads).toBe(before);
  });
});

describe("OpenTelemetry spans", () => {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  const tracer = provider.getTracer("application");

  beforeAll(() => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  });
  afterAll(async () => {
    context.disable();
    await provider.shutdown();
  });
  beforeEach(() => exporter.reset());

  function finished(): Map<string, ReadableSpan> {
    return new Map(exporter.getFinishedSpans().map((span) => [span.name, span]));
  }

  test("of a query lie under the caller's, with the conventions' attributes and no literals", async () => {
    const otel = await openTelemetry({ tracerProvider: provider, namespace: "shop" });
    stops.push(() => otel.stop());
    const db = await open("sqlite::memory:", { observer: otel.observer });
    stops.push(() => db.close());
    await db.batchInsert("users", [
      { id: "1", age: 4 },
      { id: "2", age: 5 },
    ]);
    await tracer.startActiveSpan("request", async (span) => {
      await db.query("SELECT * FROM users WHERE age = 4");
      span.end();
    });
    const spans = finished();
    const query = spans.get("SELECT users")!;
    expect(query.parentSpanContext?.spanId).toBe(spans.get("request")!.spanContext().spanId);
    expect(query.attributes).toEqual({
      "db.system.name": "sqlite",
      "db.namespace": "shop",
      "db.operation.name": "SELECT",
      "db.collection.name": "users",
      "db.query.summary": "SELECT users",
      "db.query.text": "SELECT * FROM users WHERE age = #0",
      "db.response.returned_rows": 1,
    });
    expect(query.kind).toBe(2);
    expect(spans.get("BATCH INSERT users")!.attributes).toMatchObject({ "db.operation.batch.size": 2 });
  });

  test("of a failure say its code and SQLSTATE, never its message", async () => {
    const otel = await openTelemetry({ tracerProvider: provider });
    stops.push(() => otel.stop());
    const work = async (): Promise<never> => {
      throw new FormDBError("FORMDB_CONSTRAINT", "the value secret is there", {
        details: { sqlstate: "23505" },
      });
    };
    const describeIt = () => ({ operation: "insert", collection: "users", shape: "INSERT", system: "citus" });
    await expect(traced(channels.query, describeIt, work)).rejects.toThrow("secret");
    const span = finished().get("INSERT users")!;
    expect(span.attributes).toMatchObject({
      "db.system.name": "postgresql",
      "error.type": "FORMDB_CONSTRAINT",
      "db.response.status_code": "23505",
    });
    expect(span.status).toEqual({ code: 2, message: "FORMDB_CONSTRAINT" });
    expect(JSON.stringify([span.attributes, span.events, span.status])).not.toContain("secret");
  });

  test("of a wait for a connection lie within the query's, and spans of the application keep their place", async () => {
    const otel = await openTelemetry({ tracerProvider: provider });
    stops.push(() => otel.stop());
    const acquire = (pool: string): Promise<number> =>
      traced(
        channels.poolAcquire,
        () => ({ pool }),
        async () => 1,
      );
    const describeIt = () => ({ operation: "transaction", collection: "", shape: "", system: "sqlite" });
    await traced(channels.query, describeIt, async () => {
      await acquire("main");
      await tracer.startActiveSpan("own", async (span) => {
        await acquire("writer");
        span.end();
      });
    });
    const spans = finished();
    const parentOf = (name: string): string | undefined => spans.get(name)!.parentSpanContext?.spanId;
    expect(parentOf("pool.acquire main")).toBe(spans.get("TRANSACTION")!.spanContext().spanId);
    expect(parentOf("pool.acquire writer")).toBe(spans.get("own")!.spanContext().spanId);
  });

  test("side by side don't take each other for parents", async () => {
    const otel = await openTelemetry({ tracerProvider: provider, queryText: false });
    stops.push(() => otel.stop());
    const one = (collection: string): Promise<void> =>
      traced(
        channels.query,
        () => ({ operation: "get", collection, shape: "GET", system: "sqlite" }),
        async () => {
          await Promise.resolve();
          await traced(
            channels.poolAcquire,
            () => ({ pool: collection }),
            async () => {},
          );
        },
      );
    await Promise.all([one("a"), one("b")]);
    const spans = finished();
    for (const name of ["a", "b"]) {
      expect(spans.get(`GET ${name}`)!.parentSpanContext).toBeUndefined();
      expect(spans.get(`GET ${name}`)!.attributes).not.toHaveProperty("db.query.text");
      const wait = spans.get(`pool.acquire ${name}`)!;
      expect(wait.parentSpanContext?.spanId).toBe(spans.get(`GET ${name}`)!.spanContext().spanId);
    }
  });

  test("that a tracer fails to make or to end change nothing for the query, nor for the process", async () => {
    const uncaught: unknown[] = [];
    const note = (error: unknown): unknown => uncaught.push(error);
    process.on("uncaughtException", note);
    stops.push(() => process.off("uncaughtException", note));
    const fail = (): never => {
      throw new Error("tracer");
    };
    const failing = [
      { startSpan: fail },
      { startSpan: () => ({ spanContext: fail, setAttribute: fail, setStatus: fail, end: fail }) },
    ];
    for (const broken of failing) {
      const otel = await openTelemetry({ tracerProvider: { getTracer: () => broken } });
      stops.push(() => otel.stop());
      const describeIt = () => ({ operation: "get", collection: "users", shape: "", system: "sqlite" });
      expect(await traced(channels.query, describeIt, async () => ({ rowCount: 3 }))).toEqual({
        rowCount: 3,
      });
    }
    await new Promise((resolve) => setImmediate(resolve));
    expect(uncaught).toEqual([]);
  });

  test("end with the adapter: then channels have no subscribers and cost nothing", async () => {
    const otel = await openTelemetry({ tracerProvider: provider });
    expect(channels.query.hasSubscribers).toBe(true);
    otel.stop();
    otel.stop();
    expect(channels.query.hasSubscribers).toBe(false);
    await traced(
      channels.query,
      () => ({ operation: "get", collection: "", shape: "", system: "" }),
      async () => 1,
    );
    expect(exporter.getFinishedSpans()).toEqual([]);
  });

  test("give exemplars their trace, where they are sampled", async () => {
    const metrics = new Metrics();
    stops.push(await exemplarsFromActiveSpan(metrics));
    metrics.recordQuery(3, { operation: "get" });
    await tracer.startActiveSpan("request", async (span) => {
      metrics.recordQuery(7, { operation: "select" });
      span.end();
    });
    const unsampled = { traceId: "1".repeat(32), spanId: "2".repeat(16), traceFlags: 0 };
    context.with(trace.setSpanContext(context.active(), unsampled), () =>
      metrics.recordQuery(900, { operation: "insert" }),
    );
    const family = parseExposition(metrics.export("openmetrics"), "openmetrics").get(
      "formdb_query_duration_seconds",
    )!;
    const { traceId, spanId } = finished().get("request")!.spanContext();
    expect(family.samples.flatMap(({ exemplar }) => exemplar ?? [])).toMatchObject([
      { labels: { trace_id: traceId, span_id: spanId }, value: 0.007 },
    ]);
  });
});

describe("The OpenTelemetry adapter", () => {
  test("takes the providers that are registered globally", async () => {
    const sdk = meterSdk();
    otelMetrics.setGlobalMeterProvider(sdk.provider);
    stops.push(() => otelMetrics.disable());
    const otel = await openTelemetry({ spans: false });
    otel.observer.connectionReady?.(1, 5);
    expect((await sdk.read()).get("db.client.connection.create_time")!.points).toHaveLength(1);
  });

  test("does nothing and breaks nothing without an SDK", async () => {
    const otel = await openTelemetry();
    stops.push(() => otel.stop());
    const db = await open("sqlite::memory:", { observer: otel.observer });
    stops.push(() => db.close());
    await db.batchInsert("users", [{ id: "1" }]);
    expect((await db.query("SELECT * FROM users")).rowCount).toBe(1);
  });

  test("refuses options that it has not, by name", async () => {
    await expect(openTelemetry({ sytem: "sqlite" } as never)).rejects.toThrow('no option "sytem"');
    await expect(openTelemetry({ buckets: [2, 1] })).rejects.toThrow("db.client.operation.duration");
  });
});
