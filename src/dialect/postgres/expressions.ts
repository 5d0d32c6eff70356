import type { DocumentPath } from "../ddl-dialect.ts";
import type { ExpressionDialect } from "../expression-dialect.ts";
import { canChange, change, document, lock, staysFinite, versionIs } from "./changes.ts";
import { column, documents, indexExpressions, limit, orderBy } from "./columns.ts";
import {
  contains,
  equalPaths,
  equals,
  isIn,
  isNull,
  like,
  orderPaths,
  orders,
  ranksFrom,
  truth,
} from "./conditions.ts";
import { grouping } from "./grouping.ts";
import { termOf } from "./terms.ts";

const uniqueGuard = (path: DocumentPath): string => termOf(path).guard;

/**
 * How PostgreSQL spells conditions and columns. An index over a path holds a key, which begins with the type and goes
 * on with the start of a string, and a number, so equality, ranges and orderings use it. Texts are ordered by code
 * point whatever the order of the database is.
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
  ranksFrom,
  truth,
  documentColumns: "id, doc::text",
  column,
  documents,
  orderBy,
  grouping,
  limit,
  change,
  canChange,
  staysFinite,
  document,
  versionIs,
  lock,
  now: "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
});
