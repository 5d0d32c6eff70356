import type { DocumentPath } from "../ddl-dialect.ts";
import type { ExpressionDialect } from "../expression-dialect.ts";
import { canChange, change, document, lock, staysFinite, versionIs } from "./changes.ts";
import { column, DOCUMENT_COLUMNS, documents, indexExpressions, limit, orderBy } from "./columns.ts";
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
import { type IsIndexed, termOf } from "./terms.ts";

const uniqueGuard = (path: DocumentPath): string => termOf(path).guard;

/**
 * How PostgreSQL spells conditions and columns. An index over a path holds a key, which begins with the type and goes
 * on with the start of a string, and a number, so equality, ranges and orderings use it. Texts are ordered by code
 * point whatever the order of the database is. Where `isIndexed` is given, what no index holds is spelled without
 * what only an index could use.
 */
export function expressionsFor(isIndexed?: IsIndexed): ExpressionDialect {
  const term = (path: DocumentPath) => termOf(path, isIndexed);
  return Object.freeze<ExpressionDialect>({
    indexExpressions,
    uniqueGuard,
    indexColumns: (paths, unique) => [
      ...paths.flatMap(indexExpressions),
      ...(unique ? paths.map(uniqueGuard) : []),
    ],
    equals: (path, operand, wanted) => equals(term(path), operand, wanted),
    orders: (path, operator, operand, wanted) => orders(term(path), operator, operand, wanted),
    equalPaths: (left, right, wanted) => equalPaths(term(left), term(right), wanted),
    orderPaths: (left, operator, right, wanted) => orderPaths(term(left), operator, term(right), wanted),
    isIn: (path, operand, wanted) => isIn(term(path), operand, wanted),
    like: (path, operand, wanted) => like(term(path), operand, wanted),
    contains: (path, operand, wanted) => contains(term(path), operand, wanted),
    isNull: (path, wanted) => isNull(term(path), wanted),
    ranksFrom: (path, rank, wanted) => ranksFrom(term(path), rank, wanted),
    truth,
    documentColumns: DOCUMENT_COLUMNS,
    column,
    documents: (query) => documents(query, isIndexed),
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
}
