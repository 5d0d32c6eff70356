import { AsyncLocalStorage } from "node:async_hooks";
import type { Backend } from "../backend/backend.ts";
import { withDriver } from "../backend/drivers.ts";
import { systemClock } from "../base/clock.ts";
import { databaseKind } from "../base/database-url.ts";
import type { Journal } from "../base/journal.ts";
import {
  BATCH_EVENTS,
  type BatchObserver,
  CACHE_EVENTS,
  type CacheObserver,
  guardObservers,
  type Observer,
  POOL_EVENTS,
  type PoolObserver,
  QUERY_EVENTS,
  type QueryObserver,
} from "../base/observer.ts";
import { configError, show, withoutUndefined } from "../base/options.ts";
import { uuidV4, uuidV7 } from "../base/uuid.ts";
import { type BatchOptions, DEFAULT_BATCH_BYTES, DEFAULT_BATCH_SIZE } from "../batch/batch-options.ts";
import { PlanCache } from "../cache/plan-cache.ts";
import { Metrics, storeOf } from "../metrics/metrics.ts";
import { poolRecorder } from "../metrics/pool-recorder.ts";
import { recorder } from "../metrics/recorder.ts";
import { SlowLog, slowQueryObserver } from "../metrics/slow-log.ts";
import { TopStatements } from "../metrics/top-statements.ts";
import { channels } from "../metrics/tracing-channels.ts";
import type { Plan } from "../plan/plan.ts";
import { CallsUnderWay } from "./calls-under-way.ts";
import { Catalog } from "./catalog.ts";
import { Checker } from "./check.ts";
import { Connections } from "./connections.ts";
import { DatabaseQueue } from "./database-queue.ts";
import { checkOpenOptions, type OpenOptions } from "./engine-options.ts";
import { Explainer } from "./explain.ts";
import { FormDB } from "./form-db.ts";
import { DocumentReads } from "./get.ts";
import type { HttpDatabase } from "./http/http-database.ts";
import { type HttpOptions, isHttpUrl } from "./http/http-options.ts";
import { PlanSource } from "./plan-source.ts";
import { Reader } from "./read.ts";
import { ReadsAtOnce } from "./reads-at-once.ts";
import { Reporter } from "./reporter.ts";
import { SqlRunner } from "./run-sql.ts";
import { Schema } from "./schema.ts";
import { SharedReads } from "./shared-reads.ts";
import { TokenPruner } from "./token-pruner.ts";
import { Transactions } from "./transaction.ts";
import { Writer } from "./write.ts";

/** The database that is opened where neither a URL nor `FORMDB_URL` says which. */
export const DEFAULT_URL = "sqlite:formdb.db";

/** Opens a database that `formdb serve` serves: the same calls, over HTTP. */
export function open(
  url: `http://${string}` | `https://${string}`,
  options?: HttpOptions,
): Promise<HttpDatabase>;
/**
 * Opens a database: `sqlite:app.db`, `sqlite::memory:`, a path, or `postgres://user@host1,host2/db`. Without a
 * URL it is the one that the environment's `FORMDB_URL` names, else `sqlite:formdb.db`.
 */
export function open(url?: string, options?: OpenOptions): Promise<FormDB>;
export async function open(
  url: string = process.env.FORMDB_URL || DEFAULT_URL,
  options: OpenOptions | HttpOptions = {},
): Promise<FormDB | HttpDatabase> {
  if (isHttpUrl(url)) {
    const { openHttp } = await import("./http/http-database.ts");
    return openHttp(url, options as HttpOptions);
  }
  return openHere(url, options as OpenOptions);
}

async function openHere(url: string, options: OpenOptions): Promise<FormDB> {
  checkOpenOptions(options);
  const backend = await backendFor(url, options);
  await backend.start(AbortSignal.timeout(START_TIMEOUT_MS));
  try {
    return await assemble(backend, options);
  } catch (error) {
    await backend.stop();
    throw error;
  }
}

/** What a plan that is none of ours counts for in the cache. */
const FOREIGN_PLAN_BYTES = 1_000;

