import type { CallOptions } from "../../base/abort.ts";
import type { Clock } from "../../base/clock.ts";
import type { Row } from "../../base/document.ts";
import type { FormDBError } from "../../base/errors.ts";
import type { BatchResult } from "../../batch/group.ts";
import type { Answer } from "../answer.ts";
import type { Explanation } from "../explain.ts";
import type { PlannedTree } from "../plan-source.ts";
import type { QueryResult } from "../read.ts";
import type { IndexOptions } from "../schema.ts";
import type { FoundByChange } from "../write.ts";

/** A document and its version, which counts from 1 with each change. */
export interface Versioned<T> {
  readonly document: T;
  readonly version: number;
}

/** A document's version after a change. */
export interface Version {
  readonly version: number;
}

/** What `find()` was asked for, as it was given. */
export interface Asked {
  readonly filter: unknown;
  readonly select?: readonly string[] | undefined;
  readonly orderBy?: object | undefined;
  readonly limit?: number | undefined;
  readonly offset?: number | undefined;
  readonly after?: string | undefined;
}

/** A change of one document, as it was given. */
export type AskedChange =
  | { readonly action: "update"; readonly changes: unknown }
  | { readonly action: "replace"; readonly json: string }
  | { readonly action: "delete" };

/** The document that a change is for, and the version that it must have. */
export interface Target {
  readonly collection: string;
  readonly id: string;
  readonly ifVersion: number | undefined;
}

/** Calls that a server is sent as they were made, since the query language has no text for them. They are checked here before. */
export interface CallsElsewhere {
  count(collection: string, filter: unknown, options: CallOptions): Promise<number>;
  find(collection: string, asked: Asked, options: CallOptions): AsyncIterable<Row>;
  page(
    collection: string,
    asked: Asked,
    options: CallOptions,
  ): Promise<{ readonly rows: Row[]; readonly next: string | undefined }>;
  /** Gives `undefined` for a deleted document, which has no version. Rejects if there was none. */
  change(target: Target, change: AskedChange, options: CallOptions): Promise<Version | undefined>;
  findOneAndUpdate(
    collection: string,
    asked: { readonly filter: unknown; readonly changes: unknown; readonly orderBy: object | undefined },
    options: CallOptions,
  ): Promise<Row | undefined>;
}

/** The document that a change is for, and what its caller is told if it could not be made. */
export interface ChangeOfOne {
  readonly id: string;
  readonly refuse: (found: FoundByChange) => FormDBError;
}

/** The methods of a database that a collection's handle uses as they are. */
export interface DatabaseMethods {
  get(collection: string, id: string | number, options?: CallOptions): Promise<Row | undefined>;
  insert(collection: string, document: unknown, options?: CallOptions): Promise<string>;
  batchInsert(collection: string, documents: Iterable<unknown>, options?: CallOptions): Promise<BatchResult>;
  upsert(collection: string, document: unknown, options?: CallOptions): Promise<string>;
  delete(collection: string, id: string | number, options?: CallOptions): Promise<boolean>;
  createIndex(collection: string, paths: string | readonly string[], options?: IndexOptions): Promise<string>;
}

/** What a collection's handle works on: a database, or a transaction. */
export interface CollectionHost {
  readonly methods: DatabaseMethods;
  readonly clock: Clock;
  /** There for a host that can't be given a tree. */
  readonly elsewhere?: CallsElsewhere;
  /** As the dialect's. */
  readonly findsFirst?: boolean | undefined;
  getVersioned(
    collection: string,
    id: string | number,
    options?: CallOptions,
  ): Promise<Versioned<Row> | undefined>;
  /** What there is instead of a collection that is not there, for an error's message. Left out by a host elsewhere. */
  absence?(collection: string, options: CallOptions): Promise<string | undefined>;
  /**
   * Queues a change of one document, and resolves to its new version. Undefined if it can't be queued; left out where there is
   * no queue.
   */
  change?(
    what: string,
    tree: PlannedTree,
    queued: ChangeOfOne,
    options: CallOptions,
  ): Promise<number> | undefined;
  /** Runs a query or a change that was made without a text. `what` is the call. */
  run(what: string, tree: PlannedTree, options: CallOptions): Answer<QueryResult>;
  stream(tree: PlannedTree, options: CallOptions): AsyncIterable<Row>;
  explain(tree: PlannedTree): Promise<Explanation>;
}
