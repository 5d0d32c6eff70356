import type { JsonValue } from "../../base/document.ts";
import { pathLiteral } from "../arithmetic.ts";
import type { ComputedValue } from "../expression-dialect.ts";
import { type Fragment, sql } from "../fragment.ts";
import { termOf } from "./terms.ts";

/** The computed value as JSON in SQLite's binary form. */
export function computed(value: ComputedValue): Fragment {
  return sql`jsonb(coalesce(${jsonText(value)}, 'null'))`;
}

/** SQLite's own operators take whole numbers for 64-bit integers, which JSON's readers would round. */
function jsonText(value: ComputedValue): Fragment {
  switch (value.type) {
    case "operand":
      return sql`${{ operand: value.operand, encode: (json: JsonValue): string => JSON.stringify(json) }}`;
    case "path":
      return [termOf(value.path).json];
    case "arithmetic":
      return sql`formdb_arithmetic('${value.operator}', ${jsonText(value.left)}, ${jsonText(value.right)}, ${nameOf(value.left)}, ${nameOf(value.right)})`;
    default:
      return value satisfies never;
  }
}

/** What an error calls a side that may be no number. */
function nameOf(value: ComputedValue): string {
  return value.type === "path" ? pathLiteral(value.path) : "NULL";
}
