import type { Column, DocumentField, GroupAggregate, Grouping } from "../expression-dialect.ts";
import { type Fragment, sql } from "../fragment.ts";
import { RANK } from "../value-rank.ts";
import { direct } from "./columns.ts";
import { fieldTerm } from "./terms.ts";

/** What two columns of the inner query say of a path. */
interface GroupTerm {
  readonly isKey: boolean;
  /** As `SqliteTerm.value`. */
  readonly value: string;
  /** The rank of a boolean, an array or an object; NULL for all that the value itself tells. */
  readonly special: string;
  readonly rank: string;
  readonly isComposite: string;
}

const ID: GroupTerm = Object.freeze({
  isKey: true,
  value: "id",
  special: "NULL",
  rank: String(RANK.string),
  isComposite: "FALSE",
});

function aliasTerm(value: string, special: string): GroupTerm {
  return {
    isKey: false,
    value,
    special,
    // In SQLite's order every number is before every text.
    rank:
      `coalesce(${special}, CASE WHEN ${value} < '' THEN ${RANK.number} ` +
      `WHEN ${value} IS NULL THEN ${RANK.null} ELSE ${RANK.string} END)`,
    isComposite: `${special} >= ${RANK.array}`,
  };
}

const specialOf = (type: string): string =>
  `CASE ${type} WHEN 'true' THEN ${RANK.boolean} WHEN 'false' THEN ${RANK.boolean} ` +
  `WHEN 'array' THEN ${RANK.array} WHEN 'object' THEN ${RANK.object} END`;

/**
 * Groups and aggregates. SQLite would take a document apart for each mention of a path, and carry whole documents
 * through the sort of `GROUP BY`; the limit of the inner query keeps it from merging the two.
 */
export function grouping(fields: readonly DocumentField[]): Grouping {
  const terms = new Map<string, GroupTerm>();
  const columns: string[] = [];
  const keyOf = ({ type, path }: DocumentField): string => JSON.stringify([type, path]);
  for (const field of fields) {
    const key = keyOf(field);
    if (terms.has(key)) continue;
    const { isKey, value, type } = fieldTerm(field);
    const n = terms.size;
    terms.set(key, isKey ? ID : aliasTerm(`v${n}`, `s${n}`));
    columns.push(isKey ? "id" : `${value} AS v${n}, ${specialOf(type)} AS s${n}`);
  }
  const termOf = (field: DocumentField): GroupTerm => terms.get(keyOf(field))!;
  const ofAggregate = ({ of }: GroupAggregate): GroupTerm | undefined => of && termOf(of);
  return {
    from: (table, where): Fragment =>
      columns.length === 0
        ? sql` FROM ${table}${where}`
        : sql` FROM (SELECT ${columns.join(", ")} FROM ${table}${where} LIMIT -1 OFFSET 0)`,
    groupBy: (field) => groupTerms(termOf(field)),
    column: (subject) =>
      subject.type === "aggregate"
        ? aggregateColumn(subject, ofAggregate(subject))
        : groupColumn(termOf(subject)),
    orderBy: (subject, descending) =>
      subject.type === "aggregate"
        ? orderByAggregate(subject, ofAggregate(subject), descending)
        : orderTerms(termOf(subject), descending),
    orderTotally: (field) => totalTerms(termOf(field)),
  };
}

/** Of an array or object the value is its JSON text. */
const canonical = ({ value }: GroupTerm): string => `formdb_canonical(${value})`;

/** Equal values are one group, unless a type tells them apart; arrays and objects go by their canonical text. */
function groupTerms(term: GroupTerm): readonly string[] {
  if (term.isKey) return ["id"];
  return [`CASE WHEN ${term.isComposite} THEN ${canonical(term)} ELSE ${term.value} END`, term.special];
}

