import type { JsonValue } from "../../base/document.ts";
import { canonicalJson } from "../canonical-json.ts";
import type { Conditions, OrderOperator } from "../expression-dialect.ts";
import { type Bound, choice, combine, type Fragment, sql, steps } from "../fragment.ts";
import { kindOfPattern, likePrefix, spellLike, textAfter } from "../like-pattern.ts";
import { encodeKey, isComposite, keysOfList, kindOf, kindsOfList, RANK, splitList } from "../value-rank.ts";
import type { SqliteTerm } from "./terms.ts";

/** Greater than any text: in SQLite every BLOB is. */
const AFTER_ALL_TEXTS = Buffer.alloc(0);

/** The names that `json_type` gives to values of a kind. */
const TYPES: Readonly<Record<string, string>> = Object.freeze({
  boolean: "'true', 'false'",
  number: "'integer', 'real'",
  string: "'text'",
  array: "'array'",
  object: "'object'",
});

const flag = (value: boolean): number => (value ? 1 : 0);

/** What `SqliteTerm.value` is where it equals an operand. */
export function encodeValue(value: JsonValue): unknown {
  if (typeof value === "number") return encodeNumber(value);
  return typeof value === "boolean" ? flag(value) : value;
}

/**
 * A number as SQLite reads it from JSON. Beyond 2^53 JavaScript writes an integer's shortest digits, filled up with
 * zeros, and SQLite takes those for an exact 64-bit integer: so that is what it is given.
 */
export function encodeNumber(value: number): number | bigint {
  return Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value) < 2 ** 63
    ? asInteger(value)
    : value;
}

function asInteger(value: number): number | bigint {
  const digits = BigInt(String(value));
  return BigInt.asIntN(64, digits) === digits ? digits : value;
}

const encodeKnown = (value: JsonValue): number => flag(value !== null);
const encodeText = (value: JsonValue): string | null => (typeof value === "string" ? value : null);

function bound(operand: number, encode: (value: JsonValue) => unknown): Bound {
  return { operand, encode };
}

/** Where the value is of a kind, NULL where there is nothing. */
function hasKind(term: SqliteTerm, kind: string): Fragment {
  return [`${term.type} IN (${TYPES[kind]})`];
}

/** Where it is of another kind and not NULL. */
function hasOtherKind(term: SqliteTerm, kind: string): string {
  return `${term.type} NOT IN (${TYPES[kind]}, 'null')`;
}

/**
 * The kind of a value that others are compared with for equality: `exact` if no value of another type is `SqliteTerm.value`
 * alike, so that nothing has to be asked of the type. 0 and 1 may be booleans, and a text may be that of an array or object.
 */
function kindOfEqual(value: JsonValue): string {
  if (typeof value === "number") return value === 0 || value === 1 ? "number" : "exact";
  if (typeof value === "string") return value[0] === "[" || value[0] === "{" ? "string" : "exact";
  return kindOf(value);
}

function equals(term: SqliteTerm, operand: number, wanted: boolean): Fragment {
  if (term.isKey) {
    const key = bound(operand, encodeKey);
    return wanted ? sql`id = ${key}` : sql`(${bound(operand, encodeKnown)} AND id IS NOT ${key})`;
  }
  return choice(operand, kindOfEqual, (kind) => {
    if (kind === "null") return ["FALSE"];
    if (kind === "array" || kind === "object") {
      const same = sql`${term.canonical} = ${bound(operand, canonicalJson)}`;
      if (wanted) return steps(hasKind(term, kind), same);
      return sql`(${hasOtherKind(term, kind)} OR (${hasKind(term, kind)} AND NOT ${same}))`;
    }
    const value = bound(operand, encodeValue);
    if (kind === "exact") return sql`${term.value} ${wanted ? "=" : "<>"} +${value}`;
    if (wanted) return steps(sql`${term.value} = +${value}`, hasKind(term, kind));
    return sql`(${term.value} <> +${value} OR ${hasOtherKind(term, kind)})`;
  });
}

