import type { IndexPath } from "../base/subject.ts";

/** An index over one or more places of a collection's documents. */
export interface IndexDefinition {
  readonly collection: string;
  readonly name: string;
  readonly paths: readonly IndexPath[];
  readonly unique: boolean;
}

/** An index of a collection over a path; undefined if there is none. */
export type IndexOf = (path: IndexPath) => IndexDefinition | undefined;

/** The statements that make, drop and list collections and indexes. Each list is run in its order. */
export interface DdlDialect {
  /** FormDB's own tables, each `IF NOT EXISTS`: `formdb_indexes` and `formdb_batches`. */
  readonly bootstrap: readonly string[];
  /** `IF NOT EXISTS`, so that two processes can do it at once. */
  createCollection(collection: string): readonly string[];
  /** `indexes` are those that are known, for an engine that drops them by themselves. */
  dropCollection(collection: string, indexes?: readonly IndexDefinition[]): readonly string[];
  createIndex(index: IndexDefinition): readonly string[];
  dropIndex(collection: string, name: string): readonly string[];
  /** The name that an index has in the engine's own schema. */
  indexName(collection: string, name: string): string;
  /** The name of the index behind a collection's ids. */
  primaryKeyName(collection: string): string;
  /** Rows `[collection]` for each table that is a collection. */
  readonly listCollections: string;
  /** Rows `[collection, name, paths as JSON text, unique as 0/1 or boolean]`, of all collections. */
  readonly listIndexes: string;
  /** Rows `[name in the engine's schema, definition]` of indexes, those of collections among them. */
  readonly listDefinitions: string;
  /** Whether an index of this definition is one that conditions use: earlier versions made others. */
  isCurrent(index: IndexDefinition, definition: string): boolean;
  /** Rows `[what is wrong]`, or one row `["ok"]`, of the engine's own check of its file; left out if a server does that. */
  readonly integrity?: string | undefined;
  /** Rows `[name in the engine's schema]` of indexes that the engine does not use; left out if there can be none. */
  readonly invalidIndexes?: string | undefined;
  /** The names in the engine's schema of indexes that `listDefinitions` gives, and that belong to FormDB's own tables. */
  readonly ownIndexes: readonly string[];
  /** Rows `[id, what is wrong]` of documents that are not as FormDB writes them, at most `limit`. Reads all of them. */
  wrongDocuments(collection: string, limit: number): string;
}
