import type { Aggregate, Field } from "../../base/subject.ts";
import { type Column, conditionsOn, type Grouping } from "../expression-dialect.ts";
import { type Fragment, sql } from "../fragment.ts";
import { RANK } from "../value-rank.ts";
import { direct } from "./columns.ts";
import { termConditions } from "./conditions.ts";
import { fieldTerm, KEY_TERM, type SqliteTerm, scalarTerm } from "./terms.ts";

/** Columns of the inner query that say what is at a path. SQLite works out those that are used. */
interface GroupTerm {
  readonly isKey: boolean;
  /** As `SqliteTerm.value`. */
  readonly value: string;
  /** NULL, a number, a string, or of all other types a blob: the rank's digit and the canonical JSON. */
  readonly exact: string;
  /** NULL where there is no number. In millionths if that is a whole number, else its JSON text. */
  readonly number: string;
}

const ID: GroupTerm = Object.freeze({ isKey: true, value: "id", exact: "id", number: "NULL" });

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
  const terms = new Map<string, GroupTerm>();
  const taken: string[] = [];
  const columns: string[] = [];
  const add = (field: Field): GroupTerm => {
    const term = fieldTerm(field);
    const n = terms.size;
    const value = `v${n}`;
    taken.push(term.isKey ? "id" : `${term.value} AS ${value}`);
    columns.push(term.isKey ? "id" : value);
    if (term.isKey) return ID;
    if (field.type !== "path") return { isKey: false, value, exact: value, number: "NULL" };
    columns.push(`${exactValue(term, value)} AS e${n}`, `${number(term, value)} AS n${n}`);
    return { isKey: false, value, exact: `e${n}`, number: `n${n}` };
  };
  const termOf = (field: Field): GroupTerm => {
    const key = JSON.stringify([field.type, field.path]);
    const term = terms.get(key) ?? add(field);
    terms.set(key, term);
    return term;
  };
  const ofAggregate = ({ of }: Aggregate): GroupTerm | undefined => of && termOf(of);
  return {
    from: (table, where): Fragment => {
      if (columns.length === 0) return sql` FROM ${table}${where}`;
      const values = sql`SELECT ${taken.join(", ")}, doc FROM ${table}${where} LIMIT -1 OFFSET 0`;
      return sql` FROM (SELECT ${columns.join(", ")} FROM (${values}) LIMIT -1 OFFSET 0)`;
    },
    groupBy: (field) => [termOf(field).exact],
    column: (subject) =>
      subject.type === "aggregate"
        ? aggregateColumn(subject, ofAggregate(subject))
        : groupColumn(termOf(subject)),
    orderBy: (subject, descending) =>
      subject.type === "aggregate"
        ? orderByAggregate(subject, ofAggregate(subject), descending)
        : orderTerms(termOf(subject).exact, descending),
    orderTotally: (field) => [...orderTerms(termOf(field).exact, false), termOf(field).exact],
    conditions: conditionsOn(termConditions, (subject) =>
      subject.type === "aggregate"
        ? aggregateTerm(subject, ofAggregate(subject))
        : exactTerm(termOf(subject).exact),
    ),
  };
}

const blob = (text: string): string => `CAST(${text} AS BLOB)`;

/** Booleans are among the numbers 0 and 1, arrays and objects among the texts that begin as they do. */
function exactValue({ type }: SqliteTerm, value: string): string {
  const isDoubtful = `${value} IN (0, 1) OR ${value} BETWEEN '[' AND '\\' OR ${value} BETWEEN '{' AND '|'`;
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
    `CASE WHEN ${value} IN (0, 1) AND ${type} IN ('true', 'false') THEN NULL ` +
    `WHEN ${value} BETWEEN -1e9 AND 1e9 AND ${rounded} / 1e6 = ${value} THEN CAST(${rounded} AS INTEGER) ` +
    `WHEN ${value} < ${FIRST_TEXT} THEN ${json} END`
  );
}

function groupColumn({ isKey, exact }: GroupTerm): Column {
  return isKey ? { text: "id", form: "text" } : { text: jsonText(exact), form: "json" };
}

