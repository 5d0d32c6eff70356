import { guardCallback } from "./callback.ts";

/**
 * The events that the parts report. Every method is optional. Metrics are one observer; OpenTelemetry is another.
 * Reporting allocates nothing: methods take primitives, or an object that exists anyway.
 */

/**
 * Why a look-up in the plan cache found no plan that could be used. `invalid`: the compiler refused the text, as for a
 * syntax error, so that no cache could have had its plan. The hit rate leaves such look-ups out.
 */
export type CacheMissReason = "cold" | "expired" | "evicted" | "stale" | "bypassed" | "invalid";

/** Why an entry left the plan cache. */
export type CacheRemovalReason =
  | "evicted"
  | "expired"
  | "stale"
  | "deleted"
  | "replaced"
  | "rejected"
  | "oversized";

/** Told of what a plan cache does. Each method is optional, and what it throws is ignored. */
export interface CacheObserver {
  /** A plan was found. */
  hit?(): void;
  /** No plan was found, and why. */
  miss?(reason: CacheMissReason): void;
  /** An entry was removed, and why. */
  removed?(reason: CacheRemovalReason): void;
  /** A plan was compiled in `ms`. */
  compiled?(ms: number): void;
  /** A hit spared a compilation that had cost `ms`. */
  saved?(ms: number): void;
}

/** Why a connection was closed. */
export type ConnectionCloseReason = "idle" | "stale" | "lifetime" | "maxUses" | "error" | "poolClosed";

/** Why a caller did not get a connection. */
export type AcquireFailureReason =
  | "timeout"
  | "aborted"
  | "poolClosed"
  | "poolPaused"
  | "queueFull"
  | "connectError";

/**
 * Told of what a pool does. Connections have numbers from 1 on. Each method is optional, and what it
 * throws is ignored.
 */
export interface PoolObserver {
  /** The pool was made. */
  poolCreated?(): void;
  /** It lends again after a pause. */
  resumed?(): void;
  /** It lends no more until it is resumed. */
  paused?(): void;
  /** All its connections are to be replaced, as after a failover. */
  cleared?(): void;
  /** It was closed. */
  poolClosed?(): void;
  /** A connection is being opened. */
  connectionCreated?(id: number): void;
  /** It is open, after so many milliseconds. */
  connectionReady?(id: number, ms: number): void;
  /** It was closed, and why; or it could not be opened. */
  connectionClosed?(id: number, reason: ConnectionCloseReason): void;
  /** A caller asks for a connection. */
  acquireStarted?(): void;
  /** A caller got one after so many milliseconds. */
  acquired?(id: number, waitMs: number): void;
  /** A caller got none, and why. */
  acquireFailed?(reason: AcquireFailureReason, waitMs: number): void;
  /** A caller gave one back that it has held for so many milliseconds. */
  released?(id: number, heldMs: number): void;
}

/** What an operation of a batch does. */
export type WriteKind = "insert" | "update" | "upsert" | "delete";

/** Why a batch was sent when it was. */
export type FlushReason = "size" | "bytes" | "interval" | "eager" | "explicit" | "close";

/** How an operation ended. */
export type WriteOutcome = "applied" | "rejected" | "unknown";

/** Told of what a batch processor does. Each method is optional, and what it throws is ignored. */
export interface BatchObserver {
  /** An operation was queued, of so many bytes. */
  queued?(kind: WriteKind, bytes: number): void;
  /** A batch left the queue; `waitMs` is how long its oldest operation had waited. */
  flushStarted?(reason: FlushReason, operations: number, bytes: number, waitMs: number): void;
  /** A batch was answered after so many milliseconds. What is sent again of it is told by `retried` and `bisected`. */
  flushFinished?(operations: number, ms: number): void;
  /** An operation has ended. */
  settled?(kind: WriteKind, outcome: WriteOutcome): void;
  /** An operation failed that has no promise of its own, which would tell of it. `sqlstate` may be empty. */
  failed?(code: string, sqlstate: string): void;
  /** Failures that were handed to nobody: nobody awaited their calls, and no flush collected them. */
  unawaited?(failures: number): void;
  /** A batch is sent again; `attempt` counts from 1. */
  retried?(operations: number, attempt: number): void;
  /** A batch that was refused as a whole is sent in two halves. */
  bisected?(operations: number): void;
}

/**
 * What a query does: `sql` is the engine's own SQL (`db.sql`). `other` if its text is not of the query language, or if
 * whoever records it does not say.
 */
export type QueryOperation =
  | "select"
  | "get"
  | "insert"
  | "update"
  | "upsert"
  | "delete"
  | "ddl"
  | "introspect"
  | "explain"
  | "transaction"
  | "sql"
  | "other";

