import type { Aggregate, Field } from "../../base/subject.ts";
import type { Grouping } from "../expression-dialect.ts";
import { direct, sql } from "../fragment.ts";
import { type GroupField, type GroupValue, groupingOf } from "../grouping.ts";
import { RANK } from "../value-rank.ts";
import { termConditions } from "./conditions.ts";
import { KEPT_APART } from "./names.ts";
import { fieldTerm, jsonTerm, KEY, type PostgresTerm, type TermSpelling } from "./terms.ts";

/**
 * Groups and aggregates. The offset of the inner query keeps PostgreSQL from merging the two, and with that from
 * taking a document apart for each mention of a path.
 */
export function grouping(groupBy: readonly Field[], { shortCase }: TermSpelling): Grouping {
  const columns: string[] = [];
  return groupingOf<PostgresTerm, GroupField<PostgresTerm>>({
    from: (table, where) =>
      columns.length === 0
        ? sql` FROM ${table}${where}`
        : sql` FROM (SELECT ${columns.join(", ")} FROM ${table}${where} ${KEPT_APART}) AS x`,
    field: (field, n) => {
      const { isKey, json } = fieldTerm(field);
      // Aggregates tell a JSON null themselves.
      const isGroup = groupBy.some((grouped) => fieldTerm(grouped).json === json);
      columns.push(isKey ? "id" : `${isGroup ? `nullif(${json}, 'null')` : json} AS x${n}`);
      return isKey
        ? keyField(fieldTerm(field))
        : jsonField({ ...jsonTerm(`x${n}`, shortCase), index: undefined });
    },
    aggregate: (aggregate, of) => aggregated(aggregate, of?.term()),
    conditions: termConditions,
  });
}

/** The term of what no index holds. */
function computedTerm(json: string): PostgresTerm {
  return { ...jsonTerm(json, false), index: undefined };
}

function keyField(term: PostgresTerm): GroupField<PostgresTerm> {
  const orderBy = (descending: boolean): readonly string[] => direct(["id"], descending);
  const column = { text: "id", form: "text" } as const;
  return { groupBy: "id", column, orderBy, orderTotally: () => ["id"], term: () => term };
}

/** What `jsonb` finds equal is one group, and a JSON null is NULL. */
function jsonField(term: PostgresTerm): GroupField<PostgresTerm> {
  const { key, number, text, json } = term;
  const orderBy = (descending: boolean): readonly string[] => direct([key, number, text], descending);
  const orderTotally = (): readonly string[] => [
    ...orderBy(false),
    ...directNullable([`(${json}::text COLLATE "C")`], false),
  ];
  return { groupBy: json, column: { text: json, form: "json" }, orderBy, orderTotally, term: () => term };
}

function directNullable(terms: readonly string[], descending: boolean): readonly string[] {
  return terms.map((term) => (descending ? `${term} DESC NULLS LAST` : `${term} NULLS FIRST`));
}

const numbers = ({ type, json }: Pick<PostgresTerm, "type" | "json">): string =>
  `CASE WHEN ${type} = 'number' THEN ${json}::numeric END`;

function aggregated({ function: name }: Aggregate, of: PostgresTerm | undefined): GroupValue<PostgresTerm> {
  if (of === undefined) return counted("count(*)");
  switch (name) {
    case "COUNT":
      return counted(`count(nullif(${of.json}, 'null'))`);
    case "COUNT DISTINCT":
      return counted(`count(DISTINCT nullif(${of.json}, 'null'))`);
    case "SUM":
      return summed(`sum(${numbers(of)})`);
    case "AVG":
      // The factor gives the quotient more digits than a double has, as avg() would not.
      return summed(
        `(sum(${numbers(of)}) * 1.00000000000000000000 / ` +
          `nullif(count(*) FILTER (WHERE ${of.type} = 'number'), 0))`,
      );
    case "MIN":
    case "MAX":
      return extreme(name.toLowerCase(), of);
    default:
      return name satisfies never;
  }
}

function counted(text: string): GroupValue<PostgresTerm> {
  const orderBy = (descending: boolean): readonly string[] => directNullable([text], descending);
  return { column: { text, form: "number" }, orderBy, term: () => computedTerm(`to_jsonb(${text})`) };
}

/** Sums and averages are of decimals, exact until JavaScript reads them. Those that are one double are level, as everywhere. */
function summed(decimal: string): GroupValue<PostgresTerm> {
  const orderBy = (descending: boolean): readonly string[] => directNullable([asDouble(decimal)], descending);
  return {
    column: { text: `${decimal}::text`, form: "number" },
    orderBy,
    term: () => computedTerm(asDouble(decimal)),
  };
}

/** The value whose key, which begins with its rank, is the smallest or greatest; NULL if there is none. */
function extreme(name: string, { key: keys, type, text, json }: PostgresTerm): GroupValue<PostgresTerm> {
  const key = `${name}(nullif(${keys}, '${KEY.null}'))`;
  const number = `${name}(${numbers({ type, json })})`;
  const ofType = (kind: string, value: string): string =>
    `${name}(${value}) FILTER (WHERE ${type} = '${kind}')`;
  const canonical = `(${json}::text COLLATE "C")`;
  const found =
    `CASE left(${key}, 1) ` +
    `WHEN '${RANK.boolean}' THEN CASE ${key} WHEN '${KEY.true}' THEN 'true' ELSE 'false' END ` +
    `WHEN '${RANK.number}' THEN (${number})::text ` +
    `WHEN '${RANK.string}' THEN to_json(${ofType("string", text)})::text ` +
    `WHEN '${RANK.array}' THEN ${ofType("array", canonical)} ` +
    `WHEN '${RANK.object}' THEN ${ofType("object", canonical)} END`;
  const order = [
    key,
    `CASE WHEN ${key} = '${KEY.number}' THEN ${number} END`,
    `CASE WHEN left(${key}, 1) = '${RANK.string}' THEN ${ofType("string", text)} END`,
  ];
  return {
    column: { text: found, form: "json" },
    orderBy: (descending) => directNullable(order, descending),
    term: () => computedTerm(`(${found})::jsonb`),
  };
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
