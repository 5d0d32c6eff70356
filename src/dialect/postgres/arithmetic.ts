import type { JsonValue } from "../../base/document.ts";
import { NO_RESULT, NOT_A_NUMBER, pathLiteral, SHOWN_CHARACTERS } from "../arithmetic.ts";
import type { ComputedValue } from "../expression-dialect.ts";
import { type Fragment, sql } from "../fragment.ts";
import { literal } from "./names.ts";
import { termOf } from "./terms.ts";

/** The computed value as `jsonb`. */
export function computed(value: ComputedValue): Fragment {
  if (value.type === "path") return [`coalesce(${termOf(value.path).json}, 'null'::jsonb)`];
  // Casts are immutable, as to_jsonb is not: Citus wants that in an UPDATE of many shards.
  return sql`coalesce(${double(value)}::text::jsonb, 'null'::jsonb)`;
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
    case "arithmetic": {
      // The inner query, which its offset keeps apart, spells each side once, however deep the nesting is.
      const sides = sql`(SELECT ${double(value.left)} AS a, ${double(value.right)} AS b OFFSET 0) AS x`;
      return sql`(SELECT ${guarded(value.operator)} FROM ${sides})`;
    }
    default:
      return value satisfies never;
  }
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
function guarded(operator: "+" | "-" | "*" | "/"): string {
  const result = `a ${operator} b`;
  const unknown = "WHEN a IS NULL OR b IS NULL THEN NULL";
  const failure = `(${literal(NO_RESULT)} || a::text || ' ${operator} ' || b::text || ' ;')::float8`;
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
    `CASE ${unknown} ${operator === "/" ? `WHEN b = 0 THEN ${failure} ` : ""}WHEN a = 0${operator === "*" ? " OR b = 0" : ""} THEN 0 ` +
    `WHEN ${size} < ${MAYBE_ZERO[0]}::numeric THEN 0 ` +
    `WHEN ${size} < ${MAYBE_ZERO[1]}::numeric AND ${moved(UP)} <= ${float8(UP[1])} THEN 0 ` +
    `WHEN ${size} < ${MAYBE_INFINITE[0]}::numeric THEN ${result} ` +
    `WHEN ${size} < ${MAYBE_INFINITE[1]}::numeric AND ${moved(DOWN)} <= ${float8(DOWN[1])} THEN ${result} ELSE ${failure} END`
  );
}
