import type { JsonValue } from "../../base/document.ts";
import type { Conditions, OrderOperator } from "../expression-dialect.ts";
import { choice, combine, type Fragment, sql, steps } from "../fragment.ts";
import { kindOfPattern, likePrefix, spellLike, textAfter } from "../like-pattern.ts";
import { encodeKey, keysOfList, kindOf, kindsOfList, RANK, splitList } from "../value-rank.ts";
import { INDEXED_CHARACTERS, isTextInstead, jsonSteps, KEY, type PostgresTerm, stringKey } from "./terms.ts";

/*
 * A condition begins with the comparison that is cheapest and leaves few rows: of `jsonb` values, whose own order
 * holds for numbers and booleans, or of texts. What an index can serve comes behind, and says what the first
 * comparison leaves open; of a path that no index holds the type is asked instead. PostgreSQL asks the cheaper of two
 * conditions first, and of two that cost the same the one that is written first.
 */

/** A place for a value with its type, so that the server never has to guess it. */
function bound(operand: number, type: string, encode: (value: JsonValue) => unknown): Fragment {
  return sql`${{ operand, encode }}::${type}`;
}

/** Numbers go as text: decimals, not doubles. */
const numberOperand = (operand: number): Fragment => bound(operand, "numeric", String);
const jsonOperand = (operand: number): Fragment => bound(operand, "jsonb", (value) => JSON.stringify(value));
const knownOperand = (operand: number): Fragment => bound(operand, "boolean", (value) => value !== null);
const stringOperand = (operand: number): Fragment =>
  bound(operand, "text", (value) => (typeof value === "string" ? value : null));
const idOperand = (operand: number): Fragment => bound(operand, "text", encodeKey);
const keyOperand = (operand: number): Fragment => bound(operand, "text", keyOf);

/** The key that an index holds for a value. */
function keyOf(value: JsonValue): string {
  if (typeof value === "string") return stringKey(value);
  return typeof value === "boolean" ? KEY[value ? "true" : "false"] : KEY[kindOf(value) as keyof typeof KEY];
}

/** Where the value is a number or boolean, as the operand is, and in this order with it. */
function inOrder(term: PostgresTerm, operator: OrderOperator, operand: number, kind: string): Fragment {
  const { path, json } = term;
  if (path === undefined)
    return steps(sql`${json} ${operator} ${jsonOperand(operand)}`, isOfType(term, kind));
  const asked = (value: JsonValue): string =>
    `strict $${jsonSteps(path)} ${operator} ${JSON.stringify(value)}`;
  return sql`doc @@ ${bound(operand, "jsonpath", asked)}`;
}

const inCodePoints = (text: string): string => `${text} COLLATE "C"`;
const isOfType = (term: PostgresTerm, kind: string): Fragment => [`${term.type} = '${kind}'`];
const isKnown = (term: PostgresTerm): string => `${term.json} <> 'null'::jsonb`;

/** Where the value is known and the condition, which is known for all of its type, does not hold. */
function falsehood(term: PostgresTerm, kind: string, condition: Fragment): Fragment {
  return sql`(${isKnown(term)} AND NOT (${term.type} = '${kind}' AND ${condition}))`;
}

/** An index holds the whole of such a string. */
function kindOfKey(value: JsonValue): string {
  return typeof value === "string" && value.length < INDEXED_CHARACTERS ? "short string" : kindOf(value);
}

/**
 * What an index holds says all of a number, a boolean or a short string: if there is an index to look it up by, nothing
 * else is asked.
 */
function equals(term: PostgresTerm, operand: number, wanted: boolean): Fragment {
  if (term.isKey) {
    const key = idOperand(operand);
    return wanted ? sql`id = ${key}` : sql`(${knownOperand(operand)} AND id IS DISTINCT FROM ${key})`;
  }
  return choice(operand, kindOfKey, (kind) => {
    if (kind === "null") return ["FALSE"];
    const sameKey = sql`${term.key} = ${keyOperand(operand)}`;
    const isFirst = term.index === "first";
    if (kind === "string" || kind === "short string") {
      const same = sql`${term.plain} = ${stringOperand(operand)}`;
      if (!wanted) return falsehood(term, "string", same);
      if (isFirst && kind === "short string") return sameKey;
      return steps(same, term.index === undefined ? isOfType(term, "string") : sameKey);
    }
    const same = sql`${term.json} = ${jsonOperand(operand)}`;
    if (!wanted) return sql`(${isKnown(term)} AND NOT (${same}))`;
    if (term.index === undefined) return same;
    if (kind === "number") {
      const sameNumber = sql`${term.number} = ${numberOperand(operand)}`;
      return isFirst ? steps(sameKey, sameNumber) : steps(same, sameKey, sameNumber);
    }
    return isFirst && kind === "boolean" ? sameKey : steps(same, sameKey);
  });
}

