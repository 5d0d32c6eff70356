import type { DocumentPath } from "../ddl-dialect.ts";
import type { ExpressionDialect } from "../expression-dialect.ts";
import { type Bound, type Fragment, sql } from "../fragment.ts";
import { change } from "./changes.ts";
import {
  aggregate,
  column,
  groupBy,
  groupColumn,
  indexExpressions,
  orderBy,
  orderByAggregate,
  orderByGroup,
  orderGroupsTotally,
} from "./columns.ts";
import { contains, equalPaths, equals, isIn, isNull, like, orderPaths, orders, truth } from "./conditions.ts";
import { termOf } from "./terms.ts";

const uniqueGuard = (path: DocumentPath): string => termOf(path).guard;

function limit(count: Bound | undefined, offset: Bound | undefined): Fragment {
  const head = count === undefined ? [] : sql` LIMIT ${count}::bigint`;
  return offset === undefined ? head : sql`${head} OFFSET ${offset}::bigint`;
}

/**
 * How PostgreSQL spells conditions and columns. What is at a path has a rank (its type), a number and a text; an
 * index holds the three, so equality, ranges and orderings use it. Texts are ordered by code point whatever the
 * order of the database is.
 */
export const postgresExpressions: ExpressionDialect = Object.freeze({
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
  documentColumns: "id, doc::text",
  column,
  aggregate,
  orderBy,
  groupBy,
  groupColumn,
  orderByGroup,
  orderGroupsTotally,
  orderByAggregate,
  limit,
  change,
  now: "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
});
