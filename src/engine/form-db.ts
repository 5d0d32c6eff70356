import type { BackupOptions, BackupResult, Connection } from "../backend/backend.ts";
import {
  boundsOf,
  type CallOptions,
  NO_BOUNDS,
  remaining,
  TimeOfParts,
  throwIfAborted,
} from "../base/abort.ts";
import { checkCollectionName } from "../base/collection-name.ts";
import { type Document, encodeId, type Row } from "../base/document.ts";
import { unprepared } from "../base/engine-statement.ts";
import { FormDBError } from "../base/errors.ts";
import type { WriteKind } from "../base/observer.ts";
import { boolean, CALL_BOUNDS, checkOptions, func, milliseconds } from "../base/options.ts";
import type { BatchProcessor, BatchStats } from "../batch/batch-processor.ts";
import { errorForCaller } from "../batch/calls.ts";
import type { BatchResult } from "../batch/group.ts";
import type { Ending, Write } from "../batch/operation.ts";
import type { PlanCache, PlanCacheStats } from "../cache/plan-cache.ts";
import type { IndexDefinition } from "../dialect/ddl-dialect.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { StatementStats } from "../metrics/top-statements.ts";
import type { Parameters, Plan } from "../plan/plan.ts";
import type { Pool, PoolStats } from "../pool/pool.ts";
import { type Answer, answered, promised } from "./answer.ts";
import { CallGate } from "./call-gate.ts";
import type { CheckResult } from "./check.ts";
import { Collection, type CollectionOptions } from "./collection/collection.ts";
import { DatabaseHost } from "./collection/database-host.ts";
import type { CollectionHost } from "./collection/host.ts";
import {
  checkCollectionOptions,
  type InputOf,
  type OutputOf,
  type StandardSchema,
} from "./collection/standard-schema.ts";
import type { Engine } from "./engine.ts";
import type { Explanation } from "./explain.ts";
import { type ImportOptions, type ImportResult, importDocuments } from "./import.ts";
import type { Transaction } from "./open-transaction.ts";
import { Queries } from "./query.ts";
import type { QueryResult } from "./read.ts";
import type { QueryTimes } from "./reporter.ts";
import type { IndexOptions } from "./schema.ts";
import { type Sql, type SqlOptions, type SqlStatement, sqlFunction } from "./sql.ts";
import type { TransactionOptions } from "./transaction.ts";

/** What there is to know of a database at one moment. */
export interface DatabaseStats {
  readonly profile: string;
  readonly url: string;
  readonly cache: PlanCacheStats;
  readonly pool: PoolStats;
  /** The pool of the single writer, where the engine has one. */
  readonly writer: PoolStats | undefined;
  readonly batch: BatchStats;
}

/** How a database is closed. */
export interface CloseOptions {
  /**
   * Milliseconds for all of it. Default: queued writes have as long as they take, and connections still lent after
   * that, say to a stream that nobody reads on, are taken back after 30 seconds.
   */
  readonly deadlineMs?: number | undefined;
}

/** What closing gives: what could not be delivered, as operations that can be queued again. */
export type CloseResult = Awaited<ReturnType<BatchProcessor["close"]>>;

const SQL_OPTIONS = { ...CALL_BOUNDS, readOnly: boolean };
const BACKUP_OPTIONS = { ...CALL_BOUNDS, overwrite: boolean, onProgress: func };

const BATCH_CALLS: Readonly<Record<WriteKind, string>> = {
  insert: "batchInsert()",
  update: "batchUpdate()",
  upsert: "batchUpsert()",
  delete: "batchDelete()",
};

const idOf = (id: string): string => id;
const orUndefined = (found: Document | null): Document | undefined => found ?? undefined;
const nothing = (): void => {};
const wasFound = (_id: string, { found }: Ending): boolean => found ?? true;

const engines = new WeakMap<FormDB, Engine>();

/** The parts of a database, for the rest of this package. */
export function engineOf(db: FormDB): Engine {
  return engines.get(db)!;
}

