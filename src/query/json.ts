import { type JsonValue, MAX_DOCUMENT_DEPTH } from "../base/document.ts";
import { type Cursor, isDigit, isLetter } from "./cursor.ts";
import { readNumber } from "./numbers.ts";
import { limitError, quoteSource, syntaxError } from "./syntax-error.ts";

/**
 * Reads the JSON object or array that starts here: JSON's own rules (strings in double quotes with backslash
 * escapes), but for comments, which may stand between its parts. Beyond `JSON.parse` it refuses a name that occurs
 * twice, numbers that would be rounded, U+0000 and lone surrogates, and says where.
 */
export function readJson(cursor: Cursor): JsonValue {
  return readValue(cursor, 1);
}

function readValue(cursor: Cursor, depth: number): JsonValue {
  const text = cursor.source;
  const at = cursor.position;
  const code = at < text.length ? text.charCodeAt(at) : 0;
  if (code === 0x22) return readString(cursor);
  if (isDigit(code) || code === 0x2d) return readNumber(cursor);
  if (code === 0x7b || code === 0x5b) {
    if (depth > MAX_DOCUMENT_DEPTH) {
      throw limitError(text, at, "the depth of a JSON value", { MAX_DOCUMENT_DEPTH });
    }
    return code === 0x7b ? readObject(cursor, depth) : readArray(cursor, depth);
  }
  if (isLetter(code)) return readWord(cursor);
  throw unexpected(cursor, ["a JSON value"]);
}

function readObject(cursor: Cursor, depth: number): JsonValue {
  const object: Record<string, JsonValue> = {};
  cursor.position++;
  cursor.skipTrivia();
  if (take(cursor, 0x7d)) return object;
  for (;;) {
    const at = cursor.position;
    if (cursor.source.charCodeAt(at) !== 0x22) throw unexpected(cursor, ["a name in double quotes"]);
    const name = readString(cursor);
    if (Object.hasOwn(object, name)) {
      const found = quoteSource(cursor.source, at, cursor.position);
      const reason = `a JSON object must not hold the name ${quoteSource(name, 0, name.length)} twice`;
      throw cursor.refuse(at, found, reason, "another name");
    }
    cursor.skipTrivia();
    if (!take(cursor, 0x3a)) throw unexpected(cursor, ['":"']);
    cursor.skipTrivia();
    const value = readValue(cursor, depth + 1);
    if (name === "__proto__") {
      // An assignment would set the prototype.
      Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
    } else {
      object[name] = value;
    }
    cursor.skipTrivia();
    if (take(cursor, 0x7d)) return object;
    if (!take(cursor, 0x2c)) throw unexpected(cursor, ['","', '"}"']);
    cursor.skipTrivia();
  }
}

function readArray(cursor: Cursor, depth: number): JsonValue {
  const array: JsonValue[] = [];
  cursor.position++;
  cursor.skipTrivia();
  if (take(cursor, 0x5d)) return array;
  for (;;) {
    array.push(readValue(cursor, depth + 1));
    cursor.skipTrivia();
    if (take(cursor, 0x5d)) return array;
    if (!take(cursor, 0x2c)) throw unexpected(cursor, ['","', '"]"']);
    cursor.skipTrivia();
  }
}

function readString(cursor: Cursor): string {
  const text = cursor.source;
  const start = cursor.position;
  let escaped = false;
  for (let i = start + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x5c) {
      escaped = true;
      i++;
    } else if (code === 0x22) {
      cursor.position = i + 1;
      return escaped ? unescapeString(cursor, start, i + 1) : text.slice(start + 1, i);
    } else if (code < 0x20) {
      const reason = "a control character in JSON must be escaped";
      throw cursor.refuse(i, "a control character", reason, "a JSON string");
    }
  }
  const reason = 'the string that starts here has no closing "';
  throw cursor.refuse(start, "a string without its end", reason, "a JSON string");
}

function unescapeString(cursor: Cursor, start: number, end: number): string {
  const refuse = (found: string, reason: string): Error =>
    cursor.refuse(start, found, reason, "a JSON string");
  let value: string;
  try {
    value = JSON.parse(cursor.source.slice(start, end)) as string;
  } catch {
    const found = quoteSource(cursor.source, start, end);
    throw refuse(found, `the string holds an escape that JSON does not have: ${found}`);
  }
  if (value.includes("\0")) {
    throw refuse("U+0000", "a string must not hold U+0000, which PostgreSQL can't");
  }
  if (!value.isWellFormed()) throw refuse("a lone surrogate", "a string must not hold lone surrogates");
  return value;
}

function readWord(cursor: Cursor): JsonValue {
  const start = cursor.position;
  cursor.skipName();
  switch (cursor.source.slice(start, Math.min(cursor.position, start + 6)).toLowerCase()) {
    case "true":
      return true;
    case "false":
      return false;
    case "null":
      return null;
    default:
      cursor.position = start;
      throw unexpected(cursor, ["a JSON value"]);
  }
}

function take(cursor: Cursor, code: number): boolean {
  if (cursor.source.charCodeAt(cursor.position) !== code) return false;
  cursor.position++;
  return true;
}

function unexpected(cursor: Cursor, expected: readonly string[]): Error {
  return syntaxError({ text: cursor.source, at: cursor.position, found: cursor.describe(), expected });
}
