import type { Aggregate } from "../../base/subject.ts";
import type { Grouping } from "../expression-dialect.ts";
import { direct, sql } from "../fragment.ts";
import { type GroupField, type GroupValue, groupingOf } from "../grouping.ts";
import { RANK } from "../value-rank.ts";
import { termConditions } from "./conditions.ts";
import { fieldTerm, KEY_TERM, type SqliteTerm, scalarTerm } from "./terms.ts";

/** Columns of the inner query that say what is at a path. SQLite works out those that are used. */
interface ValueColumns {
  /** As `SqliteTerm.value`. */
  readonly value: string;
  /** NULL, a number, a string, or of all other types a blob: the rank's digit and the canonical JSON. */
  readonly exact: string;
  /** NULL where there is no number. In millionths if that is a whole number, else its JSON text. */
  readonly number: string;
}

type SqliteField = GroupField<SqliteTerm> & ValueColumns;

/** SQLite's order is NULL, numbers, texts, blobs. */
const FIRST_TEXT = "''";
const FIRST_BLOB = "x''";
/** The blobs of arrays and objects begin here, those of booleans before. */
const FIRST_COMPOSITE = `x'3${RANK.array}'`;

/**
 * Groups and aggregates. SQLite would take a document apart for each mention of a path, and carry whole documents
 * through the sort of `GROUP BY`; the limits of the inner queries keep it from merging them. The innermost takes each
 * value once. The next one asks for its type, only where the value leaves that open.
 */
export function grouping(): Grouping {
  const taken: string[] = [];
  const columns: string[] = [];
  return groupingOf<SqliteTerm, SqliteField>({
    from: (table, where) => {
      if (columns.length === 0) return sql` FROM ${table}${where}`;
      const values = sql`SELECT ${taken.join(", ")}, doc FROM ${table}${where} LIMIT -1 OFFSET 0`;
      return sql` FROM (SELECT ${columns.join(", ")} FROM (${values}) LIMIT -1 OFFSET 0)`;
    },
    field: (field, n) => {
      const term = fieldTerm(field);
      const value = term.isKey ? "id" : `v${n}`;
      taken.push(term.isKey ? value : `${term.value} AS ${value}`);
      columns.push(value);
      if (term.isKey) return KEY_FIELD;
      if (field.type !== "path") return exactField({ value, exact: value, number: "NULL" });
      columns.push(`${exactValue(term, value)} AS e${n}`, `${number(term, value)} AS n${n}`);
      return exactField({ value, exact: `e${n}`, number: `n${n}` });
    },
    aggregate: aggregated,
    conditions: termConditions,
  });
}

const KEY_FIELD: SqliteField = Object.freeze<SqliteField>({
  value: "id",
  exact: "id",
  number: "NULL",
  groupBy: "id",
  column: { text: "id", form: "text" },
  orderBy: (descending) => direct(["id"], descending),
  orderTotally: () => ["id"],
  term: () => KEY_TERM,
});

function exactField(columns: ValueColumns): SqliteField {
  const { exact } = columns;
  const value = exactGroupValue(exact);
  return { ...columns, ...value, groupBy: exact, orderTotally: () => [...value.orderBy(false), exact] };
}

/** A value that is given as `ValueColumns.exact`. Arrays are level with each other, and so are objects. */
function exactGroupValue(exact: string): GroupValue<SqliteTerm> {
  return {
    column: { text: jsonText(exact), form: "json" },
    orderBy: (descending) =>
      direct(
        [rankOf(exact), `CASE WHEN ${exact} >= ${FIRST_COMPOSITE} THEN '' ELSE ${exact} END`],
        descending,
      ),
    term: () => exactTerm(exact),
  };
}

const blob = (text: string): string => `CAST(${text} AS BLOB)`;

/** Booleans are among these numbers. One comparison is enough for those above them, and for texts, which are too. */
const isZeroOrOne = (value: string): string => `${value} <= 1 AND ${value} IN (0, 1)`;

/** Booleans are among the numbers 0 and 1, arrays and objects among the texts that begin as they do. */
function exactValue({ type }: SqliteTerm, value: string): string {
  const beginsLikeOne = `${value} >= '[' AND (${value} <= '\\' OR ${value} BETWEEN '{' AND '|')`;
  const isDoubtful = `${isZeroOrOne(value)} OR ${beginsLikeOne}`;
  return (
    `CASE WHEN ${isDoubtful} THEN CASE ${type} ` +
    `WHEN 'true' THEN ${blob(`'${RANK.boolean}true'`)} WHEN 'false' THEN ${blob(`'${RANK.boolean}false'`)} ` +
    `WHEN 'array' THEN ${blob(`'${RANK.array}' || formdb_canonical(${value})`)} ` +
    `WHEN 'object' THEN ${blob(`'${RANK.object}' || formdb_canonical(${value})`)} ELSE ${value} END ELSE ${value} END`
  );
}

