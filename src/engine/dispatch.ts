import { FormDBError } from "../base/errors.ts";
import type { Change } from "../query/syntax-tree.ts";
import type { Held, Query, QueryResult, Reader } from "./read.ts";

/** Where queries run: on connections lent for each, or in a transaction on the one that it holds. */
export interface QueryPlace {
  /** The connection of the transaction. */
  readonly held: Held | undefined;
  insert(query: Query): Promise<QueryResult>;
  /** Left out in a transaction, which takes none. */
  explain?(query: Query): Promise<QueryResult>;
  /** Changes and listings of the schema. Left out in a transaction. */
  changeSchema?(query: Query): Promise<QueryResult>;
}

/** Runs a query by its kind, and reports it as the query that it is. */
export function dispatch(query: Query, place: QueryPlace, reader: Reader): Promise<QueryResult> {
  const { held } = place;
  const { kind } = query.plan;
  switch (kind) {
    case "select":
    case "update":
    case "delete":
      return reader.run(query, kind, held);
    case "change": {
      const { action } = query.plan.tree as Change;
      return reader.run(query, action === "delete" ? "delete" : "update", held);
    }
    case "insert":
      return reader.report(query, { operation: kind, held }, () => place.insert(query));
    case "explain":
      if (place.explain === undefined) throw notInTransaction(query);
      return reader.report(query, { operation: kind, held }, () => place.explain!(query));
    default:
      if (place.changeSchema === undefined) throw notInTransaction(query);
      return reader.report(query, { operation: kind === "introspect" ? kind : "ddl", held }, () =>
        place.changeSchema!(query),
      );
  }
}

function notInTransaction({ plan }: Query): FormDBError {
  return new FormDBError(
    "FORMDB_UNSUPPORTED",
    `A transaction takes SELECT, INSERT, UPDATE and DELETE, not ${plan.shape}`,
  );
}