function orders(term: PostgresTerm, operator: OrderOperator, operand: number, wanted: boolean): Fragment {
  if (term.isKey) {
    const condition = sql`(id ${operator} ${stringOperand(operand)})`;
    return wanted ? condition : sql`(${knownOperand(operand)} AND NOT coalesce(${condition}, FALSE))`;
  }
  return choice(operand, kindOf, (kind) => {
    if (kind === "null") return ["FALSE"];
    // Arrays and objects have no order: the comparison is false for every value.
    if (kind === "array" || kind === "object") return wanted ? ["FALSE"] : isNull(term, false);
    if (kind === "string") {
      const exact = sql`${inCodePoints(term.plain)} ${operator} ${stringOperand(operand)}`;
      if (!wanted) return falsehood(term, kind, exact);
      if (term.index === undefined) return steps(exact, isOfType(term, kind));
      // An index holds the starts of texts, which may be equal where the texts are not.
      const near = sql`${term.key} ${operator.startsWith("<") ? "<=" : ">="} ${keyOperand(operand)}`;
      return steps(exact, near, isOfRank(term, RANK.string, operator));
    }
    const exact = sql`${term.json} ${operator} ${jsonOperand(operand)}`;
    if (!wanted) return falsehood(term, kind, exact);
    if (term.index === undefined) return inOrder(term, operator, operand, kind);
    if (kind === "boolean") {
      return steps(
        exact,
        sql`${term.key} ${operator} ${keyOperand(operand)}`,
        isOfRank(term, RANK.boolean, operator),
      );
    }
    const near = sql`${term.number} ${operator} ${numberOperand(operand)}`;
    return steps(exact, [`${term.key} = '${KEY.number}'`], near);
  });
}

/** The other end of a range within the keys of a rank. */
function isOfRank(term: PostgresTerm, rank: number, operator: OrderOperator): Fragment {
  return [operator.startsWith("<") ? `${term.key} >= '${rank}'` : `${term.key} < '${rank + 1}'`];
}

function comparison(left: PostgresTerm, right: PostgresTerm, condition: string, wanted: boolean): Fragment {
  return [`(${isKnown(left)} AND ${isKnown(right)} AND ${wanted ? "" : "NOT "}(${condition}))`];
}

function equalSubjects(left: PostgresTerm, right: PostgresTerm, wanted: boolean): Fragment {
  return comparison(left, right, `${left.json} = ${right.json}`, wanted);
}

function orderSubjects(
  left: PostgresTerm,
  operator: OrderOperator,
  right: PostgresTerm,
  wanted: boolean,
): Fragment {
  const condition =
    `${left.type} = ${right.type} AND CASE WHEN ${left.type} = 'string' ` +
    `THEN ${inCodePoints(left.plain)} ${operator} ${right.plain} ` +
    `ELSE ${left.type} = ANY ('{number,boolean}') AND ${left.json} ${operator} ${right.json} END`;
  return comparison(left, right, condition, wanted);
}

/** The elements of a list that are of one kind, as an array of the engine: of an array the planner knows its length. */
function elementsOf(
  operand: number,
  kind: string,
  type: string,
  encode: (value: JsonValue) => unknown,
): Fragment {
  return bound(operand, `${type}[]`, (list) =>
    splitList(list)
      .values.filter((value) => kindOf(value) === kind)
      .map(encode),
  );
}

function isIn(term: PostgresTerm, operand: number, wanted: boolean): Fragment {
  if (term.isKey) {
    const keys = bound(operand, "text[]", keysOfList);
    if (wanted) return sql`id = ANY(${keys})`;
    const empty = bound(operand, "boolean", (list) => splitList(list).empty);
    const noNull = bound(operand, "boolean", (list) => !splitList(list).hasNull);
    return sql`(${empty} OR (${noNull} AND id <> ALL(${keys})))`;
  }
  return choice(operand, kindsOfList, (kinds) => {
    if (kinds === "empty") return [wanted ? "FALSE" : "TRUE"];
    const names = kinds.split(" ").filter((kind) => kind !== "null");
    if (!wanted && names.length < kinds.split(" ").length) return ["FALSE"];
    const each = names.map((kind) => {
      const json = (value: JsonValue): string => JSON.stringify(value);
      const keys = sql`${term.key} = ANY(${elementsOf(operand, kind, "text", keyOf)})`;
      if (kind === "string") {
        const same = sql`${term.plain} = ANY(${elementsOf(operand, kind, "text", String)})`;
        return steps(same, term.index === undefined ? isOfType(term, kind) : keys);
      }
      const same = sql`${term.json} = ANY(${elementsOf(operand, kind, "jsonb", json)})`;
      if (term.index === undefined) return same;
      if (kind !== "number") return steps(same, keys);
      const numbers = sql`${term.number} = ANY(${elementsOf(operand, kind, "numeric", String)})`;
      return steps(same, [`${term.key} = '${KEY.number}'`], numbers);
    });
    const condition = combine("OR", each);
    return wanted ? condition : sql`(${isKnown(term)} AND NOT ${condition})`;
  });
}

