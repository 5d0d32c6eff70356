import { type TracingChannel, tracingChannel } from "node:diagnostics_channel";

/** What subscribers of `formdb:query` get. Beside it, Node's own `result` or `error`. */
export interface QueryTrace {
  readonly operation: string;
  readonly collection: string;
  /** The query's text with its literals taken out. */
  readonly shape: string;
  /** The engine profile: `sqlite`, `postgres` and so on. */
  readonly system: string;
}

/** What subscribers of `formdb:pool.acquire` get. */
export interface AcquireTrace {
  readonly pool: string;
}

/** What subscribers of `formdb:batch.flush` get. */
export interface FlushTrace {
  readonly collection: string;
  readonly kind: string;
  readonly operations: number;
}

/** FormDB's TracingChannels. */
export const channels: Readonly<{
  query: TracingChannel<QueryTrace, QueryTrace>;
  poolAcquire: TracingChannel<AcquireTrace, AcquireTrace>;
  batchFlush: TracingChannel<FlushTrace, FlushTrace>;
}> = Object.freeze({
  query: tracingChannel<QueryTrace, QueryTrace>("formdb:query"),
  poolAcquire: tracingChannel<AcquireTrace, AcquireTrace>("formdb:pool.acquire"),
  batchFlush: tracingChannel<FlushTrace, FlushTrace>("formdb:batch.flush"),
});

/**
 * Runs `work` as a traced operation. Without subscribers it costs one look at a field: the description is
 * not made and no context is entered.
 */
export function traced<Trace extends object, T>(
  channel: TracingChannel<Trace, Trace>,
  describe: () => Trace,
  work: () => Promise<T>,
): Promise<T> {
  return channel.hasSubscribers ? channel.tracePromise(work, describe()) : work();
}

/** What a traced operation ended with. */
export type TraceEnd = { readonly result: unknown } | { readonly error: unknown };

/**
 * Begins a traced operation that is not one promise, such as an iteration. Subscribers get the events that
 * `tracePromise` would publish. Returns the function that ends it.
 */
export function beginTrace<Trace extends object>(
  channel: TracingChannel<Trace, Trace>,
  trace: Trace,
): (end: TraceEnd) => void {
  channel.start.runStores(trace, () => {});
  channel.end.publish(trace);
  return (end) => {
    Object.assign(trace, end);
    if ("error" in end) channel.error.publish(trace);
    channel.asyncStart.publish(trace);
    channel.asyncEnd.publish(trace);
  };
}
