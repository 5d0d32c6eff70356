import type { DocumentPath } from "../ddl-dialect.ts";
import type { ExpressionDialect } from "../expression-dialect.ts";
import { type Bound, type Fragment, sql } from "../fragment.ts";
import { RANK } from "../value-rank.ts";
import { change } from "./changes.ts";
import { aggregate, column, groupBy, orderBy, orderByAggregate, orderGroupsTotally } from "./columns.ts";
import { contains, equalPaths, equals, isIn, isNull, like, orderPaths, orders, truth } from "./conditions.ts";
import { termOf } from "./terms.ts";

function indexExpressions(path: DocumentPath): readonly string[] {
  const term = termOf(path);
  return term.place === undefined ? ["id"] : [term.rank, term.key];
}

function uniqueGuard(path: DocumentPath): string {
  const { rank } = termOf(path);
  return `(CASE WHEN ${rank} BETWEEN ${RANK.boolean} AND ${RANK.string} THEN 1 END)`;
}

function limit(count: Bound | undefined, offset: Bound | undefined): Fragment {
  const head = count === undefined ? sql` LIMIT -1` : sql` LIMIT ${count}`;
  if (offset !== undefined) return sql`${head} OFFSET ${offset}`;
  return count === undefined ? [] : head;
}

/**
 * How SQLite spells conditions and columns. What is at a path has a rank (its type) and a key (its value among
 * those of its type), both by built-in functions; an index holds the two, so equality, ranges and orderings use it.
 */
export const sqliteExpressions: ExpressionDialect = Object.freeze({
  indexExpressions,
  uniqueGuard,
  indexColumns: (paths: readonly DocumentPath[], unique: boolean): readonly string[] => [
    ...paths.flatMap(indexExpressions),
    ...(unique ? paths.map(uniqueGuard) : []),
  ],
  equals,
  orders,
  equalPaths,
  orderPaths,
  isIn,
  like,
  contains,
  isNull,
  truth,
  documentColumns: "id, json(doc)",
  column,
  aggregate,
  orderBy,
  groupBy,
  groupColumn: column,
  orderByGroup: orderBy,
  orderGroupsTotally,
  orderByAggregate,
  limit,
  change,
  now: "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
});
