import { AsyncLocalStorage } from "node:async_hooks";
import type { Channel, TracingChannel } from "node:diagnostics_channel";
import { FormDBError } from "../../base/errors.ts";
import { type AcquireTrace, channels, type FlushTrace, type QueryTrace } from "../tracing-channels.ts";
import {
  type OtelApi,
  type OtelAttributes,
  type OtelSpan,
  type OtelTracer,
  SPAN_KIND_CLIENT,
  SPAN_KIND_INTERNAL,
  STATUS_ERROR,
} from "./opentelemetry-api.ts";

/** How spans are made. */
export interface OtelSpansOptions {
  readonly tracer: OtelTracer;
  readonly api: Pick<OtelApi, "trace" | "context">;
  /** Attributes of every span. */
  readonly attributes: OtelAttributes;
  /** Whether spans say the query's shape, which is its text without literals. */
  readonly queryText: boolean;
}

/** A span of ours with the one that was active when it began. */
interface Frame {
  readonly span: OtelSpan;
  readonly activeAtStart: OtelSpan | undefined;
}

interface Described {
  readonly name: string;
  readonly kind: number;
  readonly attributes: OtelAttributes;
}

/**
 * Makes spans of what the tracing channels tell: queries, and within them waits for a connection; flushes of batches.
 * A span's parent is what is active where the call was made. Returns what ends that.
 */
export function otelSpans(options: OtelSpansOptions): () => void {
  const spans = new Spans(options);
  const { queryText } = options;
  const ends = [
    spans.follow(channels.query, (trace: QueryTrace) => describeQuery(trace, queryText)),
    spans.follow(channels.poolAcquire, describeAcquire),
    spans.follow(channels.batchFlush, describeFlush),
  ];
  return () => {
    for (const end of ends.splice(0)) end();
  };
}

class Spans {
  readonly #options: OtelSpansOptions;
  /** The span of ours that code runs in: OpenTelemetry's own context can't be entered from a channel. */
  readonly #current: AsyncLocalStorage<Frame | undefined> = new AsyncLocalStorage();
  readonly #open: WeakMap<object, OtelSpan> = new WeakMap();

  constructor(options: OtelSpansOptions) {
    this.#options = options;
  }

  follow<Trace extends object>(
    channel: TracingChannel<Trace, Trace>,
    describe: (trace: Trace) => Described,
  ): () => void {
    const subscribers = {
      start: (): void => {},
      // Work that throws before it gives a promise has no other end than this.
      end: (trace: object): void => {
        if (Object.hasOwn(trace, "error")) this.#end(trace);
      },
      asyncStart: (): void => {},
      asyncEnd: (trace: object): void => this.#end(trace),
      error: (): void => {},
    };
    // What is stored is ours, not the trace as the channel's own type would have it.
    const start = channel.start as unknown as Channel<Frame | undefined, Trace>;
    start.bindStore(this.#current, (trace) => {
      try {
        return this.#begin(trace, describe(trace));
      } catch {
        // What a channel's listener throws ends the process: a tracer's failure is not worth that.
        return this.#current.getStore();
      }
    });
    channel.subscribe(subscribers);
    return () => {
      channel.unsubscribe(subscribers);
      start.unbindStore(this.#current);
    };
  }

  #begin(trace: object, { name, kind, attributes }: Described): Frame {
    const { tracer, api, attributes: common } = this.#options;
    const activeAtStart = api.trace.getActiveSpan();
    const outer = this.#current.getStore();
    const active = api.context.active();
    // Within a span of ours, unless the application has begun one of its own since.
    const within = outer !== undefined && outer.activeAtStart === activeAtStart;
    const parent = within ? api.trace.setSpan(active as never, outer.span as never) : active;
    const span = tracer.startSpan(name, { kind, attributes: { ...common, ...attributes } }, parent as never);
    this.#open.set(trace, span);
    return { span, activeAtStart };
  }

  #end(trace: object): void {
    try {
      this.#finish(trace);
    } catch {
      // As above.
    }
  }

  #finish(trace: object): void {
    const span = this.#open.get(trace);
    if (span === undefined) return;
    this.#open.delete(trace);
    const { error, result } = trace as { error?: unknown; result?: unknown };
    if (Object.hasOwn(trace, "error")) {
      // What a transaction's own function throws is its decision to roll back, and no error of the engine.
      const foreign =
        (trace as Partial<QueryTrace>).operation === "transaction" ? "FORMDB_ABORTED" : "FORMDB_ENGINE";
      const code = error instanceof FormDBError ? error.code : foreign;
      span.setAttribute("error.type", code);
      const sqlstate = error instanceof FormDBError ? error.sqlstate : undefined;
      if (typeof sqlstate === "string") span.setAttribute("db.response.status_code", sqlstate);
      // The message may hold values of the application's: it stays with the caller.
      span.setStatus({ code: STATUS_ERROR, message: code });
    } else {
      const rows = (result as { rowCount?: unknown } | undefined | null)?.rowCount;
      if (typeof rows === "number") span.setAttribute("db.response.returned_rows", rows);
    }
    span.end();
  }
}

function describeQuery({ operation, collection, shape, system }: QueryTrace, queryText: boolean): Described {
  const attributes: OtelAttributes = {
    "db.system.name": systemName(system),
    ...target(operation.toUpperCase(), collection),
  };
  if (queryText && shape !== "") attributes["db.query.text"] = shape;
  return { name: attributes["db.query.summary"] as string, kind: SPAN_KIND_CLIENT, attributes };
}

function describeAcquire({ pool }: AcquireTrace): Described {
  const attributes = { "db.client.connection.pool.name": pool };
  return { name: `pool.acquire ${pool}`, kind: SPAN_KIND_INTERNAL, attributes };
}

function describeFlush({ collection, kind, operations }: FlushTrace): Described {
  const several = operations > 1;
  const attributes = target(several ? `BATCH ${kind.toUpperCase()}` : kind.toUpperCase(), collection);
  // The conventions forbid the attribute for a batch of one operation.
  if (several) attributes["db.operation.batch.size"] = operations;
  return { name: attributes["db.query.summary"] as string, kind: SPAN_KIND_CLIENT, attributes };
}

function target(operation: string, collection: string): OtelAttributes {
  if (collection === "") return { "db.operation.name": operation, "db.query.summary": operation };
  return {
    "db.operation.name": operation,
    "db.collection.name": collection,
    "db.query.summary": `${operation} ${collection}`,
  };
}

/** What the semantic conventions call an engine profile. */
export function systemName(profile: string): string {
  switch (profile) {
    case "sqlite":
    case "cockroachdb":
      return profile;
    case "postgres":
    case "citus":
    case "yugabytedb":
    case "dsql":
      return "postgresql";
    default:
      return profile === "" ? "other_sql" : profile;
  }
}
