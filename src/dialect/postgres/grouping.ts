import type { Aggregate, Field } from "../../base/subject.ts";
import { type Column, conditionsOn, type Grouping } from "../expression-dialect.ts";
import { type Fragment, sql } from "../fragment.ts";
import { RANK } from "../value-rank.ts";
import { direct } from "./columns.ts";
import { termConditions } from "./conditions.ts";
import { fieldTerm, jsonTerm, KEY, type PostgresTerm } from "./terms.ts";

/**
 * Groups and aggregates. The offset of the inner query keeps PostgreSQL from merging the two, and with that from
 * taking a document apart for each mention of a path.
 */
export function grouping(): Grouping {
  const terms = new Map<string, PostgresTerm>();
  const columns: string[] = [];
  const termOf = (field: Field): PostgresTerm => {
    const key = JSON.stringify([field.type, field.path]);
    const known = terms.get(key);
    if (known !== undefined) return known;
    const { isKey, json } = fieldTerm(field);
    const name = `x${terms.size}`;
    const term = isKey ? fieldTerm(field) : computedTerm(name);
    columns.push(isKey ? "id" : `nullif(${json}, 'null') AS ${name}`);
    terms.set(key, term);
    return term;
  };
  const ofAggregate = ({ of }: Aggregate): PostgresTerm | undefined => of && termOf(of);
  return {
    from: (table, where): Fragment =>
      columns.length === 0
        ? sql` FROM ${table}${where}`
        : sql` FROM (SELECT ${columns.join(", ")} FROM ${table}${where} OFFSET 0) AS x`,
    groupBy: (field) => [groupTerm(termOf(field))],
    column: (subject) =>
      subject.type === "aggregate"
        ? aggregateColumn(subject, ofAggregate(subject))
        : groupColumn(termOf(subject)),
    orderBy: (subject, descending) =>
      subject.type === "aggregate"
        ? orderByAggregate(subject, ofAggregate(subject), descending)
        : orderTerms(termOf(subject), descending),
    orderTotally: (field) => totalTerms(termOf(field)),
    conditions: conditionsOn(termConditions, (subject) =>
      subject.type === "aggregate" ? aggregateTerm(subject, ofAggregate(subject)) : termOf(subject),
    ),
  };
}

/** The term of what no index holds. */
function computedTerm(json: string): PostgresTerm {
  return { ...jsonTerm(json), isIndexed: false };
}

/** What `jsonb` finds equal is one group, and a JSON null is NULL. */
const groupTerm = (term: PostgresTerm): string => (term.isKey ? "id" : term.json);

function groupColumn(term: PostgresTerm): Column {
  return term.isKey ? { text: "id", form: "text" } : { text: `${term.json}::text`, form: "json" };
}

function orderTerms(term: PostgresTerm, descending: boolean): readonly string[] {
  return direct(term.isKey ? ["id"] : [term.key, term.number, term.text], descending);
}

function totalTerms(term: PostgresTerm): readonly string[] {
  const ordered = orderTerms(term, false);
  return term.isKey ? ordered : [...ordered, ...directNullable([`(${term.json}::text COLLATE "C")`], false)];
}

function directNullable(terms: readonly string[], descending: boolean): readonly string[] {
  return terms.map((term) => (descending ? `${term} DESC NULLS LAST` : `${term} NULLS FIRST`));
}

const numbers = (term: PostgresTerm): string =>
  `CASE WHEN ${term.type} = 'number' THEN ${term.json}::numeric END`;

