import type { DocumentPath } from "../ddl-dialect.ts";
import type { Aggregate, Column } from "../expression-dialect.ts";
import { RANK } from "../value-rank.ts";
import { type SqliteTerm, termOf } from "./terms.ts";

export function column(path: DocumentPath): Column {
  const term = termOf(path);
  return term.place === undefined ? { text: "id", form: "text" } : { text: term.json, form: "json" };
}

const numbers = (term: SqliteTerm): string =>
  `CASE WHEN ${term.rank} = ${RANK.number} THEN CAST(${term.key} AS REAL) END`;

/**
 * SQLite adds doubles with a compensation (Kahan, Babuška, Neumaier), so that sums of integers are exact as long
 * as they are below 2^53 themselves. The last digits of other sums may differ from PostgreSQL's decimals.
 */
export function aggregate(aggregate: Aggregate, path: DocumentPath): Column {
  const term = termOf(path);
  switch (aggregate) {
    case "COUNT":
      return { text: `count(CASE WHEN ${term.rank} > 0 THEN 1 END)`, form: "number" };
    case "SUM":
    case "AVG":
      return { text: `${aggregate.toLowerCase()}(${numbers(term)})`, form: "number" };
    case "MIN":
    case "MAX": {
      const of = (rank: number, value: string): string => extreme(aggregate, term, rank, value);
      const text =
        `CASE ${extremeRank(aggregate, term)} ` +
        `WHEN ${RANK.boolean} THEN iif(${of(RANK.boolean, term.key)}, 'true', 'false') ` +
        `WHEN ${RANK.number} THEN ${of(RANK.number, term.key)} ` +
        `WHEN ${RANK.string} THEN json_quote(${of(RANK.string, term.key)}) ` +
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

function direct(terms: readonly string[], descending: boolean): readonly string[] {
  return terms.map((term) => (descending ? `${term} DESC` : term));
}

export function orderBy(path: DocumentPath, descending: boolean): readonly string[] {
  const term = termOf(path);
  return direct(term.place === undefined ? ["id"] : [term.rank, term.key], descending);
}

function groupCanonical(term: SqliteTerm): string {
  return `CASE WHEN ${term.rank} >= ${RANK.array} THEN ${term.canonical} END`;
}

export function groupBy(path: DocumentPath): readonly string[] {
  const term = termOf(path);
  return term.place === undefined ? ["id"] : [term.rank, term.key, groupCanonical(term)];
}

export function orderGroupsTotally(path: DocumentPath): readonly string[] {
  const term = termOf(path);
  if (term.place === undefined) return orderBy(path, false);
  return direct([term.rank, term.key, groupCanonical(term)], false);
}

export function orderByAggregate(
  what: Aggregate,
  path: DocumentPath | undefined,
  descending: boolean,
): readonly string[] {
  if (path === undefined) return direct(["count(*)"], descending);
  if (what !== "MIN" && what !== "MAX") return direct([aggregate(what, path).text], descending);
  const term = termOf(path);
  const rank = extremeRank(what, term);
  const key = [RANK.boolean, RANK.number, RANK.string]
    .map((each) => `WHEN ${each} THEN ${extreme(what, term, each, term.key)}`)
    .join(" ");
  return direct([rank, `CASE ${rank} ${key} END`], descending);
}
