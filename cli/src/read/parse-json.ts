import { FormDBError } from "@formdb/perf";
import { messageOf } from "../message.ts";

/** A run of digits that a double may not hold. Texts without one, nearly all, take the fast way. */
const LONG_DIGITS = /\d{16}/;
const INTEGER = /^-?\d+$/;

/** The third parameter of a reviver (ECMAScript 2025): the literal as it was written. */
interface ReviverContext {
  readonly source?: string;
}

type Reviver = (name: string, value: unknown, context: ReviverContext) => unknown;
const parseWithSource = JSON.parse as (text: string, reviver: Reviver) => unknown;

/**
 * `JSON.parse` that never rounds an integer in silence: an integer literal beyond 2^53 - 1 is refused with its digits, unless
 * they are those that JSON.stringify writes for its double. Throws `FORMDB_INVALID_DOCUMENT` for that, and `notJson` for what is
 * no JSON.
 */
export function parseJson(text: string, notJson: typeof noDocument = noDocument): unknown {
  try {
    return LONG_DIGITS.test(text) ? parseWithSource(text, refuseRounding) : JSON.parse(text);
  } catch (error) {
    if (error instanceof FormDBError) throw error;
    const why = text.trim() === "" ? "it is empty" : inOneLine(text, messageOf(error));
    throw notJson(why, error);
  }
}

function noDocument(why: string, cause: unknown): Error {
  return new FormDBError("FORMDB_INVALID_DOCUMENT", `This is no JSON: ${why}`, { cause });
}

/** A line of an input has a number of its own, which V8's "(line 1 column 2)" would contradict. */
function inOneLine(text: string, message: string): string {
  return text.includes("\n") ? message : message.replace(/ \(line 1 column \d+\)$/, "");
}

function refuseRounding(_name: string, value: unknown, { source }: ReviverContext): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  if (source === undefined || !INTEGER.test(source) || source === String(value)) return value;
  throw new FormDBError(
    "FORMDB_INVALID_DOCUMENT",
    `The integer ${source.length > 40 ? `${source.slice(0, 37)}...` : source} could be rounded; integers must ` +
      "lie between -(2^53 - 1) and 2^53 - 1, so give it as a string",
  );
}
