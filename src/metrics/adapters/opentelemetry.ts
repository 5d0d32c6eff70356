import { FormDBError } from "../../base/errors.ts";
import type { Observer, PoolObserver } from "../../base/observer.ts";
import { boolean, checkOptions, integer, object, string } from "../../base/options.ts";
import { checkBounds } from "../bucket-index.ts";
import type { ExemplarLabels } from "../exemplar.ts";
import type { Metrics } from "../metrics.ts";
import type { PoolSource } from "../sources.ts";
import {
  FLAG_SAMPLED,
  type OtelApi,
  type OtelAttributes,
  type OtelMeterProvider,
  type OtelTracerProvider,
  SCOPE,
} from "./opentelemetry-api.ts";
import { OtelPools, otelObserver, otelPoolObserver } from "./opentelemetry-metrics.ts";
import { otelSpans, systemName } from "./opentelemetry-spans.ts";

/** Where spans and metrics go. */
export interface OpenTelemetryOptions {
  /** Default: the one that is registered globally when this is called. */
  readonly meterProvider?: OtelMeterProvider | undefined;
  /** Default: the one that is registered globally. */
  readonly tracerProvider?: OtelTracerProvider | undefined;
  /** Whether spans are made; default true. */
  readonly spans?: boolean | undefined;
  /** Whether spans say the query's text with its literals taken out; default true. */
  readonly queryText?: boolean | undefined;
  /** The engine profile, such as `sqlite` or `postgres`, for `db.system.name` of metrics. */
  readonly system?: string | undefined;
  /** The database's name, for `db.namespace`. */
  readonly namespace?: string | undefined;
  /** The server's name or address, for `server.address`. Default none. */
  readonly serverAddress?: string | undefined;
  /** Its port, for `server.port`. Default none. */
  readonly serverPort?: number | undefined;
  /** The name of the pool that reports to the observer; default `main`. */
  readonly pool?: string | undefined;
  /** Upper bounds in seconds of the duration histograms; default those of FormDB's own. */
  readonly buckets?: readonly number[] | undefined;
}

/** FormDB's end of OpenTelemetry. */
export interface OpenTelemetryAdapter {
  /** To be given to `open` as `observer`, or to a part. */
  readonly observer: Observer;
  /**
   * The observer of a pool of that name: to be given to `open` as `writerObserver` for SQLite's writer, or to a
   * pool of one's own.
   */
  poolObserver(name: string): PoolObserver;
  /** Has a pool read whenever metrics are collected: `() => db.pool.stats()`. Returns what ends that. */
  observePool(name: string, read: () => PoolSource): () => void;
  /** Ends the spans and the reading of pools. The observer goes with its database. */
  stop(): void;
}

/**
 * Reports to OpenTelemetry: metrics by the names of its semantic conventions for databases, and spans of queries, of
 * waits for a connection and of batches. Needs the package `@opentelemetry/api` and, for anything to be kept, an SDK that was
 * registered before this is called. Throws `FORMDB_CONFIG`.
 */
export async function openTelemetry(options: OpenTelemetryOptions = {}): Promise<OpenTelemetryAdapter> {
  checkOptions("openTelemetry", options, {
    meterProvider: object,
    tracerProvider: object,
    spans: boolean,
    queryText: boolean,
    system: string,
    namespace: string,
    serverAddress: string,
    serverPort: integer(0, 65_535),
    pool: string,
    buckets: (value) => (Array.isArray(value) ? undefined : "an array of numbers"),
  });
  if (options.buckets !== undefined) checkBounds("db.client.operation.duration", options.buckets);
  const api = await loadApi();
  const common = commonAttributes(options);
  const attributes: OtelAttributes = { "db.system.name": systemName(options.system ?? ""), ...common };
  const meter = (options.meterProvider ?? api.metrics).getMeter(SCOPE);
  const pools = new OtelPools(meter, attributes);
  const ends = new Set<() => void>();
  if (options.spans !== false) {
    const tracer = (options.tracerProvider ?? api.trace).getTracer(SCOPE);
    // Queries say their engine themselves; the other spans are told it.
    const ofSpans = options.system === undefined ? common : attributes;
    ends.add(otelSpans({ tracer, api, attributes: ofSpans, queryText: options.queryText !== false }));
  }
  return {
    observer: otelObserver(meter, { attributes, pool: options.pool ?? "main", buckets: options.buckets }),
    poolObserver: (name) => otelPoolObserver(meter, { attributes, pool: name, buckets: options.buckets }),
    observePool(name, read) {
      const end = pools.add(name, read);
      ends.add(end);
      return () => {
        ends.delete(end);
        end();
      };
    },
    stop() {
      for (const end of ends) end();
      ends.clear();
    },
  };
}

/**
 * Attaches the trace of the active span to the query durations that a store exports as OpenMetrics, if the span is
 * sampled: an exemplar must lead to a trace that is kept. Returns what ends that.
 */
export async function exemplarsFromActiveSpan(metrics: Pick<Metrics, "exemplarsFrom">): Promise<() => void> {
  const { trace } = await loadApi();
  metrics.exemplarsFrom((): ExemplarLabels | undefined => {
    const context = trace.getActiveSpan()?.spanContext();
    if (context === undefined || (context.traceFlags & FLAG_SAMPLED) === 0) return undefined;
    return { trace_id: context.traceId, span_id: context.spanId };
  });
  return () => metrics.exemplarsFrom(undefined);
}

async function loadApi(): Promise<OtelApi> {
  try {
    return (await import("@opentelemetry/api")) as OtelApi;
  } catch (cause) {
    const message =
      "OpenTelemetry can't be used: the package @opentelemetry/api must be installed, and is not";
    throw new FormDBError("FORMDB_CONFIG", message, { cause });
  }
}

function commonAttributes(options: OpenTelemetryOptions): OtelAttributes {
  const attributes: OtelAttributes = {};
  if (options.namespace !== undefined) attributes["db.namespace"] = options.namespace;
  if (options.serverAddress !== undefined) attributes["server.address"] = options.serverAddress;
  if (options.serverPort !== undefined) attributes["server.port"] = options.serverPort;
  return attributes;
}
