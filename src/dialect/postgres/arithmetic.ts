import type { JsonValue } from "../../base/document.ts";
import type { ComputedValue } from "../expression-dialect.ts";
import { type Fragment, sql } from "../fragment.ts";
import { termOf } from "./terms.ts";

/** The greatest double. */
const GREATEST = "1.7976931348623157e308";

/** What is at most half of the smallest double is rounded to 0. */
const ROUNDED_TO_ZERO = "2.4703282292062327e-324";

/** The computed value as `jsonb`. */
export function computed(value: ComputedValue): Fragment {
  if (value.type === "path") return [`coalesce(${termOf(value.path).json}, 'null'::jsonb)`];
  return sql`coalesce(to_jsonb(${double(value)}), 'null'::jsonb)`;
}

/** A `float8`; NULL where the value is no number. */
function double(value: ComputedValue): Fragment {
  switch (value.type) {
    case "operand": {
      const encode = (json: JsonValue): unknown => (typeof json === "number" ? JSON.stringify(json) : null);
      return sql`${{ operand: value.operand, encode }}::float8`;
    }
    case "path": {
      const { type, json } = termOf(value.path);
      return [`(CASE WHEN ${type} = 'number' THEN ${json}::float8 END)`];
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

/** PostgreSQL fails where a double would become infinite or 0; the same in decimals tells that before. */
function guarded(operator: "+" | "-" | "*" | "/"): string {
  const result = `a ${operator} b`;
  const size = `abs(a::numeric ${operator} b::numeric)`;
  const finite = `WHEN ${size} <= ${GREATEST}::numeric THEN ${result}`;
  if (operator === "+" || operator === "-") return `CASE ${finite} END`;
  return (
    `CASE WHEN a IS NULL OR b IS NULL ${operator === "/" ? "OR b = 0 " : ""}THEN NULL ` +
    `WHEN a = 0${operator === "*" ? " OR b = 0" : ""} THEN 0 ` +
    `WHEN ${size} <= ${ROUNDED_TO_ZERO}::numeric THEN 0 ${finite} END`
  );
}
