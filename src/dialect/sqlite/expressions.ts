import type { DocumentPath } from "../ddl-dialect.ts";
import type { ExpressionDialect } from "../expression-dialect.ts";
import { canChange, change, document, lock, staysFinite, versionIs } from "./changes.ts";
import { column, documents, limit, orderBy } from "./columns.ts";
import { documentConditions } from "./elements.ts";
import { grouping } from "./grouping.ts";
import { termOf } from "./terms.ts";

function indexExpressions(path: DocumentPath): readonly string[] {
  const term = termOf(path);
  return [term.value];
}

function uniqueGuard(path: DocumentPath): string {
  const { type } = termOf(path);
  return `(CASE WHEN ${type} IN ('integer', 'real', 'text') THEN 1 WHEN ${type} IN ('true', 'false') THEN 0 END)`;
}

/**
 * How SQLite spells conditions and columns. A value is compared first, as an index holds it; the look at its
 * type follows for the rows that are left, since SQLite takes TRUE for 1 and gives arrays and objects as texts.
 */
export const sqliteExpressions: ExpressionDialect = Object.freeze({
  indexExpressions,
  uniqueGuard,
  indexColumns: (paths: readonly DocumentPath[], unique: boolean): readonly string[] => [
    ...paths.flatMap(indexExpressions),
    ...(unique ? paths.map(uniqueGuard) : []),
  ],
  conditions: documentConditions(termOf),
  documentColumns: "id, json(doc)",
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
  now: "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
});
