import type { Connection } from "./backend/backend.ts";
import { FormDBError } from "./base/errors.ts";
import { BATCH_EVENTS, type BatchObserver, guardObservers } from "./base/observer.ts";
import { configError, show } from "./base/options.ts";
import type { BatchOptions } from "./batch/batch-options.ts";
import { BatchProcessor, type BatchStats } from "./batch/batch-processor.ts";
import type { BatchResult } from "./batch/group.ts";
import { PlanCache, type PlanCacheOptions, type PlanCacheStats } from "./cache/plan-cache.ts";
import {
  currentDatabase,
  defaultDatabase,
  defaultEngine,
  defaultMetrics,
  queryPlanCache,
} from "./defaults.ts";
import type { QueryLabels } from "./metrics/metrics.ts";
import { Metrics, type MetricsOptions } from "./metrics/metrics.ts";
import { batchRecorder } from "./metrics/recorder.ts";
import { isCompiled } from "./plan/compile.ts";
import type { Plan } from "./plan/plan.ts";
import { type AcquireOptions, Pool, type PoolOptions, type PoolStats } from "./pool/pool.ts";
import { shapeOf } from "./query/shape.ts";

/**
 * The compatibility API: the names and defaults of the original module, as functions. Each works on the process-wide
 * defaults of `defaults.ts`, or on the part that it is given.
 */

/**
 * Puts a plan into the cache that the default database uses, under the text's shape. The plan must be one that
 * `compile` of `@formdb/perf/query` made from a text of that shape: any other is refused (`FORMDB_CONFIG`).
 */
export function cachePlan(text: string, plan: Plan): void {
  if (!isCompiled(plan)) {
    throw configError(`cachePlan takes a plan made by compile() of @formdb/perf/query, not ${show(plan)}`);
  }
  const key = keyOf(text);
  if (plan.shape !== key) {
    throw configError(`The plan for ${key} must be compiled from that shape, not from ${plan.shape}`);
  }
  sharedCache().set(key, plan, { tags: plan.collections });
}

/** The plan for a text of the same shape, from the cache that the default database uses. */
export function getCachedPlan(text: string): unknown {
  return sharedCache().get(keyOf(text));
}

function sharedCache(): PlanCache<unknown> {
  return (currentDatabase()?.cache as PlanCache<unknown> | undefined) ?? queryPlanCache;
}

/** The key that the database itself would look under; a text that is no query is its own key. */
function keyOf(text: string): string {
  try {
    return shapeOf(text).key;
  } catch {
    return text;
  }
}

/** A pool as far as the functions need one. */
export interface AcquirablePool<T> {
  acquire(options?: AcquireOptions): Promise<T>;
  release(resource: T, error?: unknown): void;
  stats(): PoolStats;
}

/** The default database's pool. The database opens when a connection is first acquired. */
export const globalPool: AcquirablePool<Connection> = Object.freeze({
  acquire: async (options?: AcquireOptions): Promise<Connection> =>
    (await defaultDatabase()).pool.acquire(options),
  release: (connection: Connection, error?: unknown): void => {
    const pool = currentDatabase()?.pool;
    if (pool === undefined) {
      throw new FormDBError(
        "FORMDB_CONFIG",
        "A connection can't be released to the default pool: no database is open, so it lent none",
      );
    }
    pool.release(connection, error);
  },
  stats: (): PoolStats => (currentDatabase()?.pool ?? unopened()).stats(),
});

/** A pool that has lent nothing and never will: what there is to say before the default database opens. */
function unopened(): Pool<Connection> {
  return new Pool<Connection>({ create: neverOpens, minConnections: 0, startPaused: true });
}

function neverOpens(): Promise<Connection> {
  return Promise.reject(new FormDBError("FORMDB_CLOSED", "The default database is not open"));
}

/** Takes a connection from a pool. */
export function acquire<T>(pool: AcquirablePool<T>, options?: AcquireOptions): Promise<T> {
  return pool.acquire(options);
}

/** Gives a connection back to its pool; with an error that is fatal to it, it is closed. */
export function release<T>(pool: AcquirablePool<T>, connection: T, error?: unknown): void {
  pool.release(connection, error);
}

/** The processor that the batch functions add to. It writes to the default database, and reports to its metrics. */
export const globalProcessor: BatchProcessor = makeProcessor();

/** Adds documents to be inserted. `flush(globalProcessor)` tells how they fared. */
export function batchInsert(collection: string, documents: readonly unknown[]): void {
  globalProcessor.insert(collection, documents);
}