const jsonText = (exact: string): string =>
  `CASE WHEN ${exact} >= ${FIRST_BLOB} THEN CAST(substr(${exact}, 2) AS TEXT) ` +
  `WHEN ${exact} >= ${FIRST_TEXT} THEN json_quote(${exact}) ELSE ${exact} END`;

const rankOf = (exact: string): string =>
  `CASE WHEN ${exact} >= ${FIRST_BLOB} THEN CAST(CAST(substr(${exact}, 1, 1) AS TEXT) AS INTEGER) ` +
  `WHEN ${exact} >= ${FIRST_TEXT} THEN ${RANK.string} WHEN ${exact} IS NULL THEN ${RANK.null} ELSE ${RANK.number} END`;

/** For a condition. */
function exactTerm(exact: string): SqliteTerm {
  if (exact === ID.exact) return KEY_TERM;
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

/** Arrays are level with each other, and so are objects. */
function orderTerms(exact: string, descending: boolean): readonly string[] {
  if (exact === ID.exact) return direct([exact], descending);
  return direct(
    [rankOf(exact), `CASE WHEN ${exact} >= ${FIRST_COMPOSITE} THEN '' ELSE ${exact} END`],
    descending,
  );
}

const COUNT_ALL: Column = Object.freeze({ text: "count(*)", form: "number" });

function aggregateColumn({ function: aggregate }: Aggregate, term: GroupTerm | undefined): Column {
  if (term === undefined) return COUNT_ALL;
  switch (aggregate) {
    case "COUNT":
      return { text: `count(${term.value})`, form: "number" };
    case "COUNT DISTINCT":
      return { text: `count(DISTINCT ${term.exact})`, form: "number" };
    case "SUM":
      return { text: `formdb_sum(${decimalSums(term)})`, form: "number" };
    case "AVG":
      return { text: `formdb_avg(${decimalSums(term)}, count(${term.number}) || '')`, form: "number" };
    case "MIN":
    case "MAX":
      return { text: jsonText(extreme(aggregate, term)), form: "json" };
    default:
      return aggregate satisfies never;
  }
}

/**
 * The arguments of `formdb_sum`. In two parts no sum of millionths leaves 64 bits, at which SQLite would fail; as texts
 * they come to JavaScript with all digits.
 */
function decimalSums({ number }: GroupTerm): string {
  const part = (of: string): string => `sum(${of}) FILTER (WHERE ${number} < ${FIRST_TEXT}) || ''`;
  const decimals = `formdb_decimals(${number}) FILTER (WHERE ${number} >= ${FIRST_TEXT})`;
  return `${part(`${number} >> 20`)}, ${part(`${number} & 1048575`)}, ${decimals}`;
}

/** The smallest or greatest value. Booleans are before all others, though as blobs they are behind. */
function extreme(aggregate: "MIN" | "MAX", { exact }: GroupTerm): string {
  const isBoolean = `${exact} >= ${FIRST_BLOB} AND ${exact} < ${FIRST_COMPOSITE}`;
  const of = (filter: string): string => `${aggregate.toLowerCase()}(${exact}) FILTER (WHERE ${filter})`;
  const booleans = of(isBoolean);
  const others = of(`NOT (${isBoolean})`);
  return aggregate === "MIN" ? `coalesce(${booleans}, ${others})` : `coalesce(${others}, ${booleans})`;
}

function orderByAggregate(
  aggregate: Aggregate,
  term: GroupTerm | undefined,
  descending: boolean,
): readonly string[] {
  const { function: what } = aggregate;
  if (term === undefined || (what !== "MIN" && what !== "MAX"))
    return direct([aggregateColumn(aggregate, term).text], descending);
  return orderTerms(extreme(what, term), descending);
}

/** For a condition. */
function aggregateTerm(aggregate: Aggregate, term: GroupTerm | undefined): SqliteTerm {
  const { function: what } = aggregate;
  if (term === undefined || (what !== "MIN" && what !== "MAX"))
    return scalarTerm(`(${aggregateColumn(aggregate, term).text})`);
  return exactTerm(`(${extreme(what, term)})`);
}
