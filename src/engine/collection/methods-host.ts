import type { CallOptions } from "../../base/abort.ts";
import type { Row } from "../../base/document.ts";
import type { BatchResult } from "../../batch/group.ts";
import type { Explanation } from "../explain.ts";
import type { PlannedTree } from "../plan-source.ts";
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

/** What a collection's handle asks of its database by the database's own methods, wherever that database is. */
export abstract class MethodsHost implements CollectionHost {
  readonly #database: DatabaseMethods;

  constructor(database: DatabaseMethods) {
    this.#database = database;
  }

  get(collection: string, id: string | number, options?: CallOptions): Promise<Row | undefined> {
    return this.#database.get(collection, id, options);
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

  createIndex(
    collection: string,
    paths: string | readonly string[],
    options?: IndexOptions,
  ): Promise<string> {
    return this.#database.createIndex(collection, paths, options);
  }

  abstract getVersioned(
    collection: string,
    id: string | number,
    options?: CallOptions,
  ): Promise<Versioned<Row> | undefined>;
  abstract run(what: string, tree: PlannedTree, options: CallOptions): Promise<QueryResult>;
  abstract stream(tree: PlannedTree, options: CallOptions): AsyncIterable<Row>;
  abstract explain(tree: PlannedTree): Promise<Explanation>;
}

const NO_BOUNDS: CallOptions = Object.freeze({});

/** The bounds alone of options that say more. */
export function boundsOf({ signal, timeoutMs }: CallOptions): CallOptions {
  return signal === undefined && timeoutMs === undefined ? NO_BOUNDS : { signal, timeoutMs };
}
