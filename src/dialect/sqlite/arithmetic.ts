import type { JsonValue } from "../../base/document.ts";
import type { Path } from "../../base/subject.ts";
import { levelsAt, pathLiteral } from "../arithmetic.ts";
import type { ComputedValue } from "../expression-dialect.ts";
import { type Fragment, sql } from "../fragment.ts";
import { termOf } from "./terms.ts";

/** The value that is computed for a path, as JSON in SQLite's binary form. */
export function computed(path: Path, value: ComputedValue): Fragment {
  const levels = value.type === "path" ? levelsAt(path, value.path) : undefined;
  let text = jsonText(value);
  if (levels !== undefined) {
    // A level has two brackets.
    text = sql`CASE WHEN length(${text}) >= ${String(2 * levels)} THEN formdb_shallow(${text}, '${String(levels)}', ${pathLiteral(path)}) ELSE ${text} END`;
  }
  return sql`jsonb(coalesce(${text}, 'null'))`;
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
