import type { ExpressionDialect } from "../expression-dialect.ts";
import { canChange, change, document, lock, staysFinite, versionIs } from "./changes.ts";
import { column, DOCUMENT_COLUMNS, documents, indexColumns, indexExpressions, limit } from "./columns.ts";
import { documentConditions } from "./elements.ts";
import { grouping } from "./grouping.ts";
import { ANY_ENGINE, type TermSpelling, termOf } from "./terms.ts";

/**
 * How PostgreSQL spells conditions and columns. An index over a path holds a key, which begins with the type and goes
 * on with the start of a string, and a number, so equality, ranges and orderings use it. Texts are ordered by code
 * point whatever the order of the database is. Where it is known that no index holds a path, it is spelled without
 * what only an index could use.
 */
export function expressionsFor(spelling: TermSpelling = ANY_ENGINE): ExpressionDialect {
  return Object.freeze<ExpressionDialect>({
    indexExpressions: (place) => indexExpressions(place, spelling),
    indexColumns: (places, unique) => indexColumns(places, unique, spelling),
    conditions: documentConditions((path) => termOf(path, spelling), spelling.indexedAt),
    documentColumns: DOCUMENT_COLUMNS,
    column,
    documents: (query) => documents(query, spelling),
    grouping: (groupBy) => grouping(groupBy, spelling),
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