/** How long the first contact with an engine may take. */
const START_TIMEOUT_MS = 30_000;

/** What only another engine has would be ignored without a word. */
function refuseOptions(options: OpenOptions, names: readonly (keyof OpenOptions)[], engine: string): void {
  const given = names.find((name) => options[name] !== undefined);
  if (given === undefined) return;
  throw configError(
    `open()'s option ${given} can't be used with a URL of ${engine}, which has no such setting`,
    given,
  );
}

async function backendFor(url: unknown, options: OpenOptions): Promise<Backend> {
  if (typeof url !== "string" || url === "") {
    // An object may hold a password, and a URL would be shown as the very string that is asked for.
    const found = typeof url === "object" && url !== null ? "an object" : show(url);
    throw configError(`A database's URL must be a string such as "sqlite:app.db", not ${found}`);
  }
  if (databaseKind(url) === "postgres") {
    refuseOptions(options, ["durability", "busyTimeoutMs"], "PostgreSQL");
    const { postgresBackend } = await withDriver(
      "pg",
      () => import("../backend/postgres/postgres-backend.ts"),
    );
    return postgresBackend(url, options.postgres ?? {});
  }
  refuseOptions(options, ["postgres"], "SQLite");
  const { sqliteBackend } = await withDriver(
    "better-sqlite3",
    () => import("../backend/sqlite/sqlite-backend.ts"),
  );
  const { durability, busyTimeoutMs, mustExist } = options;
  return sqliteBackend(url, { durability, busyTimeoutMs, mustExist });
}

