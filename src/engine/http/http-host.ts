import type { CallOptions } from "../../base/abort.ts";
import type { Row } from "../../base/document.ts";
import { FormDBError } from "../../base/errors.ts";
import type { Versioned } from "../collection/host.ts";
import { boundsOf, type DatabaseMethods, MethodsHost } from "../collection/methods-host.ts";
import type { Explanation } from "../explain.ts";
import type { FormDB } from "../form-db.ts";
import type { PlannedTree } from "../plan-source.ts";
import type { QueryResult } from "../read.ts";

type Methods = DatabaseMethods & Pick<FormDB, "query" | "stream" | "explain">;

/** A database behind HTTP as what a collection's handle works on: what has a text is sent as one. */
export class HttpHost extends MethodsHost {
  readonly #database: Methods;

  constructor(database: Methods) {
    super(database);
    this.#database = database;
  }

  getVersioned(): Promise<Versioned<Row> | undefined> {
    return Promise.reject(
      new FormDBError("FORMDB_UNSUPPORTED", "Versions of documents can't be used over HTTP"),
    );
  }

  async run(_what: string, tree: PlannedTree, options: CallOptions): Promise<QueryResult> {
    try {
      return await this.#database.query(textOf(tree), tree.values, boundsOf(options));
    } catch (error) {
      if (isUnknown(error)) return { rows: [], rowCount: 0 };
      throw error;
    }
  }

  async *stream(tree: PlannedTree, options: CallOptions): AsyncGenerator<Row> {
    try {
      yield* this.#database.stream(textOf(tree), tree.values, boundsOf(options));
    } catch (error) {
      if (!isUnknown(error)) throw error;
    }
  }

  async explain(tree: PlannedTree): Promise<Explanation> {
    return this.#database.explain(textOf(tree), tree.values);
  }
}

/** A collection that a first insert would make reads as empty before that. */
function isUnknown(error: unknown): boolean {
  return error instanceof FormDBError && error.code === "FORMDB_UNKNOWN_COLLECTION";
}

/**
 * The text of a tree's shape, with a parameter for each of its slots. Names in back-quotes stay as they are. What no text
 * can say is spelled with an `@`.
 */
function textOf({ statement, key }: PlannedTree): string {
  return key.replace(/`(?:[^`]|``)*`|#(\d+)|@\(?/g, (part, slot?: string) => {
    if (slot !== undefined) return `$${Number(slot) + 1}`;
    if (!part.startsWith("@")) return part;
    if (part === "@(") {
      throw new FormDBError(
        "FORMDB_UNSUPPORTED",
        "Several conditions on one element of an array can't be asked over HTTP; ask one of each path",
      );
    }
    throw new FormDBError(
      "FORMDB_UNSUPPORTED",
      statement.type === "select"
        ? "A page after another one can't be read over HTTP; use offset"
        : "Changes by path can't be made over HTTP; use a merge patch, or UPDATE … SET",
    );
  });
}
