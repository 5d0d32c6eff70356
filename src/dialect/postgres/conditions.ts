import type { JsonValue } from "../../base/document.ts";
import type { DocumentPath } from "../ddl-dialect.ts";
import type { OrderOperator } from "../expression-dialect.ts";
import { type Fragment, sql } from "../fragment.ts";
import { likePrefix, parseLike, textAfter } from "../like-pattern.ts";
import { encodeKey, encodeOrderedRank, encodeRank, isComposite, RANK, splitList } from "../value-rank.ts";
import { rangeBound } from "./range-bounds.ts";
import { jsonTerm, type PostgresTerm, prefixOf, termOf } from "./terms.ts";

/** A place for a value with its type, so that the server never has to guess it. */
function bound(operand: number, type: string, encode: (value: JsonValue) => unknown): Fragment {
  return sql`${{ operand, encode }}::${type}`;
}

/** The three parts of an operand, as those of `PostgresTerm`. Numbers go as text: decimals, not doubles. */
const rankOperand = (operand: number): Fragment => bound(operand, "integer", encodeRank);
const numberOperand = (operand: number): Fragment =>
  bound(operand, "numeric", (value) => {
    if (typeof value === "number") return String(value);
    if (typeof value === "boolean") return value ? "1" : "0";
    return value === null ? null : "0";
  });
const encodeText = (value: JsonValue): string | null =>
  typeof value === "string" ? value : value === null ? null : "";
const textOperand = (operand: number): Fragment => bound(operand, "text", encodeText);
const prefixOperand = (operand: number): Fragment =>
  bound(operand, "text", (value) => (typeof value === "string" ? prefixOf(value) : encodeText(value)));
const jsonOperand = (operand: number): Fragment => bound(operand, "jsonb", (value) => JSON.stringify(value));
const knownOperand = (operand: number): Fragment => bound(operand, "boolean", (value) => value !== null);
const stringOperand = (operand: number): Fragment =>
  bound(operand, "text", (value) => (typeof value === "string" ? value : null));
const keyOperand = (operand: number): Fragment => bound(operand, "text", encodeKey);

/** Where a condition that is known wherever `term` and the operand are not null is false. */
function falsehood(term: PostgresTerm, operand: number, condition: Fragment): Fragment {
  return sql`(${term.rank} <> 0 AND ${knownOperand(operand)} AND NOT coalesce(${condition}, FALSE))`;
}

export function equals(path: DocumentPath, operand: number, wanted: boolean): Fragment {
  const term = termOf(path);
  if (term.isKey) {
    const key = keyOperand(operand);
    return wanted ? sql`id = ${key}` : sql`(${knownOperand(operand)} AND id IS DISTINCT FROM ${key})`;
  }
  if (!wanted) {
    return sql`(${term.rank} <> 0 AND ${knownOperand(operand)} AND ${term.json} <> ${jsonOperand(operand)})`;
  }
  return sql`(${term.rank} = ${rankOperand(operand)} AND ${term.number} = ${numberOperand(operand)} AND ${term.prefix} = ${prefixOperand(operand)} AND ${term.json} = ${jsonOperand(operand)})`;
}

/** Of a number and a text one is the same on both sides. So the two can be compared as a row, which indexes serve. */
export function orders(
  path: DocumentPath,
  operator: OrderOperator,
  operand: number,
  wanted: boolean,
): Fragment {
  const term = termOf(path);
  if (term.isKey) {
    const condition = sql`(id ${operator} ${stringOperand(operand)})`;
    return wanted ? condition : falsehood(term, operand, condition);
  }
  const rank = bound(operand, "integer", encodeOrderedRank);
  const beyond = operator.startsWith("<") ? "<" : ">";
  const number = bound(operand, "numeric", (value) => rangeBound(operator, value)[0]);
  const prefix = bound(operand, "text", (value) => rangeBound(operator, value)[1]);
  // The first comparison leads an index to the range, the second is the one that is meant.
  const near = sql`(${term.number}, ${term.prefix}) ${beyond} (${number}, ${prefix})`;
  const exact = sql`(${term.number}, ${term.text}) ${operator} (${numberOperand(operand)}, ${textOperand(operand)})`;
  const condition = sql`(${term.rank} = ${rank} AND ${near} AND ${exact})`;
  return wanted ? condition : falsehood(term, operand, condition);
}

function comparison(left: PostgresTerm, right: PostgresTerm, condition: string, wanted: boolean): Fragment {
  const known = `${left.rank} <> 0 AND ${right.rank} <> 0`;
  return [`(${known} AND ${wanted ? "" : "NOT "}(${condition}))`];
}

export function equalPaths(leftPath: DocumentPath, rightPath: DocumentPath, wanted: boolean): Fragment {
  const left = termOf(leftPath);
  const right = termOf(rightPath);
  return comparison(left, right, `${left.json} = ${right.json}`, wanted);
}