/** The operator that holds where this one does not, between values of one type. */
const OPPOSITE: Readonly<Record<OrderOperator, OrderOperator>> = Object.freeze({
  "<": ">=",
  "<=": ">",
  ">": "<=",
  ">=": "<",
});

function orders(term: SqliteTerm, operator: OrderOperator, operand: number, wanted: boolean): Fragment {
  if (term.isKey) {
    const condition = sql`(id ${operator} ${bound(operand, encodeText)})`;
    return wanted ? condition : sql`(${bound(operand, encodeKnown)} AND NOT coalesce(${condition}, 0))`;
  }
  return choice(operand, kindOf, (kind) => {
    if (kind === "null") return ["FALSE"];
    // Arrays and objects have no order: the comparison is false for every value.
    if (kind === "array" || kind === "object") return wanted ? ["FALSE"] : isNull(term, false);
    const value = bound(operand, encodeValue);
    if (wanted) return steps(sql`${term.value} ${operator} +${value}`, hasKind(term, kind));
    return sql`(${term.value} ${OPPOSITE[operator]} +${value} OR ${hasOtherKind(term, kind)})`;
  });
}

function comparison(left: SqliteTerm, right: SqliteTerm, condition: string, wanted: boolean): Fragment {
  const known = `${left.rank} <> 0 AND ${right.rank} <> 0`;
  return [`(${known} AND ${wanted ? "" : "NOT "}(${left.rank} = ${right.rank} AND ${condition}))`];
}

function equalSubjects(left: SqliteTerm, right: SqliteTerm, wanted: boolean): Fragment {
  const same = `CASE WHEN ${left.rank} < ${RANK.array} THEN 1 ELSE ${left.canonical} = ${right.canonical} END`;
  return comparison(left, right, `${left.key} = ${right.key} AND ${same}`, wanted);
}

function orderSubjects(
  left: SqliteTerm,
  operator: OrderOperator,
  right: SqliteTerm,
  wanted: boolean,
): Fragment {
  const condition = `${left.rank} < ${RANK.array} AND ${left.key} ${operator} ${right.key}`;
  return comparison(left, right, condition, wanted);
}

const encodeKeys = (list: JsonValue): string => JSON.stringify(keysOfList(list));
const encodeEmpty = (list: JsonValue): number => flag(splitList(list).empty);
const encodeNoNull = (list: JsonValue): number => flag(!splitList(list).hasNull);

/** The elements of one kind as a JSON array; SQLite reads its numbers as it reads those of documents. */
function elementsOf(operand: number, kind: string): Bound {
  return bound(operand, (list) =>
    JSON.stringify(
      splitList(list)
        .values.filter((value) => kindOf(value) === kind)
        .map((value) => (isComposite(value) ? canonicalJson(value) : encodeListed(value))),
    ),
  );
}

const encodeListed = (value: JsonValue): JsonValue => (typeof value === "boolean" ? flag(value) : value);

function isIn(term: SqliteTerm, operand: number, wanted: boolean): Fragment {
  if (term.isKey) {
    const condition = sql`id IN (SELECT value FROM json_each(${bound(operand, encodeKeys)}))`;
    if (wanted) return condition;
    return sql`(${bound(operand, encodeEmpty)} OR (${bound(operand, encodeNoNull)} AND NOT ${condition}))`;
  }
  return choice(operand, kindsOfList, (kinds) => {
    if (kinds === "empty") return [wanted ? "FALSE" : "TRUE"];
    const names = kinds.split(" ").filter((kind) => kind !== "null" && kind !== "");
    if (!wanted && names.length < kinds.split(" ").length) return ["FALSE"];
    const each = names.map((kind) => {
      const elements = sql`IN (SELECT value FROM json_each(${elementsOf(operand, kind)}))`;
      if (kind === "array" || kind === "object")
        return steps(hasKind(term, kind), sql`${term.canonical} ${elements}`);
      return steps(sql`${term.value} ${elements}`, hasKind(term, kind));
    });
    const condition = combine("OR", each);
    return wanted ? condition : sql`(${term.value} IS NOT NULL AND NOT (${condition}))`;
  });
}