/** Puts the parts together. What was begun is undone where a part can't be made. */
async function assemble(backend: Backend, options: OpenOptions): Promise<FormDB> {
  const undo: (() => Promise<void> | void)[] = [];
  try {
    return await assembleParts(backend, options, undo);
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

async function assembleParts(
  backend: Backend,
  options: OpenOptions,
  undo: (() => Promise<void> | void)[],
): Promise<FormDB> {
  const clock = options.clock ?? systemClock;
  const metrics = options.metrics instanceof Metrics ? options.metrics : new Metrics(options.metrics || {});
  const statements = new TopStatements();
  const slowLog =
    options.slowQueryMs === undefined ? undefined : new SlowLog({ thresholdMs: options.slowQueryMs, clock });
  const measured = options.metrics !== false;
  const recording: Observer | undefined = measured
    ? recorder(metrics, { statements, slowLog })
    : slowLog && slowQueryObserver(slowLog);
  const observers = [recording, options.observer];

  const cache: PlanCache<Plan> =
    options.cache instanceof PlanCache
      ? (options.cache as PlanCache<Plan>)
      : new PlanCache<Plan>({
          // Whatever `cachePlan` puts here need not say its size.
          sizeOf: (plan) => (typeof plan?.bytes === "number" ? plan.bytes : FOREIGN_PLAN_BYTES),
          clock,
          ...withoutUndefined(options.cache ?? {}),
          observer: guardObservers<CacheObserver>(CACHE_EVENTS, [...observers, options.cache?.observer]),
        });
  const connections = new Connections(
    backend,
    options.pool ?? {},
    clock,
    guardObservers<PoolObserver>(POOL_EVENTS, [...observers, options.pool?.observer]),
    guardObservers<PoolObserver>(POOL_EVENTS, [
      measured && backend.separateWriter ? poolRecorder(metrics, "writer") : undefined,
      options.writerObserver,
    ]),
  );
  undo.push(() => connections.close(0));
  const reporter = new Reporter(
    guardObservers<QueryObserver>(QUERY_EVENTS, observers),
    clock,
    backend.profile,
  );
  const catalog = new Catalog(connections, backend.dialect, clock, (collection) =>
    cache.invalidate(collection),
  );
  const plans = new PlanSource(cache, backend.dialect, catalog);
  const calls = new CallsUnderWay(clock);
  const { reads: mergeReads = true, ...batchOptions } = options.batch ?? {};
  const readsMerged = (calls: number): void => reporter.readsMerged(calls);
  const merged =
    mergeReads === false
      ? undefined
      : new SharedReads({ connections, clock, report: readsMerged, always: mergeReads === "always" });
  const reader = new Reader({ plans, connections, catalog, reporter, calls, merged });
  const writer = new Writer(connections, catalog, reporter, options.autoCreate ?? true);
  const sql = new SqlRunner(connections, reporter, backend.dialect.placeholder);
  const makeId = backend.idKind === "uuidv7" ? uuidV7 : uuidV4;
  const journal = options.spill === undefined ? undefined : await openJournal(options.spill);
  undo.push(() => journal?.[Symbol.dispose]());
  const transactions = new Transactions(connections, {
    catalog,
    reader,
    writer,
    makeId,
    reporter,
    sql,
    findsFirst: backend.dialect.findsFirst,
  });
  const batch = new DatabaseQueue(transactions, writer.execute, {
    ...(journal === undefined ? {} : { spill: journal }),
    ...batchDefaults(backend, withoutUndefined(batchOptions), connections.write.stats().max),
    generateId: makeId,
    lookUpToken: writer.lookUpToken,
    // So that the trace of a flush lies under the call whose write sent it.
    captureContext: () => (channels.batchFlush.hasSubscribers ? AsyncLocalStorage.snapshot() : undefined),
    clock,
    ...(options.onError === undefined ? {} : { onError: options.onError }),
    observer: guardObservers<BatchObserver>(BATCH_EVENTS, [...observers, options.batch?.observer]),
  });
  await catalog.refresh();
  // Who may not change the schema goes on without them: queries are right, and scan.
  await catalog.renewIndexes().catch((error) => reporter.failed(error));
  if (journal !== undefined) await batch.replay();
  const pruner = new TokenPruner(connections, clock, (error) => reporter.failed(error));
  const detachers = [
    metrics.observePool("main", () => connections.read.stats()),
    metrics.observeCache(() => cache.stats()),
    metrics.observeBatch(() => batch.stats()),
  ];
  if (connections.write !== connections.read) {
    detachers.push(metrics.observePool("writer", () => connections.write.stats()));
  }
  return new FormDB({
    backend,
    cache,
    connections,
    batch,
    catalog,
    spills: journal !== undefined,
    metrics,
    statements,
    reader,
    writer,
    makeId,
    sql,
    reads: new DocumentReads(
      connections,
      catalog,
      reporter,
      mergeReads === false ? "never" : backend.gathersReads ? "turn" : "waiting",
    ),
    readsAtOnce: new ReadsAtOnce(connections, catalog, reporter),
    schema: new Schema(catalog),
    explainer: new Explainer(backend, plans, connections, catalog),
    checker: new Checker(connections, catalog, backend.dialect.ddl, clock),
    transactions,
    calls,
    reporter,
    release: () => {
      pruner.stop();
      journal?.[Symbol.dispose]();
      for (const detach of detachers) detach();
      if (metrics !== options.metrics) storeOf(metrics).released.abort();
    },
  });
}

async function openJournal(path: string): Promise<Journal & Disposable> {
  const { SqliteJournal } = await withDriver(
    "better-sqlite3",
    () => import("../backend/sqlite/sqlite-journal.ts"),
  );
  return new SqliteJournal(path);
}

/** The user's options within what the engine takes in one group. */
function batchDefaults(
  { batchLimits, shardOf, makeToken }: Backend,
  options: BatchOptions,
  connections: number,
): BatchOptions {
  if (batchLimits === undefined) return options;
  const { maxRows, maxBytes, groupsAtOnce } = batchLimits;
  return {
    // Where documents are spread over shards, a group of one shard is the business of one node.
    ...(shardOf === undefined ? {} : { partition: shardOf, makeToken }),
    ...options,
    concurrency: options.concurrency ?? Math.min(groupsAtOnce, connections),
    maxBatchSize: Math.min(options.maxBatchSize ?? DEFAULT_BATCH_SIZE, maxRows),
    maxBatchBytes: Math.min(options.maxBatchBytes ?? DEFAULT_BATCH_BYTES, maxBytes),
  };
}