/** The pattern with a backslash only where one is needed. */
const encodePattern = (pattern: JsonValue): string | null =>
  spellLike(pattern, { one: "_", any: "%" }, (text) => text.replace(/[\\%_]/g, "\\$&"));

/** Where the range of what starts as the pattern does begins, among the keys of an index. */
const firstKey = (pattern: JsonValue): string => stringKey(likePrefix(pattern) ?? "");
/** Where it ends. There is a key after those of all strings. */
const keyAfter = (pattern: JsonValue): string => textAfter(firstKey(pattern))!;

/** What the pattern starts with bounds the range of an index. */
function like(term: PostgresTerm, operand: number, wanted: boolean): Fragment {
  return choice(operand, kindOfPattern, (kind) => {
    if (kind === "null") return ["FALSE"];
    const matches = sql`${inCodePoints(term.plain)} LIKE ${bound(operand, "text", encodePattern)}`;
    if (!wanted) return falsehood(term, "string", matches);
    if (kind === "any start" || term.index === undefined) return steps(matches, isOfType(term, "string"));
    const from = sql`${term.key} >= ${bound(operand, "text", firstKey)}`;
    return steps(matches, from, sql`${term.key} < ${bound(operand, "text", keyAfter)}`);
  });
}

/**
 * `@>` finds scalars among the elements (and a GIN index would serve it), but it finds arrays and objects that only
 * hold the operand too: those are compared one by one. `?` finds a string among the elements, and among the names of an
 * object.
 */
function contains(term: PostgresTerm, operand: number, wanted: boolean): Fragment {
  const within = sql`strpos(${term.plain}, ${stringOperand(operand)}) > 0`;
  if (term.isKey) {
    return wanted ? sql`(${within})` : sql`(${knownOperand(operand)} AND NOT coalesce(${within}, FALSE))`;
  }
  const list = bound(operand, "jsonb", (value) => JSON.stringify([value]));
  const holds = sql`${term.elements ?? term.json} @> ${list}`;
  return choice(operand, kindOf, (kind) => {
    if (kind === "null") return ["FALSE"];
    const condition = found(kind);
    return wanted ? condition : sql`(${isKnown(term)} AND NOT (${condition}))`;
  });

  function found(kind: string): Fragment {
    switch (kind) {
      case "string":
        if (term.elements !== undefined) {
          return sql`(${holds} OR (${isTextInstead(term.elements)} AND ${term.type} = 'string' AND ${within}))`;
        }
        return sql`CASE WHEN ${term.json} ? ${stringOperand(operand)} THEN ${term.type} <> 'object' ELSE ${term.type} = 'string' AND ${within} END`;
      case "array":
      case "object": {
        const elements = `CASE WHEN ${term.type} = 'array' THEN ${term.json} END`;
        return steps(
          holds,
          sql`EXISTS (SELECT 1 FROM jsonb_array_elements(${elements}) AS e(value) WHERE e.value = ${jsonOperand(operand)})`,
        );
      }
      default:
        return holds;
    }
  }
}

function isNull(term: PostgresTerm, wanted: boolean): Fragment {
  if (term.isKey) return [wanted ? "FALSE" : "TRUE"];
  if (!wanted) return [isKnown(term)];
  return [
    term.index === undefined ? `coalesce(${term.type}, 'null') = 'null'` : `${term.key} = '${KEY.null}'`,
  ];
}

/** A key begins with the rank, so that an index has those of one type in a row. */
function ranksFrom(term: PostgresTerm, rank: number, wanted: boolean): Fragment {
  return [`${term.key} ${wanted ? ">=" : "<"} '${rank}'`];
}

/** Whether a value comes at an operand's place or after it, as far as an index knows. */
export function startsAt({ key, number }: PostgresTerm, descending: boolean, operand: number): Fragment {
  const value = bound(operand, "numeric", (json) => (typeof json === "number" ? String(json) : "0"));
  return sql`(${key}, ${number}) ${descending ? "<=" : ">="} (${keyOperand(operand)}, ${value})`;
}

function truth(operand: number): Fragment {
  return bound(operand, "boolean", (value) => value === true);
}

export const termConditions: Conditions<PostgresTerm> = Object.freeze({
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