/** Adds merge patches (RFC 7396) to be applied. */
export function batchUpdate(
  collection: string,
  updates: readonly { readonly id: string | number; readonly document: unknown }[],
): void {
  globalProcessor.update(collection, updates);
}

/** Adds ids of documents to be deleted. */
export function batchDelete(collection: string, ids: readonly (string | number)[]): void {
  globalProcessor.delete(collection, ids);
}

/** Sends what a processor holds. The result is that of everything added since its last flush. */
export function flush(processor: BatchProcessor): Promise<BatchResult> {
  return processor.flush();
}

/** Counts a query and its latency in milliseconds. */
export function recordQuery(latencyMs: number, labels?: QueryLabels): void {
  sharedMetrics().recordQuery(latencyMs, labels);
}

/** Counts a plan that was found, in the default database's metrics. */
export function recordCacheHit(): void {
  sharedMetrics().recordCacheHit();
}

/** Counts a plan that was not found, in the default database's metrics. */
export function recordCacheMiss(): void {
  sharedMetrics().recordCacheMiss();
}

/** Counts an error by its code, in the default database's metrics. */
export function recordError(code?: string): void {
  sharedMetrics().recordError(code);
}

/** All metrics of the default database as Prometheus text 0.0.4. */
export function exportPrometheus(): string {
  return sharedMetrics().exportPrometheus();
}

function sharedMetrics(): Metrics {
  return currentDatabase()?.metrics ?? defaultMetrics;
}

/** The statistics of a cache, a pool, a processor, or of whatever else has some. */
export function stats(part: { stats(): PlanCacheStats }): PlanCacheStats;
export function stats(part: { stats(): PoolStats }): PoolStats;
export function stats(part: { stats(): BatchStats }): BatchStats;
export function stats<S>(part: { stats(): S }): S;
export function stats(part: { stats(): unknown }): unknown {
  return part.stats();
}

/** A plan cache of its own. */
export function makeCache<P>(options?: PlanCacheOptions<P>): PlanCache<P> {
  return new PlanCache<P>(options);
}

/** A pool of whatever `create` makes; without `create`, of connections to the default database. */
export function makePool<T>(options: PoolOptions<T>): Pool<T>;
/** Of connections to the default database. */
export function makePool(options?: Partial<PoolOptions<Connection>>): Pool<Connection>;
export function makePool(options: Partial<PoolOptions<Connection>> = {}): Pool<Connection> {
  if (options.create !== undefined) return new Pool(options as PoolOptions<Connection>);
  return new Pool<Connection>({
    create: async (signal) => (await defaultEngine()).backend.connect("read", signal),
    destroy: (connection) => connection.close(),
    validate: (connection) => connection.ping(),
    isFatal: (error) => error instanceof FormDBError && LOST.has(error.code),
    watch: (connection, report) => {
      connection.onLost = report;
    },
    ...options,
  });
}

/** After these errors a connection can't be used any more. */
const LOST: ReadonlySet<string> = new Set(["FORMDB_CONNECTION_LOST", "FORMDB_ABORTED", "FORMDB_TIMEOUT"]);

/** A processor that writes to the default database, and reports to its metrics. */
export function makeProcessor(options: BatchOptions = {}): BatchProcessor {
  return new BatchProcessor(async (group) => (await defaultEngine()).writer.execute(group), {
    lookUpToken: async (token, group) => (await defaultEngine()).writer.lookUpToken(token, group),
    ...options,
    observer: guardObservers<BatchObserver>(BATCH_EVENTS, [toSharedMetrics(), options.observer]),
  });
}

/** Which metrics the default database has may change: who records is looked up with each event. */
function toSharedMetrics(): BatchObserver {
  const forward = (event: keyof BatchObserver): [string, (...values: never[]) => void] => [
    event,
    (...values) => (batchRecorderFor(sharedMetrics())[event] as (...values: unknown[]) => void)(...values),
  ];
  return Object.fromEntries(BATCH_EVENTS.map(forward));
}

const batchRecorders = new WeakMap<Metrics, Required<BatchObserver>>();

function batchRecorderFor(metrics: Metrics): Required<BatchObserver> {
  let recorder = batchRecorders.get(metrics);
  if (recorder === undefined) {
    recorder = batchRecorder(metrics);
    batchRecorders.set(metrics, recorder);
    metrics.observeBatch(() => (sharedMetrics() === metrics ? globalProcessor.stats() : NOTHING_QUEUED));
  }
  return recorder;
}

const NOTHING_QUEUED = Object.freeze({ queued: 0, queuedBytes: 0, oldestMs: 0 });

/** Metrics of their own. */
export function makeMetrics(options?: MetricsOptions): Metrics {
  return new Metrics(options);
}
