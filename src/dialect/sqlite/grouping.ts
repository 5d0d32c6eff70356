import type { DocumentPath } from "../ddl-dialect.ts";
import type { Aggregate, Column, Grouping } from "../expression-dialect.ts";
import { type Fragment, sql } from "../fragment.ts";
import { RANK } from "../value-rank.ts";
import { direct } from "./columns.ts";
import { aliasTerm, type SqliteTerm, termOf } from "./terms.ts";

/**
 * Groups and aggregates. SQLite would take a document apart for each mention of a path, and carry whole documents through
 * the sort of `GROUP BY`; the limit of the inner query keeps it from merging the two.
 */
export function grouping(paths: readonly DocumentPath[]): Grouping {
  const terms = new Map<string, SqliteTerm>();
  const columns: string[] = [];
  for (const path of paths) {
    const key = JSON.stringify(path);
    if (terms.has(key)) continue;
    const { place, value, type } = termOf(path);
    const n = terms.size;
    terms.set(key, place === undefined ? termOf(path) : aliasTerm(`v${n}`, `t${n}`));
    columns.push(place === undefined ? "id" : `${value} AS v${n}, ${type} AS t${n}`);
  }
  const termFor = (path: DocumentPath): SqliteTerm => terms.get(JSON.stringify(path))!;
  return {
    from: (table, where): Fragment =>
      columns.length === 0
        ? sql` FROM ${table}${where}`
        : sql` FROM (SELECT ${columns.join(", ")} FROM ${table}${where} LIMIT -1 OFFSET 0)`,
    aggregate: (aggregate, path) => aggregateColumn(aggregate, termFor(path)),
    groupBy: (path) => groupTerms(termFor(path)),
    column: (path) => groupColumn(termFor(path)),
    orderBy: (path, descending) => orderTerms(termFor(path), descending),
    orderTotally: (path) => totalTerms(termFor(path)),
    orderByAggregate: (aggregate, path, descending) =>
      orderByAggregate(aggregate, path && termFor(path), descending),
  };
}

const isComposite = (term: SqliteTerm): string => `${term.type} IN ('array', 'object')`;

/** Equal texts and numbers are one group, unless a type tells them apart; arrays and objects go by their canonical text. */
function groupTerms(term: SqliteTerm): readonly string[] {
  if (term.place === undefined) return ["id"];
  return [
    `CASE WHEN ${isComposite(term)} THEN ${term.canonical} ELSE ${term.value} END`,
    `CASE WHEN ${term.type} IN ('true', 'false') THEN 1 WHEN ${isComposite(term)} THEN 2 ELSE 0 END`,
  ];
}

function groupColumn(term: SqliteTerm): Column {
  return term.place === undefined ? { text: "id", form: "text" } : { text: term.json, form: "json" };
}

function orderTerms(term: SqliteTerm, descending: boolean): readonly string[] {
  return direct(term.place === undefined ? ["id"] : [term.rank, term.key], descending);
}

function totalTerms(term: SqliteTerm): readonly string[] {
  if (term.place === undefined) return ["id"];
  return [term.rank, term.key, `CASE WHEN ${isComposite(term)} THEN ${term.canonical} END`];
}

function aggregateColumn(aggregate: Aggregate, term: SqliteTerm): Column {
  switch (aggregate) {
    case "COUNT":
      return { text: `count(${term.value})`, form: "number" };
    case "SUM":
    case "AVG": {
      const numbers = `FILTER (WHERE ${term.type} IN ('integer', 'real'))`;
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
        `WHEN ${RANK.array} THEN ${of(RANK.array, term.canonical)} ` +
        `WHEN ${RANK.object} THEN ${of(RANK.object, term.canonical)} END`;
      return { text, form: "json" };
    }
    default:
      return aggregate satisfies never;
  }
}

/** The type of the smallest or greatest value; NULL if there is none. */
function extremeRank(aggregate: "MIN" | "MAX", term: SqliteTerm): string {
  return `${aggregate.toLowerCase()}(nullif(${term.rank}, 0))`;
}

/** The smallest or greatest among the values of one type. */
function extreme(aggregate: "MIN" | "MAX", term: SqliteTerm, rank: number, value: string): string {
  return `${aggregate.toLowerCase()}(CASE WHEN ${term.rank} = ${rank} THEN ${value} END)`;
}

function orderByAggregate(
  what: Aggregate,
  term: SqliteTerm | undefined,
  descending: boolean,
): readonly string[] {
  if (term === undefined) return direct(["count(*)"], descending);
  if (what !== "MIN" && what !== "MAX") return direct([aggregateColumn(what, term).text], descending);
  const rank = extremeRank(what, term);
  const key = [RANK.boolean, RANK.number, RANK.string]
    .map((each) => `WHEN ${each} THEN ${extreme(what, term, each, term.value)}`)
    .join(" ");
  return direct([rank, `CASE ${rank} ${key} END`], descending);
}
