import { type CallOptions, throwIfAborted } from "../../base/abort.ts";
import { checkCollectionName } from "../../base/collection-name.ts";
import { type Document, encodeId, type Row } from "../../base/document.ts";
import { FormDBError, noteDetail } from "../../base/errors.ts";
import { CALL_BOUNDS, checkAreOptions, checkOptions, milliseconds } from "../../base/options.ts";
import { uuidV4, uuidV7 } from "../../base/uuid.ts";
import { iterable } from "../../batch/feeder.ts";
import type { BatchResult } from "../../batch/group.ts";
import type { Write } from "../../batch/operation.ts";
import type { IndexDefinition } from "../../dialect/ddl-dialect.ts";
import type { StatementStats } from "../../metrics/top-statements.ts";
import type { Parameters } from "../../plan/plan.ts";
import { Collection, type CollectionOptions } from "../collection/collection.ts";
import {
  checkCollectionOptions,
  type InputOf,
  type OutputOf,
  type StandardSchema,
} from "../collection/standard-schema.ts";
import type { Explanation } from "../explain.ts";
import type { CloseOptions, CloseResult, DatabaseStats, FormDB } from "../form-db.ts";
import { checkImport, type ImportOptions, type ImportResult } from "../import.ts";
import type { QueryResult } from "../read.ts";
import type { IndexOptions } from "../schema.ts";
import { type Encoded, encodeWrite, writeBatch } from "./http-batch.ts";
import { HttpCalls } from "./http-calls.ts";
import { HttpClient, type Request } from "./http-client.ts";
import { HttpHost } from "./http-host.ts";
import { importOverHttp } from "./http-import.ts";
import { checkKey, HTTP_CHECKS, HTTP_OTHER_NAMES, type HttpOptions } from "./http-options.ts";
import { collectionPath, documentPath, documentsPath } from "./http-paths.ts";
import { HttpQueries } from "./http-queries.ts";
import { HttpSchema } from "./http-schema.ts";
import { WritesInOrder } from "./writes-in-order.ts";

/** Engines of one node, whose keys are best in the order of time. */
const ONE_NODE: ReadonlySet<string> = new Set(["sqlite", "postgres"]);

const NOTHING_LEFT: CloseResult = { result: { successful: 0, failed: 0, errors: [] }, undelivered: [] };

/** The first contact: whether there is such a server, and whether the key is good. */
export async function openHttp(url: string, options: HttpOptions): Promise<HttpDatabase> {
  checkAreOptions("open() of a server's URL", options);
  checkKey(options.apiKey);
  checkOptions("open() of a server's URL", options, HTTP_CHECKS, HTTP_OTHER_NAMES);
  const client = new HttpClient(url, options);
  try {
    const { profile } = await client.json<DatabaseStats>({
      what: "open()",
      method: "GET",
      path: "/v1/stats",
      isRepeatable: true,
    });
    return new HttpDatabase(client, ONE_NODE.has(profile) ? uuidV7 : uuidV4);
  } catch (error) {
    await client.close(0);
    throw error;
  }
}

/**
 * A database behind `formdb serve`: the same calls as those of a database that is opened here. Reads are sent again if the
 * connection is lost, and so are writes that may be done twice: upserts, merge patches, and inserts whose id was made
 * here. What HTTP can't do is `FORMDB_UNSUPPORTED`.
 */
export class HttpDatabase implements Pick<FormDB, keyof FormDB> {
  readonly #client: HttpClient;
  readonly #queries: HttpQueries;
  readonly #schema: HttpSchema;
  readonly #order = new WritesInOrder();
  readonly #host: HttpHost;
  readonly #makeId: () => string;
  #closing: Promise<CloseResult> | undefined;

  constructor(client: HttpClient, makeId: () => string) {
    this.#client = client;
    this.#queries = new HttpQueries(client);
    this.#schema = new HttpSchema(client);
    const checks = {
      read: (what: string, options: CallOptions): void => this.#check(what, options),
      write: (what: string, options: CallOptions): void => this.#checkWrite(what, options),
    };
    this.#host = new HttpHost(this, new HttpCalls(client, this.#order, checks));
    this.#makeId = makeId;
  }

  async query<R extends object = Row>(
    text: string,
    parameters: Parameters = [],
    options?: CallOptions,
  ): Promise<QueryResult<R>> {
    this.#check("query()", options);
    return this.#queries.run({ text, parameters, options }) as Promise<QueryResult<R>>;
  }

  async *stream<R extends object = Row>(
    text: string,
    parameters: Parameters = [],
    options?: CallOptions,
  ): AsyncGenerator<R> {
    this.#check("stream()", options);
    yield* this.#queries.stream({ text, parameters, options }) as AsyncGenerator<R>;
  }

  async explain(text: string, parameters: Parameters = []): Promise<Explanation> {
    this.#check("explain()");
    return this.#queries.explain({ text, parameters });
  }

