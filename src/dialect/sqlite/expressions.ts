import type { IndexedPlace } from "../../base/subject.ts";
import type { IndexOf } from "../ddl-dialect.ts";
import { type ExpressionDialect, indexedField } from "../expression-dialect.ts";
import { canChange, change, document, lock, staysFinite, versionIs } from "./changes.ts";
import { column, documents, limit } from "./columns.ts";
import { documentConditions } from "./elements.ts";
import { grouping } from "./grouping.ts";
import { fieldTerm } from "./terms.ts";

function indexExpressions(place: IndexedPlace): readonly string[] {
  return [fieldTerm(indexedField(place)).value];
}

function indexColumns(places: readonly IndexedPlace[], unique: boolean): readonly string[] {
  const guards = places.map((place) => {
    const { type } = fieldTerm(indexedField(place));
    return `(CASE WHEN ${type} IN ('integer', 'real', 'text') THEN 1 WHEN ${type} IN ('true', 'false') THEN 0 END)`;
  });
  return [...places.flatMap(indexExpressions), ...(unique ? guards : [])];
}

/**
 * How SQLite spells conditions and columns. A value is compared first, as an index holds it; the look at its
 * type follows for the rows that are left, since SQLite takes TRUE for 1 and gives arrays and objects as texts.
 */
export const sqliteExpressions: ExpressionDialect = Object.freeze({
  indexExpressions,
  indexColumns,
  conditions: documentConditions(() => undefined),
  documentColumns: "id, json(doc)",
  column,
  documents,
  grouping,
  limit,
  change,
  canChange,
  staysFinite,
  document,
  versionIs,
  lock,
  now: "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
});

/** The same for a collection whose indexes are known. */
export function expressionsFor(indexOf: IndexOf): ExpressionDialect {
  return Object.freeze({ ...sqliteExpressions, conditions: documentConditions(indexOf) });
}
