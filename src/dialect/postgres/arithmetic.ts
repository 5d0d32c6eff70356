import type { JsonValue } from "../../base/document.ts";
import type { Path } from "../../base/subject.ts";
import { levelsAt, NO_RESULT, NOT_A_NUMBER, pathLiteral, SHOWN_CHARACTERS, TOO_DEEP } from "../arithmetic.ts";
import type { ComputedValue } from "../expression-dialect.ts";
import { type Fragment, sql } from "../fragment.ts";
import { literal } from "./names.ts";
import { termOf } from "./terms.ts";

/** The value that is computed for a path, as `jsonb`. */
export function computed(path: Path, value: ComputedValue): Fragment {
  if (value.type === "path") {
    const { json } = termOf(value.path);
    const levels = levelsAt(path, value.path);
    return [`coalesce(${levels === undefined ? json : shallow(json, levels, path)}, 'null'::jsonb)`];
  }
  const json =
    value.type === "arithmetic" ? operation(value, JSON_RESULT) : sql`${double(value)}::text::jsonb`;
  return sql`coalesce(${json}, 'null'::jsonb)`;
}

/** The JSON, if its arrays and objects nest in at most so many levels, of two brackets each; else the statement fails. */
function shallow(json: string, levels: number, path: Path): string {
  const deeper = `strict $.**{${levels}} ? (@.type() == "array" || @.type() == "object")`;
  // What depends on no document would be cast while the statement is planned.
  const failure = `(${literal(TOO_DEEP)} || ${pathLiteral(path)} || ' ;' || left(${json}::text, 0))::float8::text::jsonb`;
  return (
    `CASE WHEN length(${json}::text) >= ${2 * levels} AND jsonb_path_exists(${json}, ${literal(deeper)}) ` +
    `THEN ${failure} ELSE ${json} END`
  );
}

/** A `float8` as JSON, whatever it is made of. */
export function numberAsJson(value: Fragment): Fragment {
  return sql`(SELECT ${withJsonDigits("x")} FROM (SELECT ${value} AS x OFFSET 0) AS s)`;
}

/**
 * A `float8`; NULL where nothing or a null is. For any other value, and for a result that is not finite, the statement fails:
 * the only error that an expression can raise by itself is that of a cast, whose text then says what was found.
 */
function double(value: ComputedValue): Fragment {
  switch (value.type) {
    case "operand": {
      const encode = (json: JsonValue): unknown => (typeof json === "number" ? JSON.stringify(json) : null);
      return sql`${{ operand: value.operand, encode }}::float8`;
    }
    case "path": {
      const { type, json } = termOf(value.path);
      const found = `${literal(NOT_A_NUMBER)} || ${pathLiteral(value.path)} || ': ' || left(${json}::text, ${SHOWN_CHARACTERS}) || ' ;'`;
      return [
        `(CASE WHEN ${type} = 'number' THEN ${json}::float8 WHEN ${type} <> 'null' THEN (${found})::float8 END)`,
      ];
    }
    case "arithmetic":
      return operation(value, DOUBLE_RESULT);
    default:
      return value satisfies never;
  }
}

/** How the result of an operation is given: one that is calculated, and a plain 0 or an error. */
interface ResultSpelling {
  readonly calculated: (double: string) => string;
  readonly plain: (value: string) => string;
}

const DOUBLE_RESULT: ResultSpelling = { calculated: (double) => double, plain: (value) => value };
const JSON_RESULT: ResultSpelling = { calculated: withJsonDigits, plain: (value) => `${value}::text::jsonb` };

function operation(
  { operator, left, right }: Extract<ComputedValue, { type: "arithmetic" }>,
  spelling: ResultSpelling,
): Fragment {
  // The inner query, which its offset keeps apart, spells each side once, however deep the nesting is.
  const sides = sql`(SELECT ${double(left)} AS a, ${double(right)} AS b OFFSET 0) AS x`;
  return sql`(SELECT ${guarded(operator, spelling)} FROM ${sides})`;
}

/**
 * Where PostgreSQL may write a double with other digits than JavaScript: beyond, no number of at most 16 digits, of which 5^23 is
 * the greatest power of 5 that an odd number of 54 bits has, lies halfway between two doubles.
 */
const OTHER_DIGITS = [2 ** 54, 1e39] as const;

