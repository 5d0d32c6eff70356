import type { Field, IndexedPlace } from "../../base/subject.ts";
import { type Column, type DocumentsQuery, indexedField } from "../expression-dialect.ts";
import { type Bound, choice, direct, type Fragment, sql } from "../fragment.ts";
import { RANK } from "../value-rank.ts";
import { startsAt } from "./conditions.ts";
import { KEPT_APART } from "./names.ts";
import { always, fieldTerm, jsonTerm, type PostgresTerm, type TermSpelling } from "./terms.ts";

export function column(field: Field): Column {
  const term = fieldTerm(field);
  return term.isKey ? { text: "id", form: "text" } : { text: term.json, form: "json" };
}

export function indexExpressions(place: IndexedPlace, spelling: TermSpelling): readonly string[] {
  const { isKey, key, number } = fieldTerm(indexedField(place), spelling);
  if (isKey) return ["id"];
  // There are no numbers among texts.
  return "type" in place ? [key] : [key, number];
}

export function indexColumns(
  places: readonly IndexedPlace[],
  unique: boolean,
  spelling: TermSpelling,
): readonly string[] {
  const guards = unique ? places.map((place) => fieldTerm(indexedField(place)).guard) : [];
  return [...places.flatMap((place) => indexExpressions(place, spelling)), ...guards];
}

export function limit(count: Bound | undefined, offset: Bound | undefined): Fragment {
  const head = count === undefined ? [] : sql` LIMIT ${count}::bigint`;
  return offset === undefined ? head : sql`${head} OFFSET ${offset}::bigint`;
}

/** The key, and the document, which travels as JSON text. */
export const DOCUMENT_COLUMNS = "id, doc";

type OrderedField = DocumentsQuery["orderBy"][number];

/** What a statement sorts: where its rows come from, and the terms of the order. */
interface Sorted {
  readonly from: Fragment;
  readonly terms: readonly string[];
}

/**
 * The order of `orderBy` where no index gives it. The values are taken out of the documents once, by a query within the query,
 * which its offset keeps apart.
 */
function withoutIndex(
  { table, where, locks }: DocumentsQuery,
  fields: readonly OrderedField[],
  terms: readonly PostgresTerm[],
): Sorted {
  const values: string[] = [];
  const ordered = fields.flatMap((field, i) => {
    if (field.type !== "path" || terms[i]!.isKey || locks) return shortOrderBy(field, terms[i]!);
    const value = `v${values.length + 1}`;
    values.push(`${terms[i]!.json} AS ${value}`);
    return shortOrderBy(field, jsonTerm(value, true));
  });
  const from = sql`${table}${where}`;
  if (values.length === 0) return { from, terms: ordered };
  return {
    from: sql`(SELECT id, doc, ${values.join(", ")} FROM ${from} ${KEPT_APART}) AS formdb_values`,
    terms: ordered,
  };
}

/**
 * In terms that cost less than those of an index: numbers by themselves, what comes before them as NULL, and what comes after
 * them as NaN, which is greater than all numbers and no number of a document. The second term tells apart what is no number.
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

/**
 * As the index has it, and then texts with the same start by all of their characters. Where the order begins at a place, the
 * index is to begin there.
 */
function byIndex(
  { table, where, from }: DocumentsQuery,
  fields: readonly OrderedField[],
  of: readonly PostgresTerm[],
): Sorted {
  const terms = of.flatMap(({ isKey, key, number, text }, i) =>
    direct(isKey ? ["id"] : [key, number, text], fields[i]!.descending),
  );
  const first = of[0];
  if (from === undefined || first?.index === undefined) return { from: sql`${table}${where}`, terms };
  return { from: sql`${table}${where} AND ${startsAt(first, fields[0]!.descending, from)}`, terms };
}

/**
 * A limit in a parameter says nothing to the planner, which then takes it for a tenth of all rows and makes a new plan for each
 * execution. These sizes of results are written out, within the limit itself.
 */
const SIZES = [10, 100, 1_000];

/** The size of a result that has room for so many documents. */
function sizeOf(count: unknown): string {
  return String(SIZES.find((size) => typeof count === "number" && count <= size) ?? "many");
}

function fewOrMany(count: unknown): string {
  return sizeOf(count) === "many" ? "many" : "few";
}

export function documents(query: DocumentsQuery, spelling: TermSpelling): Fragment {
  const { list, orderBy, offset } = query;
  // The id leaves nothing undecided.
  const last = orderBy.findIndex((field) => fieldTerm(field).isKey);
  const fields = last === -1 ? orderBy : orderBy.slice(0, last + 1);
  const terms = fields.map((field) => fieldTerm(field, spelling));
  const first = terms[0];
  // An index that gives the first of an order leaves little to do for the others.
  const short = first !== undefined && first.index === undefined;
  const sorted = short ? withoutIndex(query, fields, terms) : byIndex(query, fields, terms);
  const by = fields.length > 0 && last === -1 ? [...sorted.terms, "id"] : sorted.terms;
  const rest = sql` FROM ${sorted.from}${by.length === 0 ? "" : ` ORDER BY ${by.join(", ")}`}`;
  const given = limit(query.limit, offset);
  // One plan is good for all values where there are none, or where an index leads to the first documents at once.
  const onePlan = query.inOrder && (query.where.length === 0 || first?.index === "first");
  const plain =
    spelling.indexedAt === always || query.locks || query.limit === undefined || offset !== undefined;
  if (plain || !(short || onePlan)) return sql`SELECT ${list}${rest}${given}`;
  const { operand } = query.limit;
  const sizeOfResult = onePlan ? sizeOf : fewOrMany;
  const start = choice(operand, sizeOfResult, (size) => [
    size === "many" ? `SELECT ${list}` : `SELECT ${list} FROM (SELECT id, doc`,
  ]);
  const end = choice(operand, sizeOfResult, (size) => {
    if (size === "many") return given;
    return onePlan ? sql` LIMIT ${size}) AS formdb_first${given}` : sql`${given}) AS formdb_first`;
  });
  return sql`${start}${rest}${end}`;
}