/** Sums and averages are of decimals, exact until JavaScript reads them. */
function aggregateText({ function: aggregate }: Aggregate, term: PostgresTerm | undefined): string {
  if (term === undefined) return "count(*)";
  switch (aggregate) {
    case "COUNT":
      return `count(nullif(${term.json}, 'null'))`;
    case "COUNT DISTINCT":
      return `count(DISTINCT nullif(${term.json}, 'null'))`;
    case "SUM":
      return `sum(${numbers(term)})`;
    case "AVG":
      // The factor gives the quotient more digits than a double has, as avg() would not.
      return (
        `(sum(${numbers(term)}) * 1.00000000000000000000 / ` +
        `nullif(count(*) FILTER (WHERE ${term.type} = 'number'), 0))`
      );
    case "MIN":
    case "MAX": {
      const of = (value: string): string => `${aggregate.toLowerCase()}(${value})`;
      const ranked = (type: string, value: string): string =>
        `${of(value)} FILTER (WHERE ${term.type} = '${type}')`;
      const canonical = `(${term.json}::text COLLATE "C")`;
      return (
        `CASE left(${extremeKey(aggregate, term)}, 1) ` +
        `WHEN '${RANK.boolean}' THEN CASE ${extremeKey(aggregate, term)} WHEN '${KEY.true}' THEN 'true' ELSE 'false' END ` +
        `WHEN '${RANK.number}' THEN (${of(numbers(term))})::text ` +
        `WHEN '${RANK.string}' THEN to_json(${ranked("string", term.text)})::text ` +
        `WHEN '${RANK.array}' THEN ${ranked("array", canonical)} ` +
        `WHEN '${RANK.object}' THEN ${ranked("object", canonical)} END`
      );
    }
    default:
      return aggregate satisfies never;
  }
}

function aggregateColumn(aggregate: Aggregate, term: PostgresTerm | undefined): Column {
  const text = aggregateText(aggregate, term);
  const { function: name } = aggregate;
  if (name === "MIN" || name === "MAX") return { text, form: "json" };
  return { text: name.startsWith("COUNT") ? text : `${text}::text`, form: "number" };
}

/** The key of the smallest or greatest value, which begins with its rank; NULL if there is none. */
function extremeKey(aggregate: "MIN" | "MAX", term: PostgresTerm): string {
  return `${aggregate.toLowerCase()}(nullif(${term.key}, '${KEY.null}'))`;
}

function orderByAggregate(
  aggregate: Aggregate,
  term: PostgresTerm | undefined,
  descending: boolean,
): readonly string[] {
  const { function: what } = aggregate;
  // Groups whose decimals are one double are level, as everywhere.
  if (what === "SUM" || what === "AVG")
    return directNullable([asDouble(aggregateText(aggregate, term))], descending);
  if (term === undefined || (what !== "MIN" && what !== "MAX"))
    return directNullable([aggregateText(aggregate, term)], descending);
  const extreme = (value: string): string => `${what.toLowerCase()}(${value})`;
  const key = extremeKey(what, term);
  const number = `CASE WHEN ${key} = '${KEY.number}' THEN ${extreme(numbers(term))} END`;
  const text =
    `CASE WHEN left(${key}, 1) = '${RANK.string}' ` +
    `THEN ${extreme(term.text)} FILTER (WHERE ${term.type} = 'string') END`;
  return directNullable([key, number, text], descending);
}

/** From here on a decimal is infinite as a double, exactly half of the smallest one's step above the greatest double. */
const INFINITE = String(2n ** 1024n - 2n ** 970n);
/** Up to here it is 0. */
const ZERO = "2.4703282292062328e-324";
/** Greater than all doubles. `jsonb` has no infinity. */
const BEYOND = "1e309";

/**
 * A sum or an average as the double that its column shows: what conditions and orders look at. PostgreSQL fails beyond
 * doubles.
 */
function asDouble(decimal: string): string {
  return (
    `(CASE WHEN abs(${decimal}) >= ${INFINITE} THEN to_jsonb(sign(${decimal}) * ${BEYOND}) ` +
    `WHEN abs(${decimal}) < ${ZERO} THEN '0'::jsonb ELSE to_jsonb((${decimal})::float8) END)`
  );
}

/** An aggregate, for a condition. */
function aggregateTerm(aggregate: Aggregate, term: PostgresTerm | undefined): PostgresTerm {
  const text = aggregateText(aggregate, term);
  switch (aggregate.function) {
    case "SUM":
    case "AVG":
      return computedTerm(asDouble(text));
    case "MIN":
    case "MAX":
      return computedTerm(`(${text})::jsonb`);
    default:
      return computedTerm(`to_jsonb(${text})`);
  }
}