function groupColumn({ isKey, value, special, isComposite }: GroupTerm): Column {
  if (isKey) return { text: "id", form: "text" };
  const text =
    `CASE WHEN ${special} = ${RANK.boolean} THEN iif(${value}, 'true', 'false') WHEN ${isComposite} THEN ${value} ` +
    `WHEN ${value} >= '' THEN json_quote(${value}) ELSE ${value} END`;
  return { text, form: "json" };
}

function orderTerms(term: GroupTerm, descending: boolean): readonly string[] {
  if (term.isKey) return direct(["id"], descending);
  return direct([term.rank, `CASE WHEN ${term.isComposite} THEN '' ELSE ${term.value} END`], descending);
}

function totalTerms(term: GroupTerm): readonly string[] {
  if (term.isKey) return ["id"];
  return [...orderTerms(term, false), `CASE WHEN ${term.isComposite} THEN ${canonical(term)} END`];
}

const COUNT_ALL: Column = Object.freeze({ text: "count(*)", form: "number" });

function aggregateColumn({ function: aggregate }: GroupAggregate, term: GroupTerm | undefined): Column {
  if (term === undefined) return COUNT_ALL;
  switch (aggregate) {
    case "COUNT":
      return { text: `count(${term.value})`, form: "number" };
    case "COUNT DISTINCT": {
      // A blob tells TRUE from 1 and an array from its text.
      const of = `CASE WHEN ${term.isComposite} THEN ${canonical(term)} ELSE ${term.value} END`;
      const blob = `CAST(${term.special} || ':' || ${of} AS BLOB)`;
      const text = `count(DISTINCT CASE WHEN ${term.special} IS NULL THEN ${term.value} ELSE ${blob} END)`;
      return { text, form: "number" };
    }
    case "SUM":
    case "AVG": {
      const numbers = `FILTER (WHERE ${term.special} IS NULL AND ${term.value} < '')`;
      return { text: `formdb_${aggregate.toLowerCase()}(${term.value}) ${numbers}`, form: "number" };
    }
    case "MIN":
    case "MAX": {
      const of = (rank: number, value: string): string => extreme(aggregate, term, rank, value);
      const text =
        `CASE ${extremeRank(aggregate, term)} ` +
        `WHEN ${RANK.boolean} THEN iif(${of(RANK.boolean, term.value)}, 'true', 'false') ` +
        `WHEN ${RANK.number} THEN ${of(RANK.number, term.value)} ` +
        `WHEN ${RANK.string} THEN json_quote(${of(RANK.string, term.value)}) ` +
        `WHEN ${RANK.array} THEN ${of(RANK.array, canonical(term))} ` +
        `WHEN ${RANK.object} THEN ${of(RANK.object, canonical(term))} END`;
      return { text, form: "json" };
    }
    default:
      return aggregate satisfies never;
  }
}

/** The type of the smallest or greatest value; NULL if there is none. */
function extremeRank(aggregate: "MIN" | "MAX", term: GroupTerm): string {
  return `${aggregate.toLowerCase()}(nullif(${term.rank}, 0))`;
}

/** The smallest or greatest among the values of one type. */
function extreme(aggregate: "MIN" | "MAX", term: GroupTerm, rank: number, value: string): string {
  return `${aggregate.toLowerCase()}(CASE WHEN ${term.rank} = ${rank} THEN ${value} END)`;
}

function orderByAggregate(
  aggregate: GroupAggregate,
  term: GroupTerm | undefined,
  descending: boolean,
): readonly string[] {
  const { function: what } = aggregate;
  if (term === undefined || (what !== "MIN" && what !== "MAX"))
    return direct([aggregateColumn(aggregate, term).text], descending);
  const rank = extremeRank(what, term);
  const key = [RANK.boolean, RANK.number, RANK.string]
    .map((each) => `WHEN ${each} THEN ${extreme(what, term, each, term.value)}`)
    .join(" ");
  return direct([rank, `CASE ${rank} ${key} END`], descending);
}
