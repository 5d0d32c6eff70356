import type { JsonValue } from "../base/document.ts";
import { canonicalJson } from "../dialect/canonical-json.ts";
import { isComposite, rankOf } from "../dialect/value-rank.ts";
import type { ComparisonOperator } from "../query/syntax-tree.ts";

/**
 * Compares two values as the language does; undefined stands for unknown. Only for conditions on values alone,
 * such as `1 = 1`: whatever looks at documents is left to the engine.
 */
export function compareValues(
  operator: ComparisonOperator,
  left: JsonValue,
  right: JsonValue,
): boolean | undefined {
  if (left === null || right === null) return undefined;
  if (rankOf(left) !== rankOf(right)) return operator === "!=";
  if (isComposite(left)) {
    const equal = canonicalJson(left) === canonicalJson(right);
    return operator === "=" ? equal : operator === "!=" ? !equal : false;
  }
  const order = typeof left === "string" ? compareText(left, right as string) : Number(left) - Number(right);
  switch (operator) {
    case "=":
      return order === 0;
    case "!=":
      return order !== 0;
    case "<":
      return order < 0;
    case "<=":
      return order <= 0;
    case ">":
      return order > 0;
    case ">=":
      return order >= 0;
    default:
      return operator satisfies never;
  }
}

/** The order of code points, which differs from JavaScript's own beyond the Basic Multilingual Plane. */
function compareText(left: string, right: string): number {
  return left === right ? 0 : Buffer.compare(Buffer.from(left), Buffer.from(right));
}
