import type { Field, IndexedPlace } from "../../base/subject.ts";
import { type Column, type DocumentsQuery, indexedField } from "../expression-dialect.ts";
import { type Bound, choice, direct, type Fragment, sql } from "../fragment.ts";
import { RANK } from "../value-rank.ts";
import { startsAt } from "./conditions.ts";
import { fieldTerm, type IndexedAt, type PostgresTerm } from "./terms.ts";

export function column(field: Field): Column {
  const term = fieldTerm(field);
  return term.isKey ? { text: "id", form: "text" } : { text: term.json, form: "json" };
}

export function indexExpressions(place: IndexedPlace): readonly string[] {
  const { isKey, key, number } = fieldTerm(indexedField(place));
  if (isKey) return ["id"];
  // There are no numbers among texts.
  return "type" in place ? [key] : [key, number];
}

export function indexColumns(places: readonly IndexedPlace[], unique: boolean): readonly string[] {
  const guards = unique ? places.map((place) => fieldTerm(indexedField(place)).guard) : [];
  return [...places.flatMap(indexExpressions), ...guards];
}

/** As the index, and then texts with the same start by all of their characters. */
function orderBy(field: Field, descending: boolean): readonly string[] {
  const { isKey, key, number, text } = fieldTerm(field);
  return direct(isKey ? ["id"] : [key, number, text], descending);
}

export function limit(count: Bound | undefined, offset: Bound | undefined): Fragment {
  const head = count === undefined ? [] : sql` LIMIT ${count}::bigint`;
  return offset === undefined ? head : sql`${head} OFFSET ${offset}::bigint`;
}

/** The key, and the document, which travels as JSON text. */
export const DOCUMENT_COLUMNS = "id, doc";

type OrderedField = DocumentsQuery["orderBy"][number];

/**
 * The order of `orderBy` where no index gives it, in terms that cost less: numbers by themselves, what comes before them
 * as NULL, and what comes after them as NaN, which is greater than all numbers and no number of a document. The second
 * term tells apart what is no number.
 */
function shortOrderBy(field: OrderedField, { isKey, type, json, plain }: PostgresTerm): readonly string[] {
  const { descending } = field;
  if (isKey) return direct(["id"], descending);
  if (field.type !== "path")
    return [`${plain} COLLATE "C" ${descending ? "DESC NULLS LAST" : "NULLS FIRST"}`];
  const number =
    `CASE ${type} WHEN 'number' THEN ${json}::numeric ` +
    ["string", "array", "object"].map((kind) => `WHEN '${kind}' THEN 'NaN' `).join("") +
    "END";
  const other =
    `(CASE ${type} WHEN 'number' THEN NULL WHEN 'string' THEN '${RANK.string}' || ${plain} ` +
    `WHEN 'boolean' THEN '${RANK.boolean}' || ${plain} WHEN 'array' THEN '${RANK.array}' ` +
    `WHEN 'object' THEN '${RANK.object}' ELSE '${RANK.null}' END COLLATE "C")`;
  return descending ? [`${number} DESC NULLS LAST`, `${other} DESC`] : [`${number} NULLS FIRST`, other];
}

/** The condition, with what lets an index that gives the order begin where there is something. */
function fromPlace({ where, from, orderBy }: DocumentsQuery, first: PostgresTerm | undefined): Fragment {
  if (from === undefined || first?.index === undefined) return where;
  return sql`${where} AND ${startsAt(first, orderBy[0]!.descending, from)}`;
}

/** So few documents are sorted as they are, and only those that are left are turned into columns. */
const FEW_DOCUMENTS = 1_000;

function fewOrMany(count: unknown): string {
  return typeof count === "number" && count <= FEW_DOCUMENTS ? "few" : "many";
}

export function documents(query: DocumentsQuery, indexedAt?: IndexedAt): Fragment {
  const order = query.orderBy.map((field) => ({ term: fieldTerm(field, indexedAt), field }));
  const first = order[0]?.term;
  // An index that gives the first of an order leaves little to do for the others.
  const short = first !== undefined && first.index === undefined;
  const terms: string[] = [];
  for (const { term, field } of order) {
    terms.push(...(short ? shortOrderBy(field, term) : orderBy(field, field.descending)));
    // The id leaves nothing undecided.
    if (term.isKey) break;
  }
  if (terms.length > 0 && !order.some(({ term }) => term.isKey)) terms.push("id");
  const where = fromPlace(query, first);
  const by = terms.length === 0 ? "" : ` ORDER BY ${terms.join(", ")}`;
  const rest = sql` FROM ${query.table}${where}${by}${limit(query.limit, query.offset)}`;
  if (!short || query.limit === undefined || query.offset !== undefined || query.list === "id") {
    return sql`SELECT ${query.list}${rest}`;
  }
  const { operand } = query.limit;
  const inner = `SELECT ${query.list} FROM (SELECT id, doc`;
  const start = choice(operand, fewOrMany, (count) => [count === "few" ? inner : `SELECT ${query.list}`]);
  const end = choice(operand, fewOrMany, (count) => [count === "few" ? ") AS formdb_first" : ""]);
  return sql`${start}${rest}${end}`;
}
