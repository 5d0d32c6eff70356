import type { Connection } from "../backend/backend.ts";
import {
  bounded,
  type CallOptions,
  isBounded,
  NO_BOUNDS,
  remaining,
  TimeOfParts,
  throwIfAborted,
} from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import { checkCollectionName } from "../base/collection-name.ts";
import { type Document, encodeId, type Row } from "../base/document.ts";
import { FormDBError, noteDetail } from "../base/errors.ts";
import type { WriteKind } from "../base/observer.ts";
import { CALL_BOUNDS, checkOptions } from "../base/options.ts";
import type { Stopwatch } from "../base/stopwatch.ts";
import { encodeOperation, type Operation, type Write } from "../batch/operation.ts";
import type { Parameters } from "../plan/plan.ts";
import type { Catalog } from "./catalog.ts";
import { Collection, type CollectionOptions } from "./collection/collection.ts";
import type { Versioned } from "./collection/host.ts";
import {
  checkCollectionOptions,
  type InputOf,
  type OutputOf,
  type StandardSchema,
} from "./collection/standard-schema.ts";
import { TransactionHost } from "./collection/transaction-host.ts";
import { dispatch, type QueryPlace } from "./dispatch.ts";
import { AS_DOCUMENT, AS_VERSIONED, decodeAs, type Form, readThrough } from "./get.ts";
import { documentsOf, encodeAll, insertAll, inserted } from "./insert.ts";
import type { PlannedTree } from "./plan-source.ts";
import type { Query, QueryResult, Reader } from "./read.ts";
import type { QueryFacts, QueryTimes, Reporter } from "./reporter.ts";
import type { SqlRunner } from "./run-sql.ts";
import { type Sql, sqlFunction } from "./sql.ts";
import { TransactionCalls } from "./transaction-calls.ts";
import { mayMake, outcomeWithout, type Writer, writeOne } from "./write.ts";

/** What `fn` works with: every call is a part of the transaction. */
export interface Transaction {
  /** Runs a query as a part of the transaction. */
  query<R extends object = Row>(
    text: string,
    parameters?: Parameters,
    options?: CallOptions,
  ): Promise<QueryResult<R>>;
  /** The document of an id, as the transaction sees it. */
  get<T extends object = Document>(collection: string, id: string | number): Promise<T | undefined>;
  /** Inserts a document; resolves to its id. */
  insert(collection: string, document: unknown): Promise<string>;
  /**
   * Merges a patch by JSON Merge Patch (RFC 7396). Rejects with `FORMDB_NOT_FOUND` if there is no such
   * document.
   */
  update(collection: string, id: string | number, patch: unknown): Promise<void>;
  /** Inserts a document or replaces the one with its id. */
  upsert(collection: string, document: unknown): Promise<string>;
  /** Resolves to whether there was such a document. */
  delete(collection: string, id: string | number): Promise<boolean>;
  /** Runs the engine's own SQL as a part of the transaction; see `FormDB.sql`. */
  readonly sql: Sql;
  /** A handle whose calls are part of the transaction, of documents that a schema checks. */
  collection<S extends StandardSchema<object>>(
    name: string,
    options: { readonly schema: S },
  ): Collection<OutputOf<S>, InputOf<S>>;
  /** A handle whose calls are part of the transaction. */
  collection<T extends object = Document>(name: string, options?: CollectionOptions<T>): Collection<T>;
}

/** What a transaction works with. */
export interface TransactionTools {
  readonly connection: Connection;
  readonly catalog: Catalog;
  readonly reader: Reader;
  readonly writer: Writer;
  readonly makeId: () => string;
  readonly reporter: Reporter;
  readonly sql: SqlRunner;
  readonly findsFirst: boolean | undefined;
  /** Fires where the transaction must end. */
  readonly signal: AbortSignal | undefined;
}

/**
 * A transaction while its function runs: each call is a part of it, and it does not end before them. Its connection runs
 * one call at a time, so calls that are made together run in the order in which they were made.
 */
