import type { DocumentPath } from "../ddl-dialect.ts";
import type { Column, DocumentsQuery } from "../expression-dialect.ts";
import { type Bound, type Fragment, sql } from "../fragment.ts";
import { termOf } from "./terms.ts";

export function column(path: DocumentPath): Column {
  const term = termOf(path);
  return term.isKey ? { text: "id", form: "text" } : { text: `${term.json}::text`, form: "json" };
}

export function direct(terms: readonly string[], descending: boolean): readonly string[] {
  return terms.map((term) => (descending ? `${term} DESC` : term));
}

export function indexExpressions(path: DocumentPath): readonly string[] {
  const { isKey, key, number } = termOf(path);
  return isKey ? ["id"] : [key, number];
}

/** As the index, and then texts with the same start by all of their characters. */
export function orderBy(path: DocumentPath, descending: boolean): readonly string[] {
  const term = termOf(path);
  return direct(term.isKey ? ["id"] : [...indexExpressions(path), term.text], descending);
}

export function limit(count: Bound | undefined, offset: Bound | undefined): Fragment {
  const head = count === undefined ? [] : sql` LIMIT ${count}::bigint`;
  return offset === undefined ? head : sql`${head} OFFSET ${offset}::bigint`;
}

export function documents(query: DocumentsQuery): Fragment {
  const terms: string[] = [];
  for (const { path, descending } of query.orderBy) {
    terms.push(...orderBy(path, descending));
    // The id leaves nothing undecided.
    if (termOf(path).isKey) break;
  }
  const ties =
    query.orderBy.length === 0 || query.orderBy.some(({ path }) => termOf(path).isKey) ? [] : ["id"];
  const order = terms.length === 0 ? "" : ` ORDER BY ${[...terms, ...ties].join(", ")}`;
  return sql`SELECT ${query.list} FROM ${query.table}${query.where}${order}${limit(query.limit, query.offset)}`;
}
