import { metrics as otelApi } from "@opentelemetry/api";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { Counter as PromCounter, Histogram as PromHistogram, Registry } from "prom-client";
import { DURATION_BUCKETS } from "../src/metrics/definitions.ts";
import { Metrics } from "../src/metrics/metrics.ts";
import { type Contender, compare } from "./harness/compare.ts";
import { report } from "./harness/report.ts";

// What recording costs: a counter and a histogram with one label set, by the fastest way that each offers,
// and one query with a label object.

const CALLS = 10_000;

/** Latencies as they come: spread over four orders of magnitude, so that no branch can be foretold. */
const seconds = Float64Array.from({ length: CALLS }, (_, i) => 10 ** (-5 + 4 * ((i * 0.618034) % 1)));

const ours = new Metrics({ prefix: "bench" });
const ourCounter = ours.counter("writes_total", "Writes.", ["kind"]).labels({ kind: "insert" });
const ourHistogram = ours
  .histogram("write_seconds", "Write time.", DURATION_BUCKETS, ["kind"])
  .labels({ kind: "insert" });

const registry = new Registry();
const promCounters = new PromCounter({
  name: "writes_total",
  help: "Writes.",
  labelNames: ["kind"],
  registers: [registry],
});
const promCounter = promCounters.labels({ kind: "insert" });
const promHistogram = new PromHistogram({
  name: "write_seconds",
  help: "Write time.",
  labelNames: ["kind"],
  buckets: [...DURATION_BUCKETS],
  registers: [registry],
}).labels({ kind: "insert" });
const promQueries = new PromHistogram({
  name: "query_seconds",
  help: "Query time.",
  labelNames: ["operation", "collection"],
  buckets: [...DURATION_BUCKETS],
  registers: [registry],
});
const promTotal = new PromCounter({ name: "query_total", help: "Queries.", registers: [registry] });

const provider = new MeterProvider({
  readers: [
    new PeriodicExportingMetricReader({
      exporter: new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE),
      exportIntervalMillis: 3_600_000,
    }),
  ],
});
otelApi.setGlobalMeterProvider(provider);
const meter = otelApi.getMeter("bench");
const otelCounter = meter.createCounter("writes");
const otelTotal = meter.createCounter("queries");
const advice = { advice: { explicitBucketBoundaries: [...DURATION_BUCKETS] } };
const otelHistogram = meter.createHistogram("write.duration", advice);
const otelQueries = meter.createHistogram("query.duration", advice);
const attributes = { kind: "insert" };

function contender(name: string, call: (i: number) => void): Contender {
  return {
    name,
    operations: CALLS,
    run: () => {
      for (let i = 0; i < CALLS; i++) call(i);
    },
  };
}

report(
  "A counter with one label, handle made beforehand",
  await compare([
    {
      name: "formdb",
      operations: CALLS,
      run: () => {
        for (let i = 0; i < CALLS; i++) ourCounter.inc();
      },
    },
    {
      name: "prom-client",
      operations: CALLS,
      run: () => {
        for (let i = 0; i < CALLS; i++) promCounter.inc();
      },
    },
    {
      name: "OpenTelemetry",
      operations: CALLS,
      run: () => {
        for (let i = 0; i < CALLS; i++) otelCounter.add(1, attributes);
      },
    },
  ]),
);

report(
  "A histogram with one label, handle made beforehand",
  await compare([
    {
      name: "formdb",
      operations: CALLS,
      run: () => {
        for (let i = 0; i < CALLS; i++) ourHistogram.observe(seconds[i]!);
      },
    },
    {
      name: "prom-client",
      operations: CALLS,
      run: () => {
        for (let i = 0; i < CALLS; i++) promHistogram.observe(seconds[i]!);
      },
    },
    {
      name: "OpenTelemetry",
      operations: CALLS,
      run: () => {
        for (let i = 0; i < CALLS; i++) otelHistogram.record(seconds[i]!, attributes);
      },
    },
  ]),
);

// Ours counts the query four times over (total, last latency, by operation, duration); the others twice.
report(
  "A query with a label object",
  await compare([
    contender("formdb", (i) =>
      ours.recordQuery(seconds[i]! * 1_000, { operation: "select", collection: "users" }),
    ),
    contender("prom-client", (i) => {
      promTotal.inc();
      promQueries.observe({ operation: "select", collection: "users" }, seconds[i]!);
    }),
    contender("OpenTelemetry", (i) => {
      otelTotal.add(1);
      otelQueries.record(seconds[i]!, { operation: "select", collection: "users" });
    }),
  ]),
);
await provider.shutdown();
