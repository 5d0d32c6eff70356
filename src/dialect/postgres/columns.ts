import type { DocumentPath } from "../ddl-dialect.ts";
import type { Aggregate, Column } from "../expression-dialect.ts";
import { RANK } from "../value-rank.ts";
import { jsonTerm, type PostgresTerm, termOf } from "./terms.ts";

export function column(path: DocumentPath): Column {
  const term = termOf(path);
  return term.isKey ? { text: "id", form: "text" } : { text: `${term.json}::text`, form: "json" };
}

const numbers = (term: PostgresTerm): string =>
  `CASE WHEN ${term.rank} = ${RANK.number} THEN ${term.number} END`;

/** Sums and averages are of decimals, exact until JavaScript reads them. */
function aggregateText(aggregate: Aggregate, path: DocumentPath): string {
  const term = termOf(path);
  switch (aggregate) {
    case "COUNT":
      return `count(CASE WHEN ${term.rank} > 0 THEN 1 END)`;
    case "SUM":
      return `sum(${numbers(term)})`;
    case "AVG":
      // The factor gives the quotient more digits than a double has, as avg() would not.
      return `(sum(${numbers(term)}) * 1.00000000000000000000 / nullif(count(${numbers(term)}), 0))`;
    case "MIN":
    case "MAX": {
      const of = (rank: number, value: string): string => extreme(aggregate, term, rank, value);
      const canonical = `(${term.json}::text COLLATE "C")`;
      return (
        `CASE ${extremeRank(aggregate, term)} ` +
        `WHEN ${RANK.boolean} THEN CASE ${of(RANK.boolean, term.number)} WHEN 1 THEN 'true' ELSE 'false' END ` +
        `WHEN ${RANK.number} THEN ${of(RANK.number, term.number)}::text ` +
        `WHEN ${RANK.string} THEN to_json(${of(RANK.string, term.text)})::text ` +
        `WHEN ${RANK.array} THEN ${of(RANK.array, canonical)} ` +
        `WHEN ${RANK.object} THEN ${of(RANK.object, canonical)} END`
      );
    }
    default:
      return aggregate satisfies never;
  }
}

export function aggregate(aggregate: Aggregate, path: DocumentPath): Column {
  const text = aggregateText(aggregate, path);
  if (aggregate === "MIN" || aggregate === "MAX") return { text, form: "json" };
  return { text: aggregate === "COUNT" ? text : `${text}::text`, form: "number" };
}

/** The type of the smallest or greatest value; NULL if there is none. */
function extremeRank(aggregate: "MIN" | "MAX", term: PostgresTerm): string {
  return `${aggregate.toLowerCase()}(nullif(${term.rank}, 0))`;
}

/** The smallest or greatest among the values of one type. */
function extreme(aggregate: "MIN" | "MAX", term: PostgresTerm, rank: number, value: string): string {
  return `(${aggregate.toLowerCase()}(${value}) FILTER (WHERE ${term.rank} = ${rank}))`;
}

function direct(terms: readonly string[], descending: boolean): readonly string[] {
  return terms.map((term) => (descending ? `${term} DESC` : term));
}

function directNullable(terms: readonly string[], descending: boolean): readonly string[] {
  return terms.map((term) => (descending ? `${term} DESC NULLS LAST` : `${term} NULLS FIRST`));
}

const keys = ({ isKey, rank, number, text }: PostgresTerm): readonly string[] =>
  isKey ? ["id"] : [rank, number, text];

export function indexExpressions(path: DocumentPath): readonly string[] {
  const { isKey, rank, number, prefix } = termOf(path);
  return isKey ? ["id"] : [rank, number, prefix];
}

/** As the index, and then texts with the same start by all of their characters. */
export function orderBy(path: DocumentPath, descending: boolean): readonly string[] {
  const term = termOf(path);
  return direct(term.isKey ? ["id"] : [...indexExpressions(path), term.text], descending);
}

/** The value that rows are grouped by: what `jsonb` finds equal is one group, and a JSON null is NULL. */
function groupTerm(path: DocumentPath): PostgresTerm {
  const term = termOf(path);
  return term.isKey ? term : jsonTerm(`nullif(${term.json}, 'null')`);
}

export function groupBy(path: DocumentPath): readonly string[] {
  const term = groupTerm(path);
  return [term.isKey ? "id" : term.json];
}

export function groupColumn(path: DocumentPath): Column {
  const term = groupTerm(path);
  return term.isKey ? { text: "id", form: "text" } : { text: `${term.json}::text`, form: "json" };
}

export function orderByGroup(path: DocumentPath, descending: boolean): readonly string[] {
  return direct(keys(groupTerm(path)), descending);
}

export function orderGroupsTotally(path: DocumentPath): readonly string[] {
  const term = groupTerm(path);
  const ordered = direct(keys(term), false);
  return term.isKey ? ordered : [...ordered, ...directNullable([`(${term.json}::text COLLATE "C")`], false)];
}

export function orderByAggregate(
  what: Aggregate,
  path: DocumentPath | undefined,
  descending: boolean,
): readonly string[] {
  if (path === undefined) return direct(["count(*)"], descending);
  if (what !== "MIN" && what !== "MAX") return directNullable([aggregateText(what, path)], descending);
  const term = termOf(path);
  const rank = extremeRank(what, term);
  const number =
    `CASE ${rank} WHEN ${RANK.boolean} THEN ${extreme(what, term, RANK.boolean, term.number)} ` +
    `WHEN ${RANK.number} THEN ${extreme(what, term, RANK.number, term.number)} END`;
  const text = `CASE ${rank} WHEN ${RANK.string} THEN ${extreme(what, term, RANK.string, term.text)} END`;
  return directNullable([rank, number, text], descending);
}