/** The pattern as `GLOB` takes it, which unlike SQLite's `LIKE` tells upper from lower case. */
const encodeGlob = (pattern: JsonValue): string | null =>
  spellLike(pattern, { one: "?", any: "*" }, (text) => text.replace(/[[*?]/g, "[$&]"));

const encodeAfterPrefix = (pattern: JsonValue): unknown =>
  textAfter(likePrefix(pattern) ?? "") ?? AFTER_ALL_TEXTS;

/**
 * What the pattern starts with bounds the range of an index. The sign before the pattern changes nothing; it keeps
 * SQLite from compiling the statement anew for each pattern, to do by itself what the range does.
 */
function like(term: SqliteTerm, operand: number, wanted: boolean): Fragment {
  return choice(operand, kindOfPattern, (kind) => {
    if (kind === "null") return ["FALSE"];
    const matches = sql`${term.value} GLOB +${bound(operand, encodeGlob)}`;
    const isText = hasKind(term, "string");
    if (!wanted) return sql`(NOT (${matches}) OR ${hasOtherKind(term, "string")})`;
    if (kind === "any start") return steps(matches, isText);
    const from = sql`${term.value} >= +${bound(operand, likePrefix)}`;
    const to = sql`${term.value} < +${bound(operand, encodeAfterPrefix)}`;
    return steps(matches, from, to, isText);
  });
}

/** Elements of an array have numbers for keys, values of an object have names, and a text alone has none. */
function contains(term: SqliteTerm, operand: number, wanted: boolean): Fragment {
  if (term.isKey) {
    const within = sql`(instr(id, ${bound(operand, encodeText)}) > 0)`;
    return wanted ? within : sql`(${bound(operand, encodeKnown)} AND NOT coalesce(${within}, 0))`;
  }
  return choice(operand, kindOf, (kind) => {
    if (kind === "null") return ["FALSE"];
    const condition = sql`EXISTS (SELECT 1 FROM json_each(${term.walk}) AS e WHERE ${elementMatches(operand, kind)})`;
    return wanted ? condition : sql`(${term.value} IS NOT NULL AND NOT ${condition})`;
  });
}

/** Whether the element `e` of an array equals the operand. */
export function isElement(operand: number): Fragment {
  return choice(operand, kindOf, (kind) => {
    if (kind === "null") return ["e.type = 'null'"];
    if (kind === "string") return sql`e.type = 'text' AND e.value = ${bound(operand, encodeValue)}`;
    return elementMatches(operand, kind);
  });
}

function elementMatches(operand: number, kind: string): Fragment {
  const ofKind = `e.type IN (${TYPES[kind]})`;
  const isElement = "typeof(e.key) = 'integer'";
  const value = bound(operand, encodeValue);
  switch (kind) {
    case "array":
    case "object":
      return sql`${ofKind} AND ${isElement} AND formdb_canonical(e.value) = ${bound(operand, canonicalJson)}`;
    case "string":
      return sql`(e.value = ${value} OR (e.key IS NULL AND instr(e.value, ${value}))) AND ${ofKind} AND typeof(e.key) <> 'text'`;
    default:
      return sql`e.value = ${value} AND ${ofKind} AND ${isElement}`;
  }
}

function isNull(term: SqliteTerm, wanted: boolean): Fragment {
  return [`${term.value} IS ${wanted ? "" : "NOT "}NULL`];
}

function ranksFrom(term: SqliteTerm, rank: number, wanted: boolean): Fragment {
  return [`${term.rank} ${wanted ? ">=" : "<"} ${rank}`];
}

function truth(operand: number): Fragment {
  return [bound(operand, (value) => flag(value === true))];
}

export const termConditions: Conditions<SqliteTerm> = Object.freeze({
  equals,
  orders,
  equalSubjects,
  orderSubjects,
  isIn,
  like,
  contains,
  isNull,
  ranksFrom,
  truth,
});