export class OpenTransaction implements Transaction {
  readonly #tools: TransactionTools;
  readonly #inDatabase: Stopwatch;
  readonly #place: QueryPlace;
  readonly #calls = new TransactionCalls();
  readonly #underWay = new Set<Promise<unknown>>();
  /** The call that was made last. */
  #last: Promise<unknown> | undefined;
  /** The collections that the transaction has made. */
  readonly made: Set<string> = new Set<string>();
  readonly clock: Clock;
  readonly findsFirst: boolean | undefined;
  /** Whether it may have written anything. */
  wrote = false;
  readonly sql: Sql;

  constructor(tools: TransactionTools, inDatabase: Stopwatch) {
    this.#tools = tools;
    this.findsFirst = tools.findsFirst;
    this.clock = tools.reporter.clock;
    this.#place = {
      held: { connection: tools.connection, need: (collection, bounds) => this.#need(collection, bounds) },
      insert: (query) => this.#insert(query),
    };
    this.#inDatabase = inDatabase;
    const sql = sqlFunction(tools.sql.placeholder, (statement, options) => {
      return this.#call("sql()", options, (left) => {
        this.wrote = true;
        return tools.sql.runOn(tools.connection, statement, left);
      });
    });
    this.sql = this.#calls.watchFunction(sql);
  }

  /**
   * Waits for the calls that the function did not await, and takes no more. What one of them has failed with, or fails with,
   * is thrown.
   */
  async finish(): Promise<void> {
    // One of a handle's is made of several.
    await this.#calls.finish();
    this.#calls.ended = true;
    await Promise.all(this.#underWay);
    this.#calls.throwUntaken();
  }

  /** Takes no more calls, and resolves when those under way have ended, in whatever way. */
  async end(): Promise<void> {
    this.#calls.ended = true;
    await Promise.allSettled(this.#underWay);
  }

  query<R extends object = Row>(
    text: string,
    parameters: Parameters = [],
    options: CallOptions = NO_BOUNDS,
  ): Promise<QueryResult<R>> {
    return this.#call("query()", options, async (left) => {
      const { reader } = this.#tools;
      const { held } = this.#place;
      const query = reader.plan(text, parameters, left, held);
      this.wrote ||= query.plan.kind !== "select";
      return this.#noticing(query.plan.collections[0] ?? "", () => dispatch(query, this.#place, reader));
    }) as Promise<QueryResult<R>>;
  }

  get<T extends object = Document>(
    collection: string,
    id: string | number,
    options: CallOptions = NO_BOUNDS,
  ): Promise<T | undefined> {
    return this.#read({ collection, id, options }, AS_DOCUMENT) as Promise<T | undefined>;
  }

  #read<T>(
    {
      collection,
      id,
      options,
    }: { readonly collection: string; readonly id: string | number; readonly options: CallOptions },
    form: Form<T>,
  ): Promise<T | undefined> {
    const rows = (found: unknown): number => (found === undefined ? 0 : 1);
    return this.#method({ operation: "get", collection, options }, rows, async (left) => {
      const key = encodeId(id);
      const { connection } = this.#tools;
      const time = new TimeOfParts("get()", left, this.clock);
      if ((await this.#absence(collection, time.next())) !== undefined) return undefined;
      const [found] = await readThrough(connection, form.wholeRow, collection, [key], time.next());
      return found === undefined ? undefined : decodeAs(form, found);
    });
  }

  collection<S extends StandardSchema<object>>(
    name: string,
    options: { readonly schema: S },
  ): Collection<OutputOf<S>, InputOf<S>>;
  collection<T extends object = Document>(name: string, options?: CollectionOptions<T>): Collection<T>;
  collection<T extends object>(name: string, options: CollectionOptions<T> = {}): Collection<T> {
    checkCollectionOptions(options);
    const handle = new Collection<T>(new TransactionHost(this), name, options.schema);
    return this.#calls.watchMethods(handle);
  }

  getVersioned(
    collection: string,
    id: string | number,
    options: CallOptions = NO_BOUNDS,
  ): Promise<Versioned<Document> | undefined> {
    return this.#read({ collection, id, options }, AS_VERSIONED);
  }

  absence(collection: string, options: CallOptions): Promise<string | undefined> {
    return this.#call("The look-up", options, (left) => this.#absence(collection, left));
  }

  /** Runs a query or a change that was made without a text. In a collection that is not there nothing is found. */
  runTree(what: string, tree: PlannedTree, options: CallOptions): Promise<QueryResult> {
    return this.#call(what, options, async (left) => {
      const { reader } = this.#tools;
      const query = reader.planTree(tree, left);
      this.wrote ||= query.plan.kind !== "select";
      const collection = query.plan.collections[0]!;
      if ((await this.#absence(collection, left)) !== undefined) return { rows: [], rowCount: 0 };
      return this.#noticing(collection, () => dispatch(query, this.#place, reader));
    });
  }

  insert(collection: string, document: unknown, options: CallOptions = NO_BOUNDS): Promise<string> {
    return this.#put("insert", collection, document, options);
  }

  upsert(collection: string, document: unknown, options: CallOptions = NO_BOUNDS): Promise<string> {
    return this.#put("upsert", collection, document, options);
  }

  update(collection: string, id: string | number, patch: unknown): Promise<void> {
    return this.#method({ operation: "update", collection, options: NO_BOUNDS }, one, async (left) => {
      await this.#write({ kind: "update", collection, id, value: patch }, left);
    });
  }

  delete(collection: string, id: string | number, options: CallOptions = NO_BOUNDS): Promise<boolean> {
    return this.#method({ operation: "delete", collection, options }, Number, async (left) => {
      const { found } = await this.#write({ kind: "delete", collection, id, value: undefined }, left);
      return found ?? true;
    });
  }

  /** Runs one call of a method as a part of the transaction. `work` is given what is left of the call's bounds. */
  #method<T>(
    { operation, collection, options }: MethodCall,
    rowsOf: (result: T) => number,
    work: (left: CallOptions) => Promise<T>,
  ): Promise<T> {
    return this.#call(`${operation}()`, options, async (left) => {
      checkCollectionName(collection);
      const facts = { operation, collection, shape: `${operation} ${collection}`, cacheHit: true };
      return this.#noticing(collection, () => this.#reported(facts, rowsOf, () => work(left)));
    });
  }

  /** Another process may have dropped the collection: then the next transaction knows that it is gone. */
  async #noticing<T>(collection: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.#tools.catalog.noticeMissing(error, collection);
      throw error;
    }
  }

  #reported<T>(
    facts: QueryFacts,
    rowsOf: (result: T) => number,
    work: (times: QueryTimes) => Promise<T>,
  ): Promise<T> {
    const { reporter } = this.#tools;
    return reporter.report({ ...facts, inTransaction: true }, rowsOf, async (times) => {
      const start = reporter.clock.now();
      try {
        return await work(times);
      } finally {
        times.databaseMs = reporter.clock.now() - start - times.decodeMs;
      }
    });
  }

  /** Inserts all documents or none. Not reported here: it is the whole of the transaction. */
  insertAll(operations: readonly Operation[]): Promise<void> {
    return this.#call("The insert", NO_BOUNDS, (left) => this.#insertAll(operations, left));
  }

  async #insert(query: Query): Promise<QueryResult> {
    const documents = documentsOf(query);
    const collection = query.plan.collections[0]!;
    if (documents.length === 0) return inserted([]);
    if (documents.length === 1) {
      const write: Write = { kind: "insert", collection, id: undefined, value: documents[0] };
      return inserted([(await this.#write(write, query.options)).id]);
    }
    const operations = encodeAll(collection, documents, this.#tools.makeId);
    await this.#insertAll(operations, query.options);
    return inserted(operations.map(({ id }) => id));
  }

  async #insertAll(operations: readonly Operation[], options: CallOptions): Promise<void> {
    this.wrote = true;
    const time = new TimeOfParts("The insert", options, this.clock);
    await this.#ensureCollection(operations[0]!.collection, time.next());
    await insertAll(this.#tools.connection, operations, time.next(), this.clock);
  }

  #put(
    kind: "insert" | "upsert",
    collection: string,
    document: unknown,
    options: CallOptions,
  ): Promise<string> {
    const write = { kind, collection, id: undefined, value: document };
    return this.#method({ operation: kind, collection, options }, one, async (left) => {
      return (await this.#write(write, left)).id;
    });
  }

  async #write(
    write: Write,
    bounds: CallOptions,
  ): Promise<{ readonly id: string; readonly found: boolean | undefined }> {
    throwIfAborted("The write", bounds.signal);
    const { connection, makeId } = this.#tools;
    const { kind, collection, id, json } = encodeOperation(write, makeId);
    this.wrote = true;
    const time = new TimeOfParts("The write", bounds, this.clock);
    if (mayMake(kind)) await this.#ensureCollection(collection, time.next());
    const absence = mayMake(kind) ? undefined : await this.#absence(collection, time.next());
    const group = { kind, collection, ids: [id], json: [json], token: undefined };
    const { found, error } =
      absence === undefined
        ? await writeOne(connection, group, time.next())
        : outcomeWithout(absence, { kind, collection, id });
    if (error !== undefined) throw noteDetail(error, "id", id);
    return { id, found };
  }

  async #ensureCollection(collection: string, bounds: CallOptions): Promise<void> {
    if (this.made.has(collection)) return;
    const { connection, writer } = this.#tools;
    const made = await writer.ensureCollectionOn(connection, collection, bounds);
    if (made) this.made.add(collection);
  }

  async #absence(collection: string, bounds: CallOptions): Promise<string | undefined> {
    const { connection, writer } = this.#tools;
    return this.made.has(collection) ? undefined : writer.absenceOn(connection, collection, bounds);
  }

  /** A call ends with its transaction. */
  #bounds(options: CallOptions): CallOptions {
    const { signal } = this.#tools;
    if (signal === undefined) return options;
    return {
      ...options,
      signal: options.signal === undefined ? signal : AbortSignal.any([options.signal, signal]),
    };
  }

  async #need(collection: string, bounds: CallOptions): Promise<void> {
    const { catalog, connection } = this.#tools;
    if (!this.made.has(collection)) await catalog.needOn(connection, collection, bounds);
  }

  /** Runs one call as a part of the transaction, which does not end before it. `work` is given what is left of its bounds. */
  #call<T>(what: string, options: CallOptions, work: (left: CallOptions) => Promise<T>): Promise<T> {
    return this.#calls.watch(this.#runCall(what, options, work));
  }

  async #runCall<T>(what: string, options: CallOptions, work: (left: CallOptions) => Promise<T>): Promise<T> {
    if (this.#calls.ended) {
      throw new FormDBError(
        "FORMDB_CLOSED",
        "The transaction has ended; its methods can't be called any more",
      );
    }
    if (options !== NO_BOUNDS) checkOptions(what, options, CALL_BOUNDS);
    const bounds = this.#bounds(options);
    this.#inDatabase.start();
    const before = this.#underWay.size === 0 ? undefined : this.#last!;
    const call = before === undefined ? work(bounds) : this.#inTurn(before, what, bounds, work);
    // One whose time runs out while it waits leaves those behind it where they are.
    this.#last = before === undefined || !isBounded(bounds) ? call : Promise.allSettled([before, call]);
    this.#underWay.add(call);
    try {
      return await call;
    } finally {
      this.#underWay.delete(call);
      if (this.#underWay.size === 0 && !this.#calls.ended) this.#inDatabase.stop();
    }
  }

  /** Runs a call when those before it have ended, unless its own time ends first. */
  #inTurn<T>(
    before: Promise<unknown>,
    what: string,
    bounds: CallOptions,
    work: (left: CallOptions) => Promise<T>,
  ): Promise<T> {
    const start = this.clock.now();
    const begin = (): Promise<T> => work(remaining(bounds, this.clock.now() - start));
    if (!isBounded(bounds)) return before.then(begin, begin);
    const ended = before.catch(() => {});
    return bounded(what, ended, this.clock, bounds).then(begin);
  }
}

/** A call of a method, as it was made. */
interface MethodCall {
  readonly operation: "get" | WriteKind;
  readonly collection: string;
  readonly options: CallOptions;
}

/** A write of one document. */
function one(): number {
  return 1;
}
