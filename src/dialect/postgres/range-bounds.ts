import type { JsonValue } from "../../base/document.ts";
import type { OrderOperator } from "../expression-dialect.ts";
import { INDEXED_CHARACTERS } from "./terms.ts";

/** A bound of a range in an index: a number as decimal text, and the start of a text. */
export type Bound = readonly [number: string | null, text: string | null];

const NONE: Bound = [null, null];
const LAST_CHARACTER = "\u{10ffff}";
const FIRST_CHARACTER = "\u0001";

const double = new Float64Array(1);
const bits = new BigInt64Array(double.buffer);

/**
 * The bound that `(number, prefix) > bound` or `(number, prefix) < bound` is given for an operand, so that the range
 * holds all that the operator means, and next to nothing more. It is always left out itself: PostgreSQL guesses a
 * range's size from the number alone, which is 0 for every text, so that "0 or more" would seem to be all of them.
 */
export function rangeBound(operator: OrderOperator, value: JsonValue): Bound {
  if (value === null) return NONE;
  if (typeof value === "number" || typeof value === "boolean")
    return [numberBound(operator, Number(value)), ""];
  const text = typeof value === "string" ? value : "";
  switch (operator) {
    case ">":
      return ["0", startOf(text)];
    case ">=":
      return text === "" ? ["-1", ""] : ["0", textBefore(startOf(text))];
    case "<":
      // The start of a text is never greater than the text.
      return ["0", text];
    case "<=":
      return ["0", text + FIRST_CHARACTER];
    default:
      return operator satisfies never;
  }
}

/** As much of a text as every text after it has more than, within what an index holds of it. */
function startOf(text: string): string {
  if (text.length < INDEXED_CHARACTERS) return text;
  return Array.from(text)
    .slice(0, INDEXED_CHARACTERS - 1)
    .join("");
}

/** A text before this one, which is not empty, with hardly any between the two. */
function textBefore(text: string): string {
  const characters = Array.from(text);
  const last = characters.pop()!.codePointAt(0)!;
  const head = characters.join("");
  if (last === 1) return head;
  return head + String.fromCodePoint(last === 0xe000 ? 0xd7ff : last - 1) + LAST_CHARACTER;
}

function numberBound(operator: OrderOperator, value: number): string {
  if (operator === "<=") return decimal(doubleAfter(value));
  return decimal(operator === ">=" ? -doubleAfter(-value) : value);
}

function decimal(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return value > 0 ? "1e309" : "-1e309";
}

/** The next greater double; infinity after the greatest. */
function doubleAfter(value: number): number {
  if (value === 0) return Number.MIN_VALUE;
  double[0] = value;
  bits[0] = bits[0]! + (value > 0 ? 1n : -1n);
  return double[0];
}