/**
 * A `float8` as JSON with the digits that JavaScript gives it, by which it is found again. PostgreSQL passes over a text that lies
 * halfway between two doubles, as 1e23 does, and gives it more digits: fewer are tried here first. Casts are immutable, as to_jsonb
 * is not: Citus wants that in an UPDATE of many shards.
 */
function withJsonDigits(x: string): string {
  const digits = `${x}::text::numeric`;
  const by16 = `round(${digits}, 16 - length(trunc(abs(${digits}))::text))`;
  return (
    `CASE WHEN abs(${x}) NOT BETWEEN ${OTHER_DIGITS.map(float8).join(" AND ")} THEN ${x}::text::jsonb ` +
    `WHEN ${x}::numeric::float8 = ${x} THEN ${x}::numeric::text::jsonb ` +
    `WHEN ${by16}::float8 = ${x} THEN ${by16}::text::jsonb ELSE ${x}::text::jsonb END`
  );
}

const float8 = (value: number): string => `'${value}'::float8`;

/** Terms smaller than this change no sum by enough to make it infinite. */
const SMALL_TERM = 1e290;
const GREATEST_BY_4 = Number.MAX_VALUE / 4;

/** Between these decimals a product or quotient is rounded to the smallest double or to 0. */
const MAYBE_ZERO = ["2.47e-324", "2.471e-324"] as const;
/** And between these to the greatest double or to infinity. */
const MAYBE_INFINITE = ["1.797e308", "1.798e308"] as const;
/** Times this, the former is far from 0; half of the smallest double is then the second number. */
const UP = [2 ** 512, 2 ** -563] as const;
/** Times this, the latter is far from infinity; the greatest double is then the second number. */
const DOWN = [2 ** -512, Number.MAX_VALUE * 2 ** -512] as const;

/** A quarter of a sum tells whether the sum is finite, and is itself. */
export function hasFiniteSum(a: string, b: Fragment): Fragment {
  const small = float8(SMALL_TERM);
  const quarter = sql`${a} * ${float8(0.25)} + ${b} * ${float8(0.25)}`;
  return sql`CASE WHEN abs(${a}) < ${small} OR abs(${b}) < ${small} THEN TRUE ELSE abs(${quarter}) <= ${float8(GREATEST_BY_4)} END`;
}

/**
 * PostgreSQL fails where a double would become infinite or 0. The same in decimals tells that before; as they have 15
 * digits of a double only, what is near a limit is worked out again in doubles, moved away from it by a power of 2,
 * which changes no digit.
 */
function guarded(operator: "+" | "-" | "*" | "/", { calculated, plain }: ResultSpelling): string {
  const result = calculated(`(a ${operator} b)`);
  const zero = plain("0");
  const unknown = "WHEN a IS NULL OR b IS NULL THEN NULL";
  const failure = plain(`(${literal(NO_RESULT)} || a::text || ' ${operator} ' || b::text || ' ;')::float8`);
  if (operator === "+" || operator === "-") {
    const quarter = `a * ${float8(0.25)} ${operator} b * ${float8(0.25)}`;
    return (
      `CASE ${unknown} WHEN abs(a) < ${float8(SMALL_TERM)} OR abs(b) < ${float8(SMALL_TERM)} THEN ${result} ` +
      `WHEN abs(${quarter}) <= ${float8(GREATEST_BY_4)} THEN ${result} ELSE ${failure} END`
    );
  }
  const size = `abs(a::numeric ${operator} b::numeric)`;
  const moved = ([by]: readonly [number, number]): string => `abs(a * ${float8(by)} ${operator} b)`;
  return (
    `CASE ${unknown} ${operator === "/" ? `WHEN b = 0 THEN ${failure} ` : ""}WHEN a = 0${operator === "*" ? " OR b = 0" : ""} THEN ${zero} ` +
    `WHEN ${size} < ${MAYBE_ZERO[0]}::numeric THEN ${zero} ` +
    `WHEN ${size} < ${MAYBE_ZERO[1]}::numeric AND ${moved(UP)} <= ${float8(UP[1])} THEN ${zero} ` +
    `WHEN ${size} < ${MAYBE_INFINITE[0]}::numeric THEN ${result} ` +
    `WHEN ${size} < ${MAYBE_INFINITE[1]}::numeric AND ${moved(DOWN)} <= ${float8(DOWN[1])} THEN ${result} ELSE ${failure} END`
  );
}
