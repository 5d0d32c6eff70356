import { encodeDocument, isStorableText, type JsonValue } from "../base/document.ts";
import { messageOf } from "../base/errors.ts";
import { show } from "../base/options.ts";
import { mismatch } from "./parameters.ts";

/** A longer pattern for `LIKE`, in UTF-16 units, is refused: SQLite takes at most 50 000 bytes. */
export const MAX_PATTERN_LENGTH = 10_000;

/**
 * The JSON value that a caller's value is taken for: a `Date` is its ISO text, and whatever has a `toJSON` method
 * what that gives. Throws `FORMDB_PARAMETER_MISMATCH` for what JSON can't hold, or would lose in silence.
 */
export function jsonValue(value: unknown, name: string): JsonValue {
  switch (typeof value) {
    case "string":
      return checkText(value, name);
    case "number":
      if (!Number.isFinite(value)) throw mismatch(`${name} must be a finite number, not ${value}`, name);
      // JSON has no negative zero.
      return value + 0;
    case "boolean":
      return value;
    case "object":
      return value === null ? null : objectValue(value, name);
    case "bigint":
      throw mismatch(`${name} must be a JSON value, not the BigInt ${value}; give it as a string`, name);
    default:
      throw mismatch(`${name} must be a JSON value, not ${show(value)}`, name);
  }
}

/** Whether it is taken as it is: text that can be kept, a finite number or a boolean. */
export function isPlainValue(value: unknown): value is string | number | boolean {
  switch (typeof value) {
    case "string":
      return isStorableText(value);
    case "number":
      return Number.isFinite(value);
    default:
      return typeof value === "boolean";
  }
}

/**
 * The value of the only element of a list. An array is refused: other libraries make a list of it, and here `NOT IN` of it would
 * hold for every document.
 */
export function elementValue(value: unknown, name: string): JsonValue {
  if (!Array.isArray(value)) return jsonValue(value, name);
  throw mismatch(
    `${name} must not be an array in IN (${name}): IN ${name} takes its elements, and = ${name} compares with the array`,
    name,
  );
}

/** The list that an operand of `IN` stands for. */
export function listValue(value: unknown, name: string): JsonValue {
  if (!Array.isArray(value)) throw mismatch(`${name} must be an array for IN, not ${show(value)}`, name);
  const list = new Array<JsonValue>(value.length);
  // Unlike map(), this looks at what an array leaves out, too.
  for (let i = 0; i < list.length; i++) list[i] = jsonValue(value[i], `${name}[${i}]`);
  return list;
}

/** The pattern that an operand of `LIKE` stands for. */
export function patternValue(value: unknown, name: string): JsonValue {
  if (value === null) return null;
  if (typeof value !== "string") {
    throw mismatch(`${name} must be a string, a pattern for LIKE, not ${show(value)}`, name);
  }
  if (value.length <= MAX_PATTERN_LENGTH) return checkText(value, name);
  throw mismatch(
    `${name} must be a pattern of at most ${MAX_PATTERN_LENGTH} characters, not ${value.length}`,
    name,
  );
}

/** The number that an operand of arithmetic stands for, or NULL. */
export function numberValue(value: unknown, name: string): JsonValue {
  const json = jsonValue(value, name);
  if (json === null || typeof json === "number") return json;
  throw mismatch(`${name} must be a number in arithmetic, or NULL, not ${show(value)}`, name);
}

/** The number of rows that an operand of `LIMIT` or `OFFSET` stands for. */
export function countValue(value: unknown, name: string): JsonValue {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return (value as number) + 0;
  throw mismatch(`${name} must be a whole number of at least 0, not ${show(value)}`, name);
}

function checkText(text: string, name: string): string {
  if (text.includes("\0")) {
    throw mismatch(`${name} must be text without U+0000, which PostgreSQL can't hold`, name);
  }
  if (!text.isWellFormed()) {
    throw mismatch(`${name} must be well-formed Unicode, without lone surrogates`, name);
  }
  return text;
}

function objectValue(value: object, name: string): JsonValue {
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === "function") {
    const json: unknown = toJSON.call(value, "");
    if (json === null) throw mismatch(`${name} must be a JSON value, not ${String(value)}`, name);
    if (json !== value) return jsonValue(json, name);
  }
  try {
    return (JSON.parse(encodeDocument({ value })) as { value: JsonValue }).value;
  } catch (cause) {
    const [, at = "", why = ""] = /^The value at value\.?(\S*) (.*)$/s.exec(messageOf(cause)) ?? [];
    throw mismatch(`${name} ${at === "" ? "" : `at ${at} `}${why || messageOf(cause)}`, name, cause);
  }
}
