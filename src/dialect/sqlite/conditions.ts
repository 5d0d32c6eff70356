import type { JsonValue } from "../../base/document.ts";
import { canonicalJson } from "../canonical-json.ts";
import type { DocumentPath } from "../ddl-dialect.ts";
import type { OrderOperator } from "../expression-dialect.ts";
import { type Bound, type Fragment, sql } from "../fragment.ts";
import { likePrefix, parseLike, textAfter } from "../like-pattern.ts";
import {
  encodeKey,
  encodeOrderedRank,
  encodeRank,
  isComposite,
  RANK,
  rankOf,
  splitList,
} from "../value-rank.ts";
import { keyOfType, rankOfType, type SqliteTerm, termOf } from "./terms.ts";

/** Greater than any text: in SQLite every BLOB is. */
const AFTER_ALL_TEXTS = Buffer.alloc(0);

const isKey = (path: DocumentPath): boolean => termOf(path).place === undefined;
const flag = (value: boolean): number => (value ? 1 : 0);

/** The key of an operand, as `SqliteTerm.key`. */
function encodeTermKey(value: JsonValue): unknown {
  if (typeof value === "number") return encodeNumber(value);
  if (typeof value === "boolean") return flag(value);
  return isComposite(value) ? "" : value;
}

/**
 * A number as SQLite reads it from JSON. Beyond 2^53 JavaScript writes an integer's shortest digits, filled up with
 * zeros, and SQLite takes those for an exact 64-bit integer: so that is what it is given.
 */
function encodeNumber(value: number): number | bigint {
  return Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value) < 2 ** 63
    ? asInteger(value)
    : value;
}

function asInteger(value: number): number | bigint {
  const digits = BigInt(String(value));
  return BigInt.asIntN(64, digits) === digits ? digits : value;
}

const encodeCanonical = (value: JsonValue): string | null =>
  isComposite(value) ? canonicalJson(value) : null;
const encodeKnown = (value: JsonValue): number => flag(value !== null);
const encodeText = (value: JsonValue): string | null => (typeof value === "string" ? value : null);

function bound(operand: number, encode: (value: JsonValue) => unknown): Bound {
  return { operand, encode };
}

/** Where a condition that is known wherever `term` and the operand are not null is false. */
function falsehood(term: SqliteTerm, operand: number, condition: Fragment): Fragment {
  return sql`(${term.rank} <> 0 AND ${bound(operand, encodeKnown)} AND NOT coalesce(${condition}, 0))`;
}

export function equals(path: DocumentPath, operand: number, wanted: boolean): Fragment {
  if (isKey(path)) {
    const key = bound(operand, encodeKey);
    return wanted ? sql`id = ${key}` : sql`(${bound(operand, encodeKnown)} AND id IS NOT ${key})`;
  }
  const term = termOf(path);
  const condition = sql`(${term.rank} = ${bound(operand, encodeRank)} AND ${term.key} = ${bound(operand, encodeTermKey)} AND CASE WHEN ${term.rank} < ${String(RANK.array)} THEN 1 ELSE ${term.canonical} = ${bound(operand, encodeCanonical)} END)`;
  return wanted ? condition : falsehood(term, operand, condition);
}

export function orders(
  path: DocumentPath,
  operator: OrderOperator,
  operand: number,
  wanted: boolean,
): Fragment {
  const term = termOf(path);
  const condition = isKey(path)
    ? sql`(id ${operator} ${bound(operand, encodeText)})`
    : sql`(${term.rank} = ${bound(operand, encodeOrderedRank)} AND ${term.key} ${operator} ${bound(operand, encodeTermKey)})`;
  return wanted ? condition : falsehood(term, operand, condition);
}

function comparison(left: SqliteTerm, right: SqliteTerm, condition: string, wanted: boolean): Fragment {
  const known = `${left.rank} <> 0 AND ${right.rank} <> 0`;
  return [`(${known} AND ${wanted ? "" : "NOT "}(${left.rank} = ${right.rank} AND ${condition}))`];
}

export function equalPaths(leftPath: DocumentPath, rightPath: DocumentPath, wanted: boolean): Fragment {
  const left = termOf(leftPath);
  const right = termOf(rightPath);
  const same = `CASE WHEN ${left.rank} < ${RANK.array} THEN 1 ELSE ${left.canonical} = ${right.canonical} END`;
  return comparison(left, right, `${left.key} = ${right.key} AND ${same}`, wanted);
}

export function orderPaths(
  leftPath: DocumentPath,
  operator: OrderOperator,
  rightPath: DocumentPath,
  wanted: boolean,
): Fragment {
  const left = termOf(leftPath);
  const right = termOf(rightPath);
  const condition = `${left.rank} < ${RANK.array} AND ${left.key} ${operator} ${right.key}`;
  return comparison(left, right, condition, wanted);
}

const encodeKeys = (list: JsonValue): string =>
  JSON.stringify(
    splitList(list)
      .values.map(encodeKey)
      .filter((key) => key !== null),
  );
