import type { CallOptions } from "../../base/abort.ts";
import { checkCollectionName } from "../../base/collection-name.ts";
import { encodeId, type Row } from "../../base/document.ts";
import type { BatchResult } from "../../batch/group.ts";
import type { Engine } from "../engine.ts";
import type { Explanation } from "../explain.ts";
import type { PlannedTree } from "../plan-source.ts";
import type { Queries } from "../query.ts";
import type { QueryResult } from "../read.ts";
import type { IndexOptions } from "../schema.ts";
import type { CollectionHost, Versioned } from "./host.ts";

/** The methods of a database that a collection's handle uses as they are. */
export interface DatabaseMethods {
  get(collection: string, id: string | number, options?: CallOptions): Promise<Row | undefined>;
  insert(collection: string, document: unknown, options?: CallOptions): Promise<string>;
  batchInsert(collection: string, documents: Iterable<unknown>, options?: CallOptions): Promise<BatchResult>;
  upsert(collection: string, document: unknown, options?: CallOptions): Promise<string>;
  delete(collection: string, id: string | number, options?: CallOptions): Promise<boolean>;
  createIndex(collection: string, paths: string | readonly string[], options?: IndexOptions): Promise<string>;
}

/** What a database does around each call. */
export interface CallGuard {
  /** Throws if the call can't be made now, or not with these options. */
  check(what: string, options?: CallOptions): void;
  /** Runs it so that closing waits for it. */
  call<T>(what: string, work: () => Promise<T>): Promise<T>;
}

/** A database as what a collection's handle works on. */
export class DatabaseHost implements CollectionHost {
  readonly #database: DatabaseMethods;
  readonly #engine: Engine;
  readonly #queries: Queries;
  readonly #guard: CallGuard;

  constructor(database: DatabaseMethods, engine: Engine, queries: Queries, guard: CallGuard) {
    this.#database = database;
    this.#engine = engine;
    this.#queries = queries;
    this.#guard = guard;
  }

  get(collection: string, id: string | number, options?: CallOptions): Promise<Row | undefined> {
    return this.#database.get(collection, id, options);
  }

  async getVersioned(
    collection: string,
    id: string | number,
    options: CallOptions = {},
  ): Promise<Versioned<Row> | undefined> {
    this.#guard.check("get()", options);
    const key = encodeId(id);
    checkCollectionName(collection);
    const { reads, writer } = this.#engine;
    return this.#guard.call("get()", async () =>
      (await writer.mayRead(collection)) ? reads.getVersioned(collection, key, options) : undefined,
    );
  }

  insert(collection: string, document: unknown, options?: CallOptions): Promise<string> {
    return this.#database.insert(collection, document, options);
  }

  insertAll(collection: string, documents: readonly unknown[], options?: CallOptions): Promise<BatchResult> {
    return this.#database.batchInsert(collection, documents, options);
  }

  upsert(collection: string, document: unknown, options?: CallOptions): Promise<string> {
    return this.#database.upsert(collection, document, options);
  }

  delete(collection: string, id: string | number, options?: CallOptions): Promise<boolean> {
    return this.#database.delete(collection, id, options);
  }

  run(what: string, tree: PlannedTree, options: CallOptions): Promise<QueryResult> {
    const bounds = boundsOf(options);
    try {
      this.#guard.check(what, bounds);
    } catch (error) {
      return Promise.reject(error);
    }
    if (this.#engine.writer.knows(collectionOf(tree))) {
      return this.#guard.call(what, async () => this.#queries.runTree(tree, bounds));
    }
    return this.#guard.call(what, async () =>
      (await this.#isThere(tree)) ? this.#queries.runTree(tree, bounds) : { rows: [], rowCount: 0 },
    );
  }

  async *stream(tree: PlannedTree, options: CallOptions): AsyncGenerator<Row> {
    const bounds = boundsOf(options);
    this.#guard.check("find()", bounds);
    if (await this.#isThere(tree)) yield* this.#queries.streamTree(tree, bounds);
  }

  async explain(tree: PlannedTree): Promise<Explanation> {
    this.#guard.check("explain()");
    return this.#guard.call("explain()", () => this.#engine.explainer.explainTree(tree));
  }

  createIndex(
    collection: string,
    paths: string | readonly string[],
    options?: IndexOptions,
  ): Promise<string> {
    return this.#database.createIndex(collection, paths, options);
  }

  /** A collection that a first insert would make reads as empty before that. */
  #isThere(tree: PlannedTree): Promise<boolean> {
    return this.#engine.writer.mayRead(collectionOf(tree));
  }
}

function collectionOf({ statement }: PlannedTree): string {
  return "collection" in statement ? (statement.collection ?? "") : "";
}

const NO_BOUNDS: CallOptions = Object.freeze({});

/** The bounds alone of options that say more. */
function boundsOf({ signal, timeoutMs }: CallOptions): CallOptions {
  return signal === undefined && timeoutMs === undefined ? NO_BOUNDS : { signal, timeoutMs };
}