/**
 * A number of at most six places, as people write them, is its count of millionths, which SQLite adds itself: if that
 * has at most 15 digits and gives the same double, no other decimal of so few digits does. Adding and taking away
 * 1.5 × 2^52 leaves no room in a double for what is behind the point. All others are left to `formdb_decimals`.
 */
function number({ json, type }: SqliteTerm, value: string): string {
  const rounded = `((${value} * 1e6 + 6755399441055744.0) - 6755399441055744.0)`;
  return (
    `CASE WHEN ${isZeroOrOne(value)} AND ${type} IN ('true', 'false') THEN NULL ` +
    `WHEN ${value} BETWEEN -1e9 AND 1e9 AND ${rounded} / 1e6 = ${value} THEN CAST(${rounded} AS INTEGER) ` +
    `WHEN ${value} < ${FIRST_TEXT} THEN ${json} END`
  );
}

const jsonText = (exact: string): string =>
  `CASE WHEN ${exact} >= ${FIRST_BLOB} THEN CAST(substr(${exact}, 2) AS TEXT) ` +
  `WHEN ${exact} >= ${FIRST_TEXT} THEN json_quote(${exact}) ELSE ${exact} END`;

const rankOf = (exact: string): string =>
  `CASE WHEN ${exact} >= ${FIRST_BLOB} THEN CAST(CAST(substr(${exact}, 1, 1) AS TEXT) AS INTEGER) ` +
  `WHEN ${exact} >= ${FIRST_TEXT} THEN ${RANK.string} WHEN ${exact} IS NULL THEN ${RANK.null} ELSE ${RANK.number} END`;

/** For a condition. */
function exactTerm(exact: string): SqliteTerm {
  const isBlob = `${exact} >= ${FIRST_BLOB}`;
  const text = `CAST(substr(${exact}, 2) AS TEXT)`;
  const value = `(CASE WHEN ${exact} >= ${FIRST_COMPOSITE} THEN ${text} WHEN ${isBlob} THEN ${text} = 'true' ELSE ${exact} END)`;
  return {
    value,
    type:
      `(CASE WHEN ${exact} >= x'3${RANK.object}' THEN 'object' WHEN ${exact} >= ${FIRST_COMPOSITE} THEN 'array' ` +
      `WHEN ${isBlob} THEN ${text} ELSE typeof(${exact}) END)`,
    rank: `(${rankOf(exact)})`,
    key: `(CASE WHEN ${exact} >= ${FIRST_COMPOSITE} THEN '' ELSE ${value} END)`,
    json: jsonText(exact),
    canonical: value,
    walk: jsonText(exact),
    isKey: false,
  };
}

function aggregated({ function: name }: Aggregate, of: SqliteField | undefined): GroupValue<SqliteTerm> {
  if (of === undefined) return computed("count(*)");
  switch (name) {
    case "COUNT":
      return computed(`count(${of.value})`);
    case "COUNT DISTINCT":
      return computed(`count(DISTINCT ${of.exact})`);
    case "SUM":
      return computed(`formdb_sum(${decimalSums(of)})`);
    case "AVG":
      return computed(`formdb_avg(${decimalSums(of)}, count(${of.number}) || '')`);
    case "MIN":
    case "MAX":
      return extreme(name, of);
    default:
      return name satisfies never;
  }
}

function computed(text: string): GroupValue<SqliteTerm> {
  const orderBy = (descending: boolean): readonly string[] => direct([text], descending);
  return { column: { text, form: "number" }, orderBy, term: () => scalarTerm(`(${text})`) };
}

/**
 * The arguments of `formdb_sum`. In two parts no sum of millionths leaves 64 bits, at which SQLite would fail; as texts
 * they come to JavaScript with all digits.
 */
function decimalSums({ number }: ValueColumns): string {
  const part = (of: string): string => `sum(${of}) FILTER (WHERE ${number} < ${FIRST_TEXT}) || ''`;
  const decimals = `formdb_decimals(${number}) FILTER (WHERE ${number} >= ${FIRST_TEXT})`;
  return `${part(`${number} >> 20`)}, ${part(`${number} & 1048575`)}, ${decimals}`;
}

/** The smallest or greatest value. Booleans are before all others, though as blobs they are behind. */
function extreme(name: "MIN" | "MAX", { exact }: ValueColumns): GroupValue<SqliteTerm> {
  const isBoolean = `${exact} >= ${FIRST_BLOB} AND ${exact} < ${FIRST_COMPOSITE}`;
  const of = (filter: string): string => `${name.toLowerCase()}(${exact}) FILTER (WHERE ${filter})`;
  const booleans = of(isBoolean);
  const others = of(`NOT (${isBoolean})`);
  const found = name === "MIN" ? `coalesce(${booleans}, ${others})` : `coalesce(${others}, ${booleans})`;
  return { ...exactGroupValue(found), term: () => exactTerm(`(${found})`) };
}