export function orderPaths(
  leftPath: DocumentPath,
  operator: OrderOperator,
  rightPath: DocumentPath,
  wanted: boolean,
): Fragment {
  const left = termOf(leftPath);
  const right = termOf(rightPath);
  const row = (term: PostgresTerm): string => `(${term.number}, ${term.text})`;
  const condition = `${left.rank} = ${right.rank} AND ${left.rank} < ${RANK.array} AND ${row(left)} ${operator} ${row(right)}`;
  return comparison(left, right, condition, wanted);
}

/** Equality with the rows of a list leads to a join, which uses an index where that pays. */
export function isIn(path: DocumentPath, operand: number, wanted: boolean): Fragment {
  const term = termOf(path);
  if (term.isKey) {
    const keys = bound(operand, "text[]", (list) =>
      splitList(list)
        .values.map(encodeKey)
        .filter((key) => key !== null),
    );
    return wanted ? sql`id = ANY(${keys})` : outside(term, operand, sql`id <> ALL(${keys})`);
  }
  // An array and no JSON list: of an array the planner knows how long it is.
  const values = bound(operand, "jsonb[]", (list) =>
    splitList(list).values.map((value) => JSON.stringify(value)),
  );
  if (!wanted) {
    const among = sql`SELECT e.value FROM unnest(${values}) AS e(value)`;
    return outside(term, operand, sql`${term.json} NOT IN (${among})`);
  }
  const element = jsonTerm("e.value");
  const columns = ({ rank, number, text, json }: PostgresTerm): string =>
    [rank, number, text, json].join(", ");
  return sql`(${columns(term)}) IN (SELECT ${columns(element)} FROM unnest(${values}) AS e(value))`;
}

/** Where a value is known to be in none of the elements: `condition`, but for NULLs and the empty list. */
function outside(term: PostgresTerm, operand: number, condition: Fragment): Fragment {
  const empty = bound(operand, "boolean", (list) => splitList(list).empty);
  const noNull = bound(operand, "boolean", (list) => !splitList(list).hasNull);
  return sql`(${empty} OR (${term.rank} <> 0 AND ${noNull} AND ${condition}))`;
}

/** The pattern with a backslash only where one is needed. */
function encodePattern(pattern: JsonValue): string | null {
  if (typeof pattern !== "string") return null;
  return parseLike(pattern)
    .map((piece) => {
      if (piece === "one") return "_";
      if (piece === "any") return "%";
      return piece.literal.replace(/[\\%_]/g, "\\$&");
    })
    .join("");
}

/** Where the range of what starts as the pattern does begins, in an index. */
function prefixStart(pattern: JsonValue): string | null {
  const prefix = likePrefix(pattern);
  return prefix === null ? null : prefixOf(prefix);
}

/** Where it ends: a row with a number, since there is no last text. */
function prefixEnd(pattern: JsonValue): readonly [number: string | null, text: string | null] {
  const prefix = prefixStart(pattern);
  if (prefix === null) return [null, null];
  const after = textAfter(prefix);
  return after === undefined ? ["1", ""] : ["0", after];
}

/** What the pattern starts with bounds the range of an index. */
export function like(path: DocumentPath, operand: number, wanted: boolean): Fragment {
  const term = termOf(path);
  const row = `(${term.number}, ${term.prefix})`;
  const endNumber = bound(operand, "numeric", (pattern) => prefixEnd(pattern)[0]);
  const endText = bound(operand, "text", (pattern) => prefixEnd(pattern)[1]);
  const condition = sql`(${term.rank} = ${String(RANK.string)} AND ${row} >= (0::numeric, ${bound(operand, "text", prefixStart)}) AND ${row} < (${endNumber}, ${endText}) AND ${term.text} LIKE ${bound(operand, "text", encodePattern)})`;
  return wanted ? condition : falsehood(term, operand, condition);
}

/**
 * `@>` finds scalars among the elements (and a GIN index would serve it), but it finds arrays and objects that only
 * hold the operand too: those are compared one by one.
 */
export function contains(path: DocumentPath, operand: number, wanted: boolean): Fragment {
  const term = termOf(path);
  const text = sql`strpos(${term.text}, ${stringOperand(operand)}) > 0`;
  const list = bound(operand, "jsonb", (value) => (value === null ? null : JSON.stringify([value])));
  const scalar = bound(operand, "boolean", (value) => !isComposite(value));
  const condition = term.isKey
    ? sql`(${text})`
    : sql`CASE WHEN ${term.rank} = ${String(RANK.string)} THEN ${text} WHEN ${term.rank} = ${String(RANK.array)} THEN ${term.json} @> ${list} AND (${scalar} OR EXISTS (SELECT 1 FROM jsonb_array_elements(${term.json}) AS e(value) WHERE e.value = ${jsonOperand(operand)})) ELSE FALSE END`;
  return wanted ? condition : falsehood(term, operand, condition);
}

export function isNull(path: DocumentPath, wanted: boolean): Fragment {
  return [`${termOf(path).rank} ${wanted ? "=" : ">"} 0`];
}

export function truth(operand: number): Fragment {
  return bound(operand, "boolean", (value) => value === true);
}
