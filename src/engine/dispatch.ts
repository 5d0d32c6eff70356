import { FormDBError } from "../base/errors.ts";
import type { QueryOperation } from "../base/observer.ts";
import type { Held, Query, QueryResult, Reader } from "./read.ts";

/** Where queries run: on connections lent for each, or in a transaction on the one that it holds. */
export interface QueryPlace {
  /** The connection of the transaction. */
  readonly held: Held | undefined;
  insert(query: Query): Promise<QueryResult>;
  /** Left out where there is none. */
  explain?(query: Query): Promise<QueryResult>;
  /** The same for changes and listings of the schema. */
  changeSchema?(query: Query): Promise<QueryResult>;
}

/** Runs a query by its kind, and reports it as the query that it is. */
export function dispatch(query: Query, place: QueryPlace, reader: Reader): Promise<QueryResult> {
  const { kind } = query.plan;
  const report = (operation: QueryOperation, run: ((query: Query) => Promise<QueryResult>) | undefined) => {
    if (run === undefined) throw notInTransaction(query);
    return reader.report(query, { operation, held: place.held }, () => run.call(place, query));
  };
  switch (kind) {
    case "select":
    case "update":
    case "delete":
      return reader.run(query, kind, place.held);
    case "insert":
      return report(kind, place.insert);
    case "explain":
      return report(kind, place.explain);
    case "introspect":
      return report(kind, place.changeSchema);
    default:
      return report("ddl", place.changeSchema);
  }
}

function notInTransaction({ plan }: Query): FormDBError {
  return new FormDBError(
    "FORMDB_UNSUPPORTED",
    `A transaction takes SELECT, INSERT, UPDATE and DELETE, not ${plan.shape}`,
  );
}
