import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BATCH_EVENTS,
  CACHE_EVENTS,
  guardObservers,
  type Observer,
  POOL_EVENTS,
  QUERY_EVENTS,
} from "../../src/base/observer.ts";
import { outcomeOf } from "../../src/metrics/deferred/ended-queries.ts";
import { type HistogramName, METRIC_DEFINITIONS } from "../../src/metrics/definitions.ts";
import { Metrics, storeOf } from "../../src/metrics/metrics.ts";
import { PEAK_WINDOW_MS } from "../../src/metrics/peak.ts";
import { poolRecorder } from "../../src/metrics/pool-recorder.ts";
import { recorder } from "../../src/metrics/recorder.ts";
import { SlowLog } from "../../src/metrics/slow-log.ts";
import { TopStatements } from "../../src/metrics/top-statements.ts";
import { endedQuery } from "../support/ended-query.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { parseExposition } from "./exposition-parser.ts";

const ALL = [...CACHE_EVENTS, ...POOL_EVENTS, ...BATCH_EVENTS, ...QUERY_EVENTS] as (keyof Observer)[];

const lines = (metrics: Metrics): string[] => metrics.exportPrometheus().split("\n");

describe("The recorder", () => {
  test("has a method for every event, and works through the parts' guard", () => {
    const metrics = new Metrics();
    const observer = recorder(metrics);
    for (const event of ALL) expect(observer[event], event).toBeTypeOf("function");
    const guarded = guardObservers<Observer>(ALL, [observer]);
    guarded.hit();
    expect(lines(metrics)).toContain("formdb_cache_hits_total 1");
  });

  test("turns what a query reports into its count, duration, phases and rows", () => {
    const metrics = new Metrics();
    const observer = recorder(metrics);
    observer.queryStarted("select", "users");
    observer.queryStarted("select", "users");
    expect(lines(metrics)).toContain("formdb_queries_in_flight 2");
    observer.queryFinished(
      endedQuery({ operation: "select", totalMs: 10, waitMs: 2, databaseMs: 5, decodeMs: 1, rows: 30 }),
    );
    observer.queryFinished(
      endedQuery({ operation: "select", code: "FORMDB_TIMEOUT", totalMs: 900, waitMs: 900, rows: 0 }),
    );
    expect(lines(metrics)).toEqual(
      expect.arrayContaining([
        "formdb_queries_in_flight 0",
        "formdb_query_total 2",
        "formdb_errors_total 0",
        'formdb_queries_by_operation_total{operation="select",outcome="ok"} 1',
        'formdb_queries_by_operation_total{operation="select",outcome="timeout"} 1',
        'formdb_query_duration_seconds_sum{operation="select",collection="users",outcome="ok"} 0.01',
        'formdb_query_phase_duration_seconds_sum{phase="pool_wait"} 0.902',
        'formdb_query_phase_duration_seconds_sum{phase="database"} 0.005',
        'formdb_query_phase_duration_seconds_sum{phase="decode"} 0.001',
        'formdb_query_phase_duration_seconds_sum{phase="other"} 0.002',
        'formdb_query_rows_sum{operation="select"} 30',
        'formdb_query_rows_count{operation="select"} 1',
      ]),
    );
  });

  test("makes no label of a collection that a caller only asked for", () => {
    const metrics = new Metrics();
    const observer = recorder(metrics);
    for (let i = 0; i < 100; i++) {
      observer.queryFinished(
        endedQuery({
          operation: "select",
          collection: `guess_${i}`,
          code: "FORMDB_UNKNOWN_COLLECTION",
          totalMs: 1,
          rows: 0,
        }),
      );
    }
    const text = metrics.exportPrometheus();
    expect(text).not.toContain("guess_");
    expect(text).toContain(
      'formdb_query_duration_seconds_count{operation="select",collection="",outcome="error"} 100',
    );
  });

  test.each([
    ["", "ok"],
    ["FORMDB_TIMEOUT", "timeout"],
    ["FORMDB_POOL_TIMEOUT", "timeout"],
    ["FORMDB_ABORTED", "aborted"],
    ["FORMDB_ENGINE", "error"],
  ])("calls the code %j %s", (code, outcome) => {
    expect(outcomeOf(code)).toBe(outcome);
  });

  test("counts what the cache, the batches and errors report", () => {
    const metrics = new Metrics();
    const observer = recorder(metrics);
    observer.hit();
    observer.miss("expired");
    observer.removed("oversized");
    observer.compiled(0.5);
    observer.saved(500);
    observer.saved(250);
    observer.queued("insert", 100);
    observer.flushStarted("size", 100, 5_000, 12);
    expect(lines(metrics)).toContain("formdb_batch_flushes_in_flight 1");
    observer.settled("insert", "applied");
    observer.settled("insert", "rejected");
    observer.settled("delete", "unknown");
    observer.retried(3, 1);
    observer.bisected(2);
    observer.flushFinished(100, 20);
    observer.errorReported("FORMDB_BUSY", "55P03");
    observer.failed("FORMDB_CONSTRAINT", "23514");
    observer.unawaited(1);
    expect(lines(metrics)).toEqual(
      expect.arrayContaining([
        "formdb_cache_hits_total 1",
        'formdb_cache_misses_by_reason_total{reason="expired"} 1',
        'formdb_cache_removals_total{reason="oversized"} 1',
        "formdb_cache_compile_duration_seconds_sum 0.0005",
        "formdb_cache_saved_seconds_total 0.75",
        'formdb_batch_flushes_total{reason="size"} 1',
        "formdb_batch_flush_rows_sum 100",
        "formdb_batch_flush_bytes_sum 5000",
        "formdb_batch_wait_seconds_sum 0.012",
        "formdb_batch_flush_duration_seconds_sum 0.02",
        "formdb_batch_flushes_in_flight 0",
        'formdb_batch_operations_total{kind="insert",outcome="applied"} 1',
        'formdb_batch_operations_total{kind="insert",outcome="rejected"} 1',
        'formdb_batch_operations_total{kind="delete",outcome="unknown"} 1',
        "formdb_batch_retries_total 1",
        "formdb_batch_bisections_total 1",
        'formdb_errors_by_code_total{code="FORMDB_BUSY"} 1',
        'formdb_errors_by_sqlstate_class_total{sqlstate_class="55"} 1',
        "formdb_errors_unhandled_total 1",
      ]),
    );
  });

  test("counts what a pool reports, under its name", () => {
    const metrics = new Metrics();
    const observer = recorder(metrics, { pool: "read" });
    const writer = poolRecorder(metrics, "write");
    expect(lines(metrics)).toContain('formdb_pool_acquire_failures_total{pool="write",reason="queueFull"} 0');
    observer.connectionCreated(1);
    observer.connectionReady(1, 40);
    observer.acquireStarted();
    observer.acquired(1, 5);
    observer.released(1, 30);
    observer.acquireStarted();
    observer.acquireFailed("timeout", 5_000);
    observer.connectionClosed(1, "lifetime");
    observer.cleared();
    observer.paused();
    writer.acquireStarted();
    writer.acquireFailed("queueFull", 0);
    expect(lines(metrics)).toEqual(
      expect.arrayContaining([
        'formdb_pool_connections_opened_total{pool="read"} 1',
        'formdb_pool_connect_seconds_sum{pool="read"} 0.04',
        'formdb_pool_wait_seconds_sum{pool="read"} 5.005',
        'formdb_pool_wait_seconds_count{pool="read"} 2',
        'formdb_pool_hold_seconds_sum{pool="read"} 0.03',
        'formdb_pool_acquire_failures_total{pool="read",reason="timeout"} 1',
        'formdb_pool_connections_closed_total{pool="read",reason="lifetime"} 1',
        'formdb_pool_invalidations_total{pool="read"} 1',
        'formdb_pool_paused{pool="read"} 1',
        'formdb_pool_paused{pool="write"} 0',
        'formdb_pool_acquire_failures_total{pool="write",reason="queueFull"} 1',
      ]),
    );
    observer.resumed();
    expect(lines(metrics)).toContain('formdb_pool_paused{pool="read"} 0');
  });

  test("shows peaks that came and went between two scrapes, for at least a minute", async () => {
    const clock = new ManualClock();
    const metrics = new Metrics({ clock });
    const observer = recorder(metrics);
    const peaks = (): (string | undefined)[] =>
      ["in_use", "waiting"].map(
        (what) =>
          lines(metrics)
            .find((line) => line.startsWith(`formdb_pool_peak_${what}{pool="main"}`))
            ?.split(" ")[1],
      );
    // Three callers in a row that are served at once never wait.
    for (let id = 1; id <= 3; id++) {
      observer.acquireStarted();
      observer.acquired(id, 0);
    }
    expect(peaks()).toEqual(["3", "0"]);
    for (let i = 0; i < 4; i++) observer.acquireStarted();
    for (let id = 1; id <= 3; id++) observer.released(id, 1);
    for (let id = 1; id <= 3; id++) {
      observer.acquired(id, 10);
      observer.released(id, 1);
    }
    observer.acquireFailed("timeout", 5_000);
    await clock.advance(PEAK_WINDOW_MS / 2);
    expect(peaks()).toEqual(["3", "4"]);
    expect(peaks()).toEqual(["3", "4"]);
    await clock.advance(PEAK_WINDOW_MS / 2);
    expect(peaks()).toEqual(["3", "4"]);
    await clock.advance(PEAK_WINDOW_MS);
    expect(peaks()).toEqual(["0", "0"]);
  });

  test("feeds the top statements and the slow-query log", () => {
    const metrics = new Metrics();
    const statements = new TopStatements();
    const written: string[] = [];
    const slowLog = new SlowLog({
      thresholdMs: 100,
      maxPerSecond: 1,
      clock: new ManualClock(),
      write: ({ shape }) => written.push(shape),
    });
    const observer = recorder(metrics, { statements, slowLog });
    observer.queryFinished(endedQuery({ operation: "select", totalMs: 99, rows: 5, shape: "quick" }));
    observer.queryFinished(endedQuery({ operation: "select", totalMs: 100, rows: 5, shape: "slow" }));
    observer.queryFinished(
      endedQuery({ operation: "select", code: "FORMDB_ENGINE", totalMs: 200, rows: 0, shape: "slow" }),
    );
    expect(statements.list().map(({ shape, calls, errors }) => [shape, calls, errors])).toEqual([
      ["slow", 2, 1],
      ["quick", 1, 0],
    ]);
    expect(written).toEqual(["slow"]);
    expect(lines(metrics)).toEqual(
      expect.arrayContaining(["formdb_slow_queries_total 2", "formdb_slow_queries_suppressed_total 1"]),
    );
  });

  test("fills every metric of the catalogue that is not read from a part", () => {
    const metrics = new Metrics();
    const observer = recorder(metrics, {
      slowLog: new SlowLog({ thresholdMs: 0, maxPerSecond: 1, write: () => {}, clock: new ManualClock() }),
    });
    for (let i = 0; i < 3; i++) observer.queryStarted("get", "a");
    for (let i = 0; i < 2; i++)
      observer.queryFinished(
        endedQuery({ collection: "a", totalMs: 3, waitMs: 1, databaseMs: 1, decodeMs: 0.5 }),
      );
    observer.readsMerged(3);
    observer.hit();
    observer.miss("cold");
    observer.removed("evicted");
    observer.compiled(1);
    observer.saved(1);
    observer.flushStarted("eager", 1, 1, 1);
    observer.flushFinished(1, 1);
    observer.flushStarted("eager", 1, 1, 1);
    observer.settled("insert", "applied");
    observer.retried(1, 1);
    observer.bisected(1);
    observer.acquireStarted();
    observer.acquireStarted();
    observer.acquired(1, 1);
    observer.acquireFailed("timeout", 1);
    observer.released(1, 1);
    observer.acquired(1, 1);
    observer.connectionReady(1, 1);
    observer.connectionClosed(1, "idle");
    observer.cleared();
    observer.paused();
    observer.errorReported("FORMDB_BUSY", "55P03");
    observer.failed("FORMDB_CONSTRAINT", "23514");
    observer.unawaited(1);
    metrics.observePool("main", () => ({
      idle: 1,
      inUse: 1,
      waiting: 1,
      pending: 1,
      min: 1,
      max: 9,
      oldestWaitMs: 1,
    }));
    metrics.observeCache(() => ({ size: 1, maxSize: 9, bytes: 1, maxBytes: 9, hitRateAtDoubleSize: 1 }));
    metrics.observeBatch(() => ({ queued: 1, queuedBytes: 1, oldestMs: 1 }));
    const families = parseExposition(metrics.exportPrometheus(), "prometheus");
    const untouched = METRIC_DEFINITIONS.filter(
      ({ name, onDemand }) =>
        onDemand !== true && families.get(`formdb_${name}`)!.samples.every(({ value }) => value === 0),
    ).map(({ name }) => name);
    expect(untouched).toEqual([
      "metrics_label_overflows_total",
      "metrics_ignored_values_total",
      "metrics_collect_errors_total",
    ]);
    expect(families.size).toBe(METRIC_DEFINITIONS.filter(({ onDemand }) => onDemand !== true).length);
  });

  describe("lets nobody see queries that are not counted yet", () => {
    const metrics = new Metrics();
    const statements = new TopStatements();
    const observer = recorder(metrics, { statements });
    // Handles that are there before: a reader need not go by the metric's name.
    const total = storeOf(metrics).counter("query_total").labels();
    const latency = storeOf(metrics).gauge("query_latency_ms").labels();
    const rows = storeOf(metrics).histogram("query_rows").labels({ operation: "get" });
    const durations = storeOf(metrics).histogram("query_duration_seconds");
    const readings: Record<string, () => unknown> = {
      "a counter": () => total.value,
      "a gauge": () => latency.value,
      "a histogram's counts": () => rows.counts.reduce((a, b) => a + b),
      "a histogram's count": () => rows.count,
      "a histogram's sum": () => rows.sum / 3,
      "a histogram's maximum": () => rows.max,
      "a metric's series": () =>
        durations.series.find(({ labelValues }) => labelValues[1] === "users")?.count,
      "an export": () => Number(/^formdb_query_total (.*)$/m.exec(metrics.exportPrometheus())?.[1]),
      "the summary": () => metrics.summary().queries.total,
      "a snapshot": () =>
        metrics.snapshot().families.find(({ name }) => name === "formdb_query_total")!.series[0]!.value,
      "the top statements": () => statements.list()[0]?.calls,
    };
    test.each(Object.entries(readings))("who asks %s", (_, read) => {
      metrics.reset();
      statements.reset();
      for (let ms = 1; ms <= 3; ms++)
        observer.queryFinished(endedQuery({ totalMs: ms, databaseMs: ms, rows: 3 }));
      expect(read()).toBe(3);
    });

    test("not even once they are forgotten", () => {
      observer.queryFinished(endedQuery({ totalMs: 1, databaseMs: 1, rows: 3 }));
      metrics.reset();
      statements.reset();
      expect(total.value).toBe(0);
      expect(statements.list()).toEqual([]);
    });
  });

  test("counts the same, in whatever order queries come and however often it is asked", () => {
    const query = fc.record({
      operation: fc.constantFrom("get", "select", "delete" as const),
      collection: fc.constantFrom("users", "cities"),
      code: fc.constantFrom("", "", "", "FORMDB_TIMEOUT", "FORMDB_SYNTAX"),
      shape: fc.constantFrom("a", "b", ""),
      ms: fc.constantFrom(0, 0.25, 1, 64, NaN, -1),
      read: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(query, { maxLength: 300 }), fc.boolean(), (queries, exemplars) => {
        const metrics = new Metrics();
        const statements = new TopStatements();
        const slowLog = new SlowLog({ thresholdMs: 64, write: () => {} });
        const observer = recorder(metrics, { statements, slowLog });
        if (exemplars) metrics.exemplarsFrom(() => ({ trace_id: "x" }));
        for (const { operation, collection, code, shape, ms, read } of queries) {
          const rows = code === "" ? 2 : 0;
          observer.queryFinished(
            endedQuery({
              operation: operation as "get",
              collection,
              code,
              totalMs: ms,
              databaseMs: ms,
              rows,
              shape,
            }),
          );
          if (read) storeOf(metrics).counter("query_total").value;
        }
        const valid = queries.filter(({ ms }) => ms >= 0);
        const ok = queries.filter(({ code }) => code === "");
        const sumOf = (name: HistogramName): number =>
          storeOf(metrics)
            .histogram(name)
            .series.reduce((total, { counts }) => total + counts.reduce((a, b) => a + b), 0);
        expect(storeOf(metrics).counter("query_total").value).toBe(queries.length);
        expect(storeOf(metrics).gauge("query_latency_ms").value).toBe(valid.at(-1)?.ms ?? 0);
        expect(sumOf("query_duration_seconds")).toBe(valid.length);
        expect(sumOf("query_rows")).toBe(ok.length);
        expect(storeOf(metrics).counter("slow_queries_total").value).toBe(
          queries.filter(({ ms }) => ms >= 64).length,
        );
        for (const { shape, calls, errors, totalMs } of statements.list()) {
          const own = queries.filter((one) => one.shape === shape);
          expect(calls).toBe(own.length);
          expect(errors).toBe(own.filter(({ code }) => code !== "").length);
          expect(totalMs).toBe(
            own.reduce((total, { ms }) => total + (Number.isNaN(ms) ? 0 : Math.max(0, ms)), 0),
          );
        }
      }),
      { numRuns: 200 },
    );
  });

  test("never throws, whatever the parts say: it is called without a guard", () => {
    const metrics = new Metrics({ maxLabelSets: 3 });
    metrics.exemplarsFrom(() => {
      throw new Error("no trace");
    });
    const observer = recorder(metrics, {
      statements: new TopStatements({ slots: 2 }),
      slowLog: new SlowLog({
        thresholdMs: 0,
        write: () => {
          throw new Error("disk full");
        },
      }),
    }) as unknown as Record<string, (...values: unknown[]) => void>;
    const text = fc.string({ unit: "binary" });
    const amount = fc.double();
    const ended = {
      ...{ operation: text, collection: text, code: text, shape: text },
      ...{ totalMs: amount, waitMs: amount, databaseMs: amount, decodeMs: amount, rows: amount },
      ...{ cacheHit: fc.boolean(), parameters: fc.anything() },
    };
    const types: Partial<Record<keyof Observer, readonly fc.Arbitrary<unknown>[]>> = {
      miss: [text],
      removed: [text],
      compiled: [amount],
      saved: [amount],
      connectionCreated: [amount],
      connectionReady: [amount, amount],
      connectionClosed: [amount, text],
      acquired: [amount, amount],
      acquireFailed: [text, amount],
      released: [amount, amount],
      queued: [text, amount],
      flushStarted: [text, amount, amount, amount],
      flushFinished: [amount, amount],
      settled: [text, text],
      retried: [amount, amount],
      bisected: [amount],
      queryStarted: [text, text],
      queryFinished: [fc.record(ended)],
      groupFinished: [fc.record({ ...ended, queueMs: amount })],
      errorReported: [text, text],
      failed: [text, text],
      unawaited: [amount],
    };
    const call = fc
      .constantFrom(...ALL)
      .chain((event) => fc.tuple(fc.constant(event), fc.tuple(...(types[event] ?? []))));
    fc.assert(
      fc.property(call, ([event, values]) => observer[event]!(...values)),
      { numRuns: 2_000 },
    );
    metrics.exportPrometheus();
  });

  test("makes no objects while it records", () => {
    const metrics = new Metrics();
    const observer = recorder(metrics, { statements: new TopStatements() });
    // The query's own object, which the engine has made by then.
    const query = endedQuery({ totalMs: 1.5, waitMs: 0.25, databaseMs: 1, decodeMs: 0.125 });
    const record = (times: number): void => {
      for (let i = 0; i < times; i++) {
        observer.queryStarted("get", "users");
        observer.acquireStarted();
        observer.acquired(1, 0.25);
        observer.released(1, 0.5);
        observer.hit();
        observer.settled("insert", "applied");
        observer.queryFinished(query);
      }
    };
    record(100_000);
    const perRound = Array.from({ length: 21 }, () => {
      const before = process.memoryUsage().heapUsed;
      record(1_000);
      return (process.memoryUsage().heapUsed - before) / 1_000;
    }).toSorted((a, b) => a - b);
    // The engine may box a few of the numbers that are handed on: 16 bytes each. Seven label objects would
    // be several times as much.
    expect(perRound[10]).toBeLessThan(130);
  });
});