/** A database of documents: the one API over every engine. Made by `open()`. */
export class FormDB {
  readonly #engine: Engine;
  readonly #queries: Queries;
  readonly #gate: CallGate;
  readonly #host: CollectionHost;
  #closing: Promise<CloseResult> | undefined;
  /**
   * Runs the engine's own SQL: `db.sql(text, values)`, or a template whose values are bound (docs/sql.md). Rows have the
   * columns' names, and values as the driver reads them.
   */
  readonly sql: Sql;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#queries = new Queries(engine);
    this.#gate = new CallGate(engine.calls, engine.transactions);
    this.#host = new DatabaseHost(this, engine, this.#queries, this.#gate);
    this.sql = sqlFunction(engine.sql.placeholder, (statement, options) => this.#runSql(statement, options));
    engines.set(this, engine);
  }

  /** The plans of queries, by their shape. */
  get cache(): PlanCache<Plan> {
    return this.#engine.cache;
  }

  /** The pool of connections; that of the readers if there is a single writer. */
  get pool(): Pool<Connection> {
    return this.#engine.connections.read;
  }

  /** The queue of writes. */
  get batch(): BatchProcessor {
    return this.#engine.batch;
  }

  /** What is measured of it. */
  get metrics(): Metrics {
    return this.#engine.metrics;
  }

  /**
   * Runs a query of the query language (docs/query-language.md). `R` is the type that the caller knows its rows to have;
   * nothing checks it.
   */
  query<R extends object = Row>(
    text: string,
    parameters: Parameters = [],
    options: CallOptions = NO_BOUNDS,
  ): Promise<QueryResult<R>> {
    return promised(() => {
      this.#gate.check("query()", options);
      return this.#gate.run("query()", () => this.#queries.run(text, parameters, options));
    }) as Promise<QueryResult<R>>;
  }

  /** The rows of a SELECT one by one, in constant memory. A connection is held until the iteration ends. */
  stream<R extends object = Row>(
    text: string,
    parameters: Parameters = [],
    options: CallOptions = NO_BOUNDS,
  ): AsyncIterableIterator<R> {
    this.#gate.check("stream()", options);
    return this.#queries.stream(text, parameters, options) as AsyncIterableIterator<R>;
  }

  /** What a query would do: its shape, how the plan cache answers, the engine's statement and plan. */
  async explain(text: string, parameters: Parameters = []): Promise<Explanation> {
    this.#gate.check("explain()");
    return this.#gate.run("explain()", () => this.#engine.explainer.explain(text, parameters));
  }

  /** The document of an id. `T` is the type that the caller knows it to have; nothing checks it. */
  get<T extends object = Document>(
    collection: string,
    id: string | number,
    options: CallOptions = NO_BOUNDS,
  ): Promise<T | undefined> {
    return promised(() => {
      this.#gate.check("get()", options);
      const key = encodeId(id);
      return this.#gate.run("get()", () => this.#get(collection, key, options));
    }) as Promise<T | undefined>;
  }

  /** A handle of one collection: documents are read as the schema gives them, and inserted as it takes them. */
  collection<S extends StandardSchema<object>>(
    name: string,
    options: { readonly schema: S },
  ): Collection<OutputOf<S>, InputOf<S>>;
  /** A handle of one collection, whose documents the caller knows to be of the type `T`. */
  collection<T extends object = Document>(name: string, options?: CollectionOptions<T>): Collection<T>;
  collection<T extends object>(name: string, options: CollectionOptions<T> = {}): Collection<T> {
    checkCollectionOptions(options);
    return new Collection(this.#host, name, options.schema);
  }

  /**
   * Resolves to the document's id when it is committed. Of this and the other writes: `signal` and `timeoutMs` end the call,
   * not what was sent. A write that was not sent is taken back (its error's `outcome` is `rejected`), the outcome of one
   * that was is `unknown`.
   */
  insert(collection: string, document: unknown, options?: CallOptions): Promise<string> {
    return this.#write(
      "insert()",
      { kind: "insert", collection, id: undefined, value: document },
      options,
      idOf,
    );
  }

