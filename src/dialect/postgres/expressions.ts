import type { IndexedPlace } from "../../base/subject.ts";
import { type ExpressionDialect, indexedField } from "../expression-dialect.ts";
import { canChange, change, document, lock, staysFinite, versionIs } from "./changes.ts";
import { column, DOCUMENT_COLUMNS, documents, indexExpressions, limit, orderBy } from "./columns.ts";
import { documentConditions } from "./elements.ts";
import { grouping } from "./grouping.ts";
import { always, fieldTerm, type IsIndexed, termOf } from "./terms.ts";

const uniqueGuard = (place: IndexedPlace): string => fieldTerm(indexedField(place)).guard;

/**
 * How PostgreSQL spells conditions and columns. An index over a path holds a key, which begins with the type and goes
 * on with the start of a string, and a number, so equality, ranges and orderings use it. Texts are ordered by code
 * point whatever the order of the database is. Where `isIndexed` is given, what no index holds is spelled without
 * what only an index could use.
 */
export function expressionsFor(isIndexed: IsIndexed = always): ExpressionDialect {
  return Object.freeze<ExpressionDialect>({
    indexExpressions,
    uniqueGuard,
    indexColumns: (places, unique) => [
      ...places.flatMap(indexExpressions),
      ...(unique ? places.map(uniqueGuard) : []),
    ],
    conditions: documentConditions((path) => termOf(path, isIndexed), isIndexed),
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