  async get<T extends object = Document>(
    collection: string,
    id: string | number,
    options?: CallOptions,
  ): Promise<T | undefined> {
    this.#check("get()", options);
    const path = documentPath(collection, encodeId(id));
    try {
      return await this.#client.json<T>({ what: "get()", method: "GET", path, isRepeatable: true, options });
    } catch (error) {
      if (error instanceof FormDBError && error.code === "FORMDB_NOT_FOUND") return undefined;
      throw error;
    }
  }

  collection<S extends StandardSchema<object>>(
    name: string,
    options: { readonly schema: S },
  ): Collection<OutputOf<S>, InputOf<S>>;
  collection<T extends object = Document>(name: string, options?: CollectionOptions<T>): Collection<T>;
  collection<T extends object>(name: string, options: CollectionOptions<T> = {}): Collection<T> {
    checkCollectionOptions(options);
    return new Collection(this.#host, name, options.schema);
  }

  insert(collection: string, document: unknown, options?: CallOptions): Promise<string> {
    return this.#write("insert()", options, async () => {
      const path = documentsPath(collection);
      const { json, id, isOwnId } = this.#encode({
        kind: "insert",
        collection,
        id: undefined,
        value: document,
      });
      const request = {
        what: "insert()",
        method: "POST",
        path,
        body: json,
        isRepeatable: isOwnId,
        options,
      } as const;
      await this.#send(collection, id, request).catch((error: unknown) => {
        // An id that was made here is taken only by an earlier sending of the same document.
        if (isOwnId && error instanceof FormDBError && error.code === "FORMDB_DUPLICATE_ID") return;
        throw error;
      });
      return id;
    });
  }

  update(collection: string, id: string | number, patch: unknown, options?: CallOptions): Promise<void> {
    return this.#write("update()", options, async () => {
      checkCollectionName(collection);
      const { json: body, id: key } = this.#encode({ kind: "update", collection, id, value: patch });
      const path = documentPath(collection, key);
      await this.#send(collection, key, {
        what: "update()",
        method: "PATCH",
        path,
        body,
        isRepeatable: true,
        options,
      });
    });
  }

  upsert(collection: string, document: unknown, options?: CallOptions): Promise<string> {
    return this.#write("upsert()", options, async () => {
      checkCollectionName(collection);
      const { json, id } = this.#encode({ kind: "upsert", collection, id: undefined, value: document });
      const path = documentPath(collection, id);
      await this.#send(collection, id, {
        what: "upsert()",
        method: "PUT",
        path,
        body: json,
        isRepeatable: true,
        options,
      });
      return id;
    });
  }

  delete(collection: string, id: string | number, options?: CallOptions): Promise<boolean> {
    return this.#write("delete()", options, async () => {
      checkCollectionName(collection);
      const { id: key } = this.#encode({ kind: "delete", collection, id, value: undefined });
      const path = documentPath(collection, key);
      const request = { what: "delete()", method: "DELETE", path, isRepeatable: false, options } as const;
      return (await this.#send<{ deleted: boolean }>(collection, key, request)).deleted;
    });
  }

  batchInsert(collection: string, documents: Iterable<unknown>, options?: CallOptions): Promise<BatchResult> {
    return this.#writeAll("insert", collection, documents, options);
  }

  batchUpdate(
    collection: string,
    updates: Iterable<{ readonly id: string | number; readonly document: unknown }>,
    options?: CallOptions,
  ): Promise<BatchResult> {
    return this.#writeAll("update", collection, updates, options);
  }

  batchUpsert(collection: string, documents: Iterable<unknown>, options?: CallOptions): Promise<BatchResult> {
    return this.#writeAll("upsert", collection, documents, options);
  }

  batchDelete(
    collection: string,
    ids: Iterable<string | number>,
    options?: CallOptions,
  ): Promise<BatchResult> {
    return this.#writeAll("delete", collection, ids, options);
  }

  /** Waits for the writes under way. Each of them tells its outcome itself, so that there is nothing left to tell here. */
  async flush(): Promise<BatchResult> {
    this.#check("flush()");
    await this.#order.settled();
    return { successful: 0, failed: 0, errors: [] };
  }

  async import(
    collection: string,
    documents: Iterable<unknown> | AsyncIterable<unknown>,
    options: ImportOptions = {},
  ): Promise<ImportResult> {
    this.#check("import()");
    checkImport(documents, options);
    return importOverHttp(this.#client, `${collectionPath(collection)}/import`, documents, options);
  }

  async createCollection(collection: string): Promise<boolean> {
    this.#check("createCollection()");
    return this.#schema.createCollection(collection);
  }

  async dropCollection(collection: string): Promise<boolean> {
    this.#check("dropCollection()");
    return this.#schema.dropCollection(collection);
  }

  async listCollections(): Promise<readonly string[]> {
    this.#check("listCollections()");
    return this.#schema.listCollections();
  }

  async createIndex(
    collection: string,
    paths: string | readonly string[],
    options: IndexOptions = {},
  ): Promise<string> {
    this.#check("createIndex()");
    return this.#schema.createIndex(collection, paths, options);
  }

  async dropIndex(collection: string, name: string): Promise<void> {
    this.#check("dropIndex()");
    return this.#schema.dropIndex(collection, name);
  }

  async listIndexes(collection?: string): Promise<readonly IndexDefinition[]> {
    this.#check("listIndexes()");
    return this.#schema.listIndexes(collection);
  }

  /** Whether the server and the database behind it answer now. Rejects if they do not. */
  async ping(options?: CallOptions): Promise<void> {
    this.#check("ping()", options);
    await this.#client.json({ what: "ping()", method: "GET", path: "/ready", isRepeatable: true, options });
  }

  /** What `stats()` is for a database that is opened here. */
  async serverStats(): Promise<DatabaseStats> {
    this.#check("serverStats()");
    return this.#client.json({ what: "serverStats()", method: "GET", path: "/v1/stats", isRepeatable: true });
  }

  /** What `statements()` is for a database that is opened here. */
  async serverStatements(): Promise<readonly StatementStats[]> {
    this.#check("serverStatements()");
    const request = {
      what: "serverStatements()",
      method: "GET",
      path: "/v1/statements",
      isRepeatable: true,
    } as const;
    return (await this.#client.json<{ statements: StatementStats[] }>(request)).statements;
  }

  transaction(): Promise<never> {
    return Promise.reject(unsupported("transaction()", "a transaction holds a connection between its calls"));
  }

  backup(): Promise<never> {
    return Promise.reject(unsupported("backup()", "run formdb backup where the server is"));
  }

  check(): Promise<never> {
    return Promise.reject(unsupported("check()", "run formdb check where the server is"));
  }

  get sql(): never {
    throw unsupported("sql()", "a server takes the query language alone");
  }

  stats(): never {
    throw unsupported("stats()", "the server is asked for them: await serverStats()");
  }

  statements(): never {
    throw unsupported("statements()", "the server is asked for them: await serverStatements()");
  }

  get cache(): never {
    throw unsupported("cache", "the plan cache is the server's");
  }

  get pool(): never {
    throw unsupported("pool", "the connection pool is the server's");
  }

  get batch(): never {
    throw unsupported("batch", "the queue of writes is the server's");
  }

  get metrics(): never {
    throw unsupported("metrics", "the server has them, at /metrics");
  }

  /** Waits for the calls under way, then closes the connections. There is no queue here that could hold anything. */
  async close(options: CloseOptions = {}): Promise<CloseResult> {
    checkOptions("close()", options, { deadlineMs: milliseconds });
    // Writes that wait for their turn are no calls of the client's yet.
    this.#closing ??= this.#client.close(options.deadlineMs, this.#order.settled()).then(() => NOTHING_LEFT);
    return this.#closing;
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** Closes it, as `await using` does. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #check(what: string, options?: CallOptions): void {
    if (this.#closing !== undefined) {
      throw new FormDBError("FORMDB_CLOSED", `${what} can't be called: the database is closed`);
    }
    if (options === undefined) return;
    checkOptions(what, options, CALL_BOUNDS);
    throwIfAborted(what, options.signal);
  }

  /** What is refused here is not sent. */
  #checkWrite(what: string, options: CallOptions | undefined): void {
    try {
      this.#check(what, options);
    } catch (error) {
      throw neverTried(error);
    }
  }

  /** What has no outcome was refused before anything was sent. */
  async #write<T>(what: string, options: CallOptions | undefined, write: () => Promise<T>): Promise<T> {
    try {
      this.#check(what, options);
      return await write();
    } catch (error) {
      throw neverTried(error);
    }
  }

  #encode(write: Write): Encoded {
    return encodeWrite(write, this.#makeId);
  }

  #send<T>(collection: string, id: string, request: Omit<Request, "isWrite">): Promise<T> {
    const { what, options } = request;
    return this.#order.run({ what, collection, ids: [id], options }, (left) =>
      this.#client.json<T>({ ...request, isWrite: true, options: left }),
    );
  }

  async #writeAll(
    kind: "insert" | "update" | "upsert" | "delete",
    collection: string,
    items: Iterable<unknown>,
    options: CallOptions | undefined,
  ): Promise<BatchResult> {
    const what = `batch${kind[0]!.toUpperCase()}${kind.slice(1)}()`;
    let path: string;
    let source: Iterable<unknown>;
    try {
      this.#check(what, options);
      path = documentsPath(collection);
      source = iterable(items);
    } catch (error) {
      throw neverTried(error);
    }
    const tools = { client: this.#client, order: this.#order, makeId: this.#makeId };
    return this.#order.batch(writeBatch(tools, { what, kind, path, collection }, source, options));
  }
}

/** Says of the error of a write that has no outcome, so that nothing was sent of it, that it is rejected. */
function neverTried(error: unknown): unknown {
  return noteDetail(noteDetail(error, "outcome", "rejected"), "attempts", 0);
}

function unsupported(what: string, why: string): FormDBError {
  return new FormDBError("FORMDB_UNSUPPORTED", `${what} can't be used over HTTP: ${why}`);
}