  /** Merges a patch into a document by JSON Merge Patch (RFC 7396). */
  update(collection: string, id: string | number, patch: unknown, options?: CallOptions): Promise<void> {
    return this.#write("update()", { kind: "update", collection, id, value: patch }, options, nothing);
  }

  /** Inserts a document or replaces the one with its id. */
  upsert(collection: string, document: unknown, options?: CallOptions): Promise<string> {
    return this.#write(
      "upsert()",
      { kind: "upsert", collection, id: undefined, value: document },
      options,
      idOf,
    );
  }

  /** Resolves to whether there was such a document: false also where its collection is not there yet. */
  delete(collection: string, id: string | number, options?: CallOptions): Promise<boolean> {
    return this.#write("delete()", { kind: "delete", collection, id, value: undefined }, options, wasFound);
  }

  /**
   * Inserts many. Of this and the other batch calls: resolves when all are settled, and never rejects for an operation's
   * failure, which is in the result's `errors`.
   */
  batchInsert(collection: string, documents: Iterable<unknown>, options?: CallOptions): Promise<BatchResult> {
    return this.#writeAll("insert", collection, documents, options);
  }

  /** Merges patches by JSON Merge Patch (RFC 7396): `[{ id, document }]`. */
  batchUpdate(
    collection: string,
    updates: Iterable<{ readonly id: string | number; readonly document: unknown }>,
    options?: CallOptions,
  ): Promise<BatchResult> {
    return this.#writeAll("update", collection, updates, options);
  }

  /** Inserts many, or replaces those with their ids. */
  batchUpsert(collection: string, documents: Iterable<unknown>, options?: CallOptions): Promise<BatchResult> {
    return this.#writeAll("upsert", collection, documents, options);
  }

  /** Deletes many by their ids. One that is not there is deleted already, and no failure. */
  batchDelete(
    collection: string,
    ids: Iterable<string | number>,
    options?: CallOptions,
  ): Promise<BatchResult> {
    return this.#writeAll("delete", collection, ids, options);
  }

  /** Sends what is queued; the result is that of all that was added since the last flush. */
  flush(): Promise<BatchResult> {
    return this.#reporting("flush()", () => this.batch.flush());
  }

  /** Writes all documents of an iterable, in bounded memory. */
  import(
    collection: string,
    documents: Iterable<unknown> | AsyncIterable<unknown>,
    options: ImportOptions = {},
  ): Promise<ImportResult> {
    const { batch, reads, connections, backend, reporter } = this.#engine;
    const engineTime = async (): Promise<number> => {
      const text = `SELECT ${backend.dialect.expressions.now}`;
      const asked = unprepared(text, { cost: "point", returnsRows: true });
      const { rows } = await connections.use("read", {}, (connection) => connection.execute(asked, []));
      return Number(rows[0]![0]);
    };
    return this.#reporting("import()", () =>
      importDocuments(
        {
          batch,
          reads,
          clock: reporter.clock,
          engineTime,
          maxRows: backend.batchLimits?.maxRows ?? Infinity,
          groupsAtOnce: backend.batchLimits?.groupsAtOnce ?? 1,
          rejected: (code) => reporter.failedWith(code),
        },
        collection,
        documents,
        options,
      ),
    );
  }

  /** Runs `fn` as one transaction, again where the engine asks for it. */
  async transaction<T>(fn: (tx: Transaction) => Promise<T>, options?: TransactionOptions): Promise<T> {
    this.#gate.check("transaction()");
    return this.#reported("transaction", "", "transaction", (times) =>
      this.#engine.transactions.run(fn, options, times),
    );
  }

  /** Resolves to whether the collection was made by this call. */
  async createCollection(collection: string): Promise<boolean> {
    return this.#changeSchema("createCollection", collection, () => this.#engine.catalog.create(collection));
  }

  /** Drops a collection with all its documents. Resolves to whether there was one. */
  async dropCollection(collection: string): Promise<boolean> {
    return this.#changeSchema("dropCollection", collection, () => this.#engine.catalog.drop(collection));
  }

  /** The names of all collections, in their order. */
  async listCollections(): Promise<readonly string[]> {
    this.#gate.check("listCollections()");
    return this.#gate.run("listCollections()", () => this.#engine.catalog.refresh());
  }

  /** Makes an index over one or more paths; resolves to its name. */
  async createIndex(
    collection: string,
    paths: string | readonly string[],
    options: IndexOptions = {},
  ): Promise<string> {
    return this.#changeSchema("createIndex", collection, () =>
      this.#engine.schema.createIndex(collection, paths, options),
    );
  }

  /** Drops an index by its name. Rejects with `FORMDB_NOT_FOUND` if there is none. */
  async dropIndex(collection: string, name: string): Promise<void> {
    return this.#changeSchema("dropIndex", collection, () =>
      this.#engine.catalog.dropIndex(collection, name),
    );
  }

  /** The indexes of a collection, or of all. */
  async listIndexes(collection?: string): Promise<readonly IndexDefinition[]> {
    this.#gate.check("listIndexes()");
    if (collection !== undefined) checkCollectionName(collection);
    return this.#gate.run("listIndexes()", () => this.#engine.catalog.indexes(collection));
  }

  /** Whether the engine answers now: a statement of no effect goes there and back. Rejects if it does not. */
  async ping(options: CallOptions = NO_BOUNDS): Promise<void> {
    this.#gate.check("ping()", options);
    await this.sql("SELECT 1", [], { ...options, readOnly: true });
  }

  /**
   * Copies a SQLite database, as it is at one moment and while it is used, to a new file that is a database of its own. The
   * file appears when it is whole and on the disk. What is queued and not yet written is not part of it: `flush()` first.
   * Throws `FORMDB_UNSUPPORTED` on PostgreSQL, `FORMDB_CONFIG` for the database's own file and for one that is there
   * (unless `overwrite`).
   */
  async backup(file: string, options: BackupOptions = {}): Promise<BackupResult> {
    checkOptions("backup()", options, BACKUP_OPTIONS);
    return this.#reporting("backup()", () => {
      throwIfAborted("backup()", options.signal);
      const { backend, connections, calls, reporter } = this.#engine;
      if (backend.backup === undefined) {
        throw new FormDBError(
          "FORMDB_UNSUPPORTED",
          "backup() copies SQLite databases; a PostgreSQL server's is saved by its own pg_dump or pg_basebackup",
        );
      }
      const { clock } = reporter;
      const asked = clock.now();
      const work = (): Promise<BackupResult> =>
        backend.backup!(file, { ...options, ...remaining(boundsOf(options), clock.now() - asked) });
      // The one connection of a database in memory is held, so that nobody writes meanwhile.
      return calls.run(() =>
        backend.separateWriter ? work() : connections.use("write", boundsOf(options), work),
      );
    });
  }

  /**
   * Looks whether the database is as it must be: SQLite's file (its own integrity check), the indexes that are registered
   * and those that there are, and each document's JSON, id and version. Reads everything, and changes nothing.
   */
  async check(options: CallOptions = NO_BOUNDS): Promise<CheckResult> {
    this.#gate.check("check()", options);
    return this.#gate.run("check()", () => this.#engine.checker.run(options));
  }

  /** The statements that took the most time, by shape. */
  statements(): readonly StatementStats[] {
    return this.#engine.statements.list();
  }

  /** What there is to know of it now. */
  stats(): DatabaseStats {
    const { backend, cache, connections, batch } = this.#engine;
    const { read, write } = connections.stats();
    return {
      profile: backend.profile,
      url: backend.safeUrl,
      cache: cache.stats(),
      pool: read,
      writer: write,
      batch: batch.stats(),
    };
  }

  /**
   * Delivers what is queued, then closes. Resolves to what could not be delivered. Closing again gives the same, by the
   * deadline of the first call. Inside `transaction()`, which it would wait for, it is refused with `FORMDB_UNSUPPORTED`.
   */
  async close(options: CloseOptions = {}): Promise<CloseResult> {
    checkOptions("close()", options, { deadlineMs: milliseconds });
    this.#engine.transactions.refuseInside("close()", "call it after the transaction's end");
    this.#gate.close();
    this.#closing ??= this.#close(options);
    return this.#closing;
  }

  /** True once `close()` was called. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** Closes it, as `await using` does. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(options: CloseOptions): Promise<CloseResult> {
    const { batch, calls, connections, backend, release, reporter } = this.#engine;
    const { clock } = reporter;
    const { deadlineMs } = options;
    const start = clock.now();
    const leftMs = (): number | undefined =>
      deadlineMs === undefined ? undefined : Math.max(0, deadlineMs - (clock.now() - start));
    try {
      const result = await batch.close(options);
      const ended = await calls.close(leftMs());
      await connections.close(ended ? leftMs() : 0);
      return result;
    } finally {
      await backend.stop();
      release();
    }
  }

  #get(collection: string, key: string, options: CallOptions): Answer<Document | undefined> {
    const { catalog, reads, readsAtOnce, reporter, writer } = this.#engine;
    const found = readsAtOnce.get(collection, key, options);
    if (found !== undefined) return answered(found, orUndefined);
    if (catalog.has(collection)) return reads.get(collection, key, options);
    checkCollectionName(collection);
    const time = new TimeOfParts("get()", options, reporter.clock);
    return writer
      .mayRead(collection, time.next())
      .then((may) => (may ? reads.get(collection, key, time.next()) : undefined));
  }

  async #reporting<T>(what: string, work: () => Promise<T>): Promise<T> {
    this.#gate.check(what);
    this.#engine.transactions.refuseInside(what);
    try {
      return await work();
    } catch (error) {
      this.#engine.reporter.failed(error);
      throw error;
    }
  }

  /** No async function: the queue's own promise is the caller's, so that a call that is refused keeps nothing else alive. */
  #write<T>(
    what: string,
    write: Write,
    options: CallOptions | undefined,
    give: (id: string, ending: Ending) => T,
  ): Promise<T> {
    try {
      this.#checkWrite(what, options);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#engine.batch.write(write, options, give);
  }

  #writeAll(
    kind: WriteKind,
    collection: string,
    items: Iterable<unknown>,
    options: CallOptions | undefined,
  ): Promise<BatchResult> {
    try {
      this.#checkWrite(BATCH_CALLS[kind], options);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#engine.batch.submitAll(kind, collection, items, options);
  }

  #checkWrite(what: string, options: CallOptions | undefined): void {
    try {
      this.#gate.check(what, options);
      this.#engine.transactions.refuseInside(what);
    } catch (error) {
      throw errorForCaller(error as FormDBError, "rejected", 0);
    }
  }

  #changeSchema<T>(name: string, collection: string, work: () => Promise<T>): Promise<T> {
    this.#gate.check(`${name}()`);
    this.#engine.transactions.refuseInside(`${name}()`);
    return this.#reported("ddl", checkCollectionName(collection), name, work);
  }

  #reported<T>(
    operation: "ddl" | "transaction",
    collection: string,
    shape: string,
    work: (times: QueryTimes) => Promise<T>,
  ): Promise<T> {
    const { calls, reporter } = this.#engine;
    return calls.run(() => reporter.report({ operation, collection, shape, cacheHit: true }, () => 0, work));
  }

  async #runSql(statement: SqlStatement, options: SqlOptions): Promise<QueryResult> {
    this.#gate.check("sql()");
    checkOptions("sql()", options, SQL_OPTIONS);
    const { sql, connections, transactions } = this.#engine;
    const beforeWriting = (): void => transactions.refuseInside("An sql() that writes");
    // Where only the caller knows what reads, it is told before it waits.
    if (options.readOnly !== true && !connections.refusesWrites) beforeWriting();
    return this.#gate.run("sql()", () => sql.run(statement, options, beforeWriting));
  }
}