const encodeListRanks = (list: JsonValue): string =>
  JSON.stringify([...new Set(splitList(list).values.map(rankOf))]);
/** What JSON holds of a `SqliteTerm.key`; SQLite reads the numbers as it reads those of documents. */
const encodeListKey = (value: JsonValue): JsonValue =>
  typeof value === "boolean" ? flag(value) : isComposite(value) ? "" : value;
const encodeListKeys = (list: JsonValue): string => JSON.stringify(splitList(list).values.map(encodeListKey));
/** Whether rank and key, each on its own, already say which elements are meant. */
const isPlain = (list: JsonValue): boolean => {
  const ranks = new Set(splitList(list).values.map(rankOf));
  return ranks.size <= 1 && !ranks.has(RANK.array) && !ranks.has(RANK.object);
};
const encodePairs = (list: JsonValue): string =>
  isPlain(list)
    ? "[]"
    : JSON.stringify(
        splitList(list).values.map((value) => [
          rankOf(value),
          isComposite(value) ? canonicalJson(value) : encodeListKey(value),
        ]),
      );
const encodeEmpty = (list: JsonValue): number => flag(splitList(list).empty);
const encodeNoNull = (list: JsonValue): number => flag(!splitList(list).hasNull);

/**
 * SQLite uses an index of expressions for `a IN (…) AND b IN (…)`, but not for `(a, b) IN (…)`. So the first two
 * conditions lead to the rows, and the third looks at pairs where the two alone can't tell 1 from TRUE.
 */
export function isIn(path: DocumentPath, operand: number, wanted: boolean): Fragment {
  const term = termOf(path);
  const condition = isKey(path)
    ? sql`id IN (SELECT value FROM json_each(${bound(operand, encodeKeys)}))`
    : sql`(${term.rank} IN (SELECT value FROM json_each(${bound(operand, encodeListRanks)})) AND ${term.key} IN (SELECT value FROM json_each(${bound(operand, encodeListKeys)})) AND (${bound(operand, (list) => flag(isPlain(list)))} OR (${term.rank}, CASE WHEN ${term.rank} < ${String(RANK.array)} THEN ${term.key} ELSE ${term.canonical} END) IN (SELECT value ->> 0, value ->> 1 FROM json_each(${bound(operand, encodePairs)}))))`;
  if (wanted) return condition;
  return sql`(${bound(operand, encodeEmpty)} OR (${term.rank} <> 0 AND ${bound(operand, encodeNoNull)} AND NOT ${condition}))`;
}

/** The pattern as `GLOB` takes it, which unlike SQLite's `LIKE` tells upper from lower case. */
function encodeGlob(pattern: JsonValue): string | null {
  if (typeof pattern !== "string") return null;
  return parseLike(pattern)
    .map((piece) => {
      if (piece === "one") return "?";
      if (piece === "any") return "*";
      return piece.literal.replace(/[[*?]/g, "[$&]");
    })
    .join("");
}

function encodeAfterPrefix(pattern: JsonValue): unknown {
  const prefix = likePrefix(pattern);
  return prefix === null ? null : (textAfter(prefix) ?? AFTER_ALL_TEXTS);
}

/** What the pattern starts with bounds the range of an index. */
export function like(path: DocumentPath, operand: number, wanted: boolean): Fragment {
  const term = termOf(path);
  const condition = sql`(${term.rank} = ${String(RANK.string)} AND ${term.key} >= ${bound(operand, likePrefix)} AND ${term.key} < ${bound(operand, encodeAfterPrefix)} AND ${term.key} GLOB ${bound(operand, encodeGlob)})`;
  return wanted ? condition : falsehood(term, operand, condition);
}

export function contains(path: DocumentPath, operand: number, wanted: boolean): Fragment {
  const term = termOf(path);
  const text = sql`instr(${term.key}, ${bound(operand, encodeText)}) > 0`;
  const condition =
    term.place === undefined
      ? sql`(${text})`
      : sql`CASE ${term.rank} WHEN ${String(RANK.string)} THEN ${text} WHEN ${String(RANK.array)} THEN ${containsElement(term.place, operand)} ELSE 0 END`;
  return wanted ? condition : falsehood(term, operand, condition);
}

function containsElement(place: string, operand: number): Fragment {
  const rank = rankOfType("e.type");
  return sql`EXISTS (SELECT 1 FROM json_each(${place}) AS e WHERE ${rank} = ${bound(operand, encodeRank)} AND ${keyOfType("e.type", "e.value")} = ${bound(operand, encodeTermKey)} AND CASE WHEN e.type IN ('array', 'object') THEN formdb_canonical(e.value) = ${bound(operand, encodeCanonical)} ELSE 1 END)`;
}

export function isNull(path: DocumentPath, wanted: boolean): Fragment {
  return [`${termOf(path).rank} ${wanted ? "=" : ">"} 0`];
}

export function truth(operand: number): Fragment {
  return [bound(operand, (value) => flag(value === true))];
}
