import { boundsOf, type CallOptions } from "../../base/abort.ts";
import { type Clock, systemClock } from "../../base/clock.ts";
import { encodeId, type Row } from "../../base/document.ts";
import { FormDBError } from "../../base/errors.ts";
import { isText } from "../../query/tree-text.ts";
import type { CollectionHost, DatabaseMethods, Versioned } from "../collection/host.ts";
import type { Explanation } from "../explain.ts";
import type { FormDB } from "../form-db.ts";
import type { PlannedTree } from "../plan-source.ts";
import type { QueryResult } from "../read.ts";
import type { HttpCalls } from "./http-calls.ts";

type Methods = DatabaseMethods & Pick<FormDB, "query" | "stream" | "explain">;

/** A database behind HTTP as what a collection's handle works on: what has a text is sent as one. */
export class HttpHost implements CollectionHost {
  readonly methods: Methods;
  readonly clock: Clock = systemClock;
  readonly elsewhere: HttpCalls;

  constructor(methods: Methods, calls: HttpCalls) {
    this.methods = methods;
    this.elsewhere = calls;
  }

  async getVersioned(
    collection: string,
    id: string | number,
    options: CallOptions = {},
  ): Promise<Versioned<Row> | undefined> {
    return this.elsewhere.getVersioned(collection, encodeId(id), options);
  }

  async run(_what: string, tree: PlannedTree, options: CallOptions): Promise<QueryResult> {
    try {
      return await this.methods.query(textOf(tree), tree.values, boundsOf(options));
    } catch (error) {
      if (isUnknown(error)) return { rows: [], rowCount: 0 };
      throw error;
    }
  }

  async *stream(tree: PlannedTree, options: CallOptions): AsyncGenerator<Row> {
    try {
      yield* this.methods.stream(textOf(tree), tree.values, boundsOf(options));
    } catch (error) {
      if (!isUnknown(error)) throw error;
    }
  }

  async explain(tree: PlannedTree): Promise<Explanation> {
    return this.methods.explain(textOf(tree), tree.values);
  }
}

/** A collection that a first insert would make reads as empty before that. */
function isUnknown(error: unknown): boolean {
  return error instanceof FormDBError && error.code === "FORMDB_UNKNOWN_COLLECTION";
}

/** The text of a tree's shape, with a parameter for each of its slots. Names in back-quotes stay as they are. */
function textOf({ key }: PlannedTree): string {
  if (!isText(key)) {
    throw new FormDBError(
      "FORMDB_UNSUPPORTED",
      "This can't be explained over HTTP: the query language has no text for it",
    );
  }
  return key.replace(/`(?:[^`]|``)*`|#(\d+)/g, (part, slot?: string) => {
    return slot === undefined ? part : `$${Number(slot) + 1}`;
  });
}
