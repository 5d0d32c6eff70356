import type { CallOptions } from "../../base/abort.ts";
import type { Row } from "../../base/document.ts";
import type { BatchResult } from "../../batch/group.ts";
import type { Explanation } from "../explain.ts";
import type { PlannedTree } from "../plan-source.ts";
import type { QueryResult } from "../read.ts";
import type { IndexOptions } from "../schema.ts";

/** A document and its version, which counts from 1 with each change. */
export interface Versioned<T> {
  readonly document: T;
  readonly version: number;
}

/** What a collection's handle works on: a database, or a transaction. */
export interface CollectionHost {
  get(collection: string, id: string | number, options?: CallOptions): Promise<Row | undefined>;
  getVersioned(
    collection: string,
    id: string | number,
    options?: CallOptions,
  ): Promise<Versioned<Row> | undefined>;
  insert(collection: string, document: unknown, options?: CallOptions): Promise<string>;
  insertAll(collection: string, documents: readonly unknown[], options?: CallOptions): Promise<BatchResult>;
  upsert(collection: string, document: unknown, options?: CallOptions): Promise<string>;
  delete(collection: string, id: string | number, options?: CallOptions): Promise<boolean>;
  /** Runs a query or a change that was made without a text. `what` is the call. */
  run(what: string, tree: PlannedTree, options: CallOptions): Promise<QueryResult>;
  stream(tree: PlannedTree, options: CallOptions): AsyncIterable<Row>;
  explain(tree: PlannedTree): Promise<Explanation>;
  createIndex(collection: string, paths: string | readonly string[], options?: IndexOptions): Promise<string>;
}