/** A query that has ended. It is valid during the call that reports it; an observer that keeps it must copy it. */
export interface EndedQuery {
  readonly operation: QueryOperation;
  /** Empty if the query names none. */
  readonly collection: string;
  /** The error's code; empty if the query succeeded. */
  readonly code: string;
  /** From its start to its end. The three times below are parts of it. */
  readonly totalMs: number;
  /** Waiting for a connection. */
  readonly waitMs: number;
  /** In the database, the way there and back included. */
  readonly databaseMs: number;
  /** Turning rows into documents. */
  readonly decodeMs: number;
  /** Rows that it returned, or documents that it changed. */
  readonly rows: number;
  /** The query's text with its literals taken out. */
  readonly shape: string;
  /** Whether its plan was in the plan cache. */
  readonly cacheHit: boolean;
  /** The caller's own parameters, not a copy. */
  readonly parameters?: unknown;
}

/**
 * A group of queued writes that was sent and has ended. `totalMs` is from when its oldest operation was queued; `rows` counts
 * its operations. It is valid during the call that reports it.
 */
export interface EndedGroup extends EndedQuery {
  readonly operation: WriteKind;
  /** In the queue, earlier sendings of the same operations included. */
  readonly queueMs: number;
}

/** Told of queries and errors. Each method is optional, and what it throws is ignored. */
export interface QueryObserver {
  /** A query has begun. */
  queryStarted?(operation: QueryOperation, collection: string): void;
  /** A query has ended, well or not. */
  queryFinished?(query: EndedQuery): void;
  /** A group of queued writes was sent and has ended, well or not. It counts as no query. */
  groupFinished?(group: EndedGroup): void;
  /** An error reached a caller. `sqlstate` may be empty. */
  errorReported?(code: string, sqlstate: string): void;
  /** One statement has answered several reads. */
  readsMerged?(reads: number): void;
}

/** An observer of all the parts. */
export interface Observer extends CacheObserver, BatchObserver, QueryObserver, PoolObserver {}

// biome-ignore lint/suspicious/noExplicitAny: the methods of every observer, whatever they take
type AnyMethod = (...values: any[]) => void;

const ignore: AnyMethod = () => {};

/** The events of each observer that was made here. */
const guardedFor = new WeakMap<object, readonly string[]>();

/** Observers that need no guard. */
const vouchedFor = new WeakSet<object>();

/**
 * Says of an observer that its methods never throw, return no promise and need no `this`: they are then called without
 * a guard, so that V8 can compile them into their callers
 * (docs/decisions/0059-ended-queries-are-counted-together.md).
 */
export function vouchFor<T extends object>(observer: T): T {
  vouchedFor.add(observer);
  return observer;
}

/**
 * One observer from none, one or several. It has every method of `names`, which does nothing if nobody listens. What a
 * listener throws, or rejects with if it is an `async` function, goes no further than here.
 */
export function guardObservers<T extends object>(
  names: readonly (keyof T & string)[],
  observers: readonly (T | undefined)[],
): Required<T> {
  // A part guards what it is given; what is guarded for these events already needs no second guard.
  const [only] = observers;
  if (observers.length === 1 && only !== undefined && guardedFor.get(only) === names)
    return only as Required<T>;
  const guarded: Record<string, AnyMethod> = {};
  for (const name of names) {
    const listeners: AnyMethod[] = [];
    for (const observer of observers) {
      const method = observer?.[name];
      if (typeof method !== "function") continue;
      listeners.push(
        vouchedFor.has(observer!) ? (method as AnyMethod) : guardCallback(method.bind(observer) as AnyMethod),
      );
    }
    guarded[name] = together(listeners);
  }
  guardedFor.set(guarded, names);
  return guarded as Required<T>;
}

function together(listeners: readonly AnyMethod[]): AnyMethod {
  if (listeners.length <= 1) return listeners[0] ?? ignore;
  return (...values) => {
    for (const call of listeners) call(...values);
  };
}

export const CACHE_EVENTS: readonly (keyof CacheObserver)[] = ["hit", "miss", "removed", "compiled", "saved"];

export const POOL_EVENTS: readonly (keyof PoolObserver)[] = [
  "poolCreated",
  "resumed",
  "paused",
  "cleared",
  "poolClosed",
  "connectionCreated",
  "connectionReady",
  "connectionClosed",
  "acquireStarted",
  "acquired",
  "acquireFailed",
  "released",
];

export const BATCH_EVENTS: readonly (keyof BatchObserver)[] = [
  "queued",
  "flushStarted",
  "flushFinished",
  "settled",
  "failed",
  "unawaited",
  "retried",
  "bisected",
];

export const QUERY_EVENTS: readonly (keyof QueryObserver)[] = [
  "queryStarted",
  "queryFinished",
  "groupFinished",
  "errorReported",
  "readsMerged",
];
