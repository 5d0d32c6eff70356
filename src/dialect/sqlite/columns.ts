import type { JsonValue } from "../../base/document.ts";
import type { Field } from "../../base/subject.ts";
import type { Column, DocumentsQuery } from "../expression-dialect.ts";
import { type Bound, choice, direct, type Fragment, sql } from "../fragment.ts";
import { kindOf } from "../value-rank.ts";
import { encodeValue } from "./conditions.ts";
import { fieldTerm } from "./terms.ts";

export function column(field: Field): Column {
  const term = fieldTerm(field);
  return term.isKey ? { text: "id", form: "text" } : { text: term.json, form: "json" };
}

function orderBy(field: Field, descending: boolean): readonly string[] {
  const { isKey, value, rank, key } = fieldTerm(field);
  // Texts and NULL have the right order by themselves.
  return direct(isKey || field.type !== "path" ? [value] : [rank, key], descending);
}

/**
 * SQLite looks at the value that is bound to a bare `LIMIT ?`, or compared with in a statement that sorts, and from then
 * on compiles the statement anew for each call. It does not look behind a sign, here and in the conditions.
 */
export function limit(count: Bound | undefined, offset: Bound | undefined): Fragment {
  const head = count === undefined ? sql` LIMIT -1` : sql` LIMIT +${count}`;
  if (offset !== undefined) return sql`${head} OFFSET +${offset}`;
  return count === undefined ? [] : head;
}

export function documents(query: DocumentsQuery): Fragment {
  const [first, ...others] = query.orderBy;
  if (first === undefined) return inOrder(query, []);
  const isMixed = first.type === "path" && !fieldTerm(first).isKey;
  const isTop =
    others.length === 0 && query.limit !== undefined && isMixed && tablesIn(query.where) <= MAX_TABLES;
  return isTop ? top(query, query.limit, first) : inOrder(query, allTerms(query.orderBy));
}

/** SQLite takes a statement with `WITH` that has fewer than 1 000 tables, and `top` asks each condition five times. */
const MAX_TABLES = 180;
const TABLE = /\b(?:jsonb?_each|formdb_elements|formdb_indexes|UNION ALL)\b/;
const OF_EVERY_KIND: JsonValue = [true, 0, "", [], {}];

/** How many tables conditions look into at most, such as those of the elements of arrays. */
function tablesIn(fragment: Fragment): number {
  let count = 0;
  for (const piece of fragment) {
    if (typeof piece === "string") count += piece.split(TABLE).length - 1;
    else if ("spell" in piece) {
      const kinds = piece.kindOf === kindOf ? ["string", "array"] : [piece.kindOf(OF_EVERY_KIND)];
      count += Math.max(...kinds.map((kind) => tablesIn(piece.spell(kind))));
    } else if ("all" in piece) for (const each of piece.all) count += tablesIn(each);
    else if ("first" in piece) for (const each of [piece.first, ...piece.then]) count += tablesIn(each);
  }
  return count;
}

/** The terms of several keys, up to the id, which leaves nothing undecided. */
function allTerms(keys: DocumentsQuery["orderBy"]): string[] {
  const terms: string[] = [];
  for (const key of keys) {
    terms.push(...orderBy(key, key.descending));
    if (fieldTerm(key).isKey) return terms;
  }
  return [...terms, "id"];
}

function inOrder(query: DocumentsQuery, terms: readonly string[]): Fragment {
  const order = terms.length === 0 ? "" : ` ORDER BY ${terms.join(", ")}`;
  return sql`SELECT ${query.list} FROM ${query.table}${query.where}${order}${limit(query.limit, query.offset)}`;
}

/**
 * The first documents by one path. SQLite's own order of values, which an index over them has, is the right one but for
 * booleans, which are among the numbers, and for arrays and objects, which are among the strings. So the first ones are
 * taken in that order, and what is found tells whether others could belong there: no array or object where they hold
 * no text, no boolean where they end above 1. Only if that leaves a doubt it is asked whether there is any such value,
 * and only if there is all are sorted by their ranks.
 *
 * `from` lets the index begin at a value. What is not in the index's order may be on the other side of it, so that there is a
 * doubt more: of arrays and objects behind a text, of booleans before a number, and of no value before all.
 */
function top(query: DocumentsQuery, count: Bound, key: DocumentsQuery["orderBy"][number]): Fragment {
  const { list, table, where, offset, from } = query;
  const { descending } = key;
  const { value, type } = fieldTerm(key);
  const total = offset === undefined ? sql`+${count}` : sql`+${count} + ${offset}`;
  const order = direct(["v"], descending)[0]!;
  const is = (condition: string): Fragment =>
    sql`EXISTS (SELECT 1 FROM ${table}${where}${where.length === 0 ? " WHERE " : " AND "}${condition})`;
  const isBoolean = is(`${value} IN (0, 1) AND ${type} IN ('true', 'false')`);
  const isComposite = is(
    `((${value} >= '[' AND ${value} < '\\') OR (${value} >= '{' AND ${value} < '|')) AND ${type} IN ('array', 'object')`,
  );
  // What a choice spells holds no other choices, and those of the conditions are in `where`.
  const ifBegins = (spell: (kind: string) => Fragment, otherwise: string): Fragment =>
    from === undefined
      ? [otherwise]
      : choice(from, kindOf, (kind) => (kind === "number" || kind === "string" ? spell(kind) : [otherwise]));
  const place = { operand: from ?? 0, encode: encodeValue };
  const start = ifBegins(() => sql` AND ${value} ${descending ? "<=" : ">="} +${place}`, "");
  const mayHoldComposite = ifBegins(
    (kind) => [kind === "string" && !descending ? "TRUE" : "max(v) >= ''"],
    "max(v) >= ''",
  );
  const mayHoldBoolean = descending
    ? ifBegins((kind) => [kind === "number" ? "TRUE" : "min(v) <= 1"], "min(v) <= 1")
    : ["max(v) IS NOT NULL"];
  const mayHoldNothing =
    from !== undefined && descending
      ? sql`WHEN ${ifBegins(() => sql`count(*) < ${total}`, "FALSE")} AND ${is(`${value} IS NULL`)} THEN 1 `
      : [];
  const rest = where.length === 0 ? sql` WHERE` : sql`${where} AND`;
  const exact = sql`SELECT ${list} FROM formdb_doubt CROSS JOIN ${table}${rest} mixed ORDER BY ${allTerms(query.orderBy).join(", ")}`;
  // The outer limit keeps the two apart: else SQLite makes a record of each document before it looks whether it is among
  // the first ones.
  const first = sql`SELECT * FROM (SELECT rowid AS r, ${value} AS v FROM ${table}${where}${start} ORDER BY ${direct([value], descending)[0]!}, id LIMIT ${total}) LIMIT -1`;
  return sql`WITH formdb_top AS MATERIALIZED (${first}), formdb_doubt AS MATERIALIZED (SELECT CASE WHEN ${mayHoldComposite} AND ${isComposite} THEN 1 WHEN ${mayHoldBoolean} AND ${isBoolean} THEN 1 ${mayHoldNothing}ELSE 0 END AS mixed FROM formdb_top) SELECT * FROM (SELECT ${list} FROM formdb_top CROSS JOIN ${table} ON ${table}.rowid = r WHERE NOT (SELECT mixed FROM formdb_doubt) ORDER BY ${order}, id${limit(count, offset)}) UNION ALL SELECT * FROM (${exact}${limit(count, offset)})`;
}
