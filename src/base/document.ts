import { FormDBError } from "./errors.ts";
import { show } from "./options.ts";
import { type Path, pathText } from "./subject.ts";

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/** A document: a JSON object. Where it has an `id`, that is its key. */
export type Document = { readonly [name: string]: unknown };

/** A row of a query's result, by column name. */
export type Row = Record<string, unknown>;

/** Nesting deeper than this is refused: engines differ in how deep they can go. */
export const MAX_DOCUMENT_DEPTH = 500;

/** V8's, for which `JSON.stringify` throws a bare `RangeError`. */
const MAX_STRING_LENGTH = 2 ** 29 - 24;

/** Ids longer than this, in UTF-16 units, are refused: they are keys of an index. */
export const MAX_ID_LENGTH = 512;

/**
 * A document's JSON text, checked for what JSON or an engine would lose or refuse: no value that
 * is not finite, no BigInt, no U+0000, no lone surrogate, no nesting beyond `MAX_DOCUMENT_DEPTH`.
 * Throws `FORMDB_INVALID_DOCUMENT` with the path of the value.
 */
export function encodeDocument(document: unknown): string {
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw invalid(`A document must be a JSON object, not ${describe(document)}`);
  }
  if (ArrayBuffer.isView(document)) {
    // JSON would make an object of the numbers.
    throw invalid(
      `A document must be a JSON object, not the bytes of a ${document.constructor.name}: decode and parse them first`,
    );
  }
  let text: string | undefined;
  try {
    text = JSON.stringify(document);
  } catch (cause) {
    checkValue(document, [], new Set());
    const isTooLong = (cause as Partial<Error>).message === "Invalid string length";
    const limit = `: it must have at most ${MAX_STRING_LENGTH} characters, as any string of Node`;
    throw invalid(`A document could not be written as JSON${isTooLong ? limit : ""}`, { cause });
  }
  if (text === undefined || text.charCodeAt(0) !== 0x7b) {
    throw invalid(`A document must be a JSON object; its toJSON method gives ${show(text)}`);
  }
  // JSON.stringify spells what it cannot write in one of these ways, and shallow text can't be deep:
  // the walk over the values, which costs more than the writing, is for the few texts that need it.
  if (text.includes("null") || text.includes("{}") || text.includes("\\u") || mayBeDeep(text))
    checkValue(document, [], new Set());
  return text;
}

/**
 * The same for a patch, which is merged as it is (RFC 7396). Field names that begin with `$` are refused at its top: other
 * databases know them as operators, and here they would be stored.
 */
export function encodePatch(patch: unknown): string {
  const text = encodeDocument(patch);
  if (!text.includes('"$')) return text;
  const operator = Object.keys(JSON.parse(text) as object).find((name) => name.startsWith("$"));
  if (operator === undefined) return text;
  throw invalid(
    `A patch must not have the field ${show(operator)}: it is merged into the document by JSON Merge Patch (RFC 7396), which ` +
      "has no operators. Give the new value, or use db.collection(name).update(id, { inc, push, … })",
    { path: operator },
  );
}

/**
 * The key for a document's `id`: a string as it is, a safe integer as its decimal digits. Throws
 * `FORMDB_INVALID_ID`.
 */
export function encodeId(id: unknown): string {
  if (typeof id === "string") {
    if (id.length === 0) throw invalidId("An id must not be empty", id);
    if (id.length > MAX_ID_LENGTH) {
      throw invalidId(`An id must be at most ${MAX_ID_LENGTH} characters long, not ${id.length}`, id);
    }
    if (id.includes("\0")) throw invalidId("An id must not contain U+0000", id);
    if (!id.isWellFormed()) throw invalidId("An id must be well-formed Unicode, without lone surrogates", id);
    return id;
  }
  if (Number.isSafeInteger(id)) return String(id);
  throw invalidId(`An id must be a string or a safe integer, not ${describe(id)}`, id);
}

/** Objects that JSON.stringify writes as the primitive value in them. */
const PRIMITIVES = [Number, String, Boolean, BigInt];

/** Objects that JSON.stringify writes as `{}`, whatever they hold, unless they have fields of their own. */
const EMPTY_AS_JSON = [
  ...[Map, Set, WeakMap, WeakSet, RegExp, Error],
  ...[ArrayBuffer, SharedArrayBuffer, DataView, URLSearchParams],
];

function mayBeDeep(text: string): boolean {
  // Each level has two brackets.
  if (text.length < 2 * MAX_DOCUMENT_DEPTH) return false;
  let depth = 0;
  // Counting every opening bracket overestimates, which is safe.
  for (let i = text.indexOf("["); i !== -1; i = text.indexOf("[", i + 1)) {
    if (++depth > MAX_DOCUMENT_DEPTH / 2) return true;
  }
  for (let i = text.indexOf("{"), open = 0; i !== -1; i = text.indexOf("{", i + 1)) {
    if (++open > MAX_DOCUMENT_DEPTH / 2) return true;
  }
  return false;
}

function checkValue(given: unknown, path: (string | number)[], ancestors: Set<object>): void {
  const value = written(given, path);
  switch (typeof value) {
    case "number":
      if (!Number.isFinite(value)) throw invalidAt(path, `a finite number, not ${value}`);
      return;
    case "bigint":
      throw invalidAt(path, `a JSON value, not the BigInt ${value}; give it as a string`);
    case "string":
      checkText(value, path);
      return;
    case "object":
      if (value !== null) checkChildren(value, path, ancestors);
      return;
    default: // undefined, functions and symbols: JSON leaves them out, as people expect
  }
}

/** What JSON.stringify writes in a value's place. */
function written(given: unknown, path: readonly (string | number)[]): unknown {
  let value = given;
  if ((typeof value === "object" && value !== null) || typeof value === "bigint") {
    const { toJSON } = value as { toJSON?: unknown };
    if (typeof toJSON === "function") {
      if (value instanceof Date && Number.isNaN(value.getTime())) {
        throw invalidAt(path, "a JSON value, not an invalid Date, of which JSON would make null");
      }
      value = toJSON.call(value, String(path.at(-1) ?? ""));
    }
  }
  return PRIMITIVES.some((type) => value instanceof type) ? (value as object).valueOf() : value;
}

/** Whether every engine keeps a text as it is. */
export function isStorableText(text: string): boolean {
  return !text.includes("\0") && text.isWellFormed();
}

function checkText(text: string, path: Path): void {
  if (text.includes("\0")) throw invalidAt(path, "text without U+0000, which PostgreSQL can't hold");
  if (!text.isWellFormed()) throw invalidAt(path, "well-formed Unicode, without lone surrogates");
}

function checkChildren(value: object, path: (string | number)[], ancestors: Set<object>): void {
  if (ancestors.has(value)) throw invalidAt(path, "a JSON value, not a reference back to its own container");
  if (path.length >= MAX_DOCUMENT_DEPTH) {
    throw invalid(`A document must not nest deeper than ${MAX_DOCUMENT_DEPTH} levels`);
  }
  if (value instanceof Promise) throw invalidAt(path, "a JSON value, not a Promise: await it first");
  if (EMPTY_AS_JSON.some((type) => value instanceof type) && Object.keys(value).length === 0) {
    const { name } = value.constructor;
    const article = /^[AEIO]/.test(name) ? "an" : "a";
    throw invalidAt(path, `a JSON value, not ${article} ${name}, of which JSON would keep nothing`);
  }
  ancestors.add(value);
  for (const [name, child] of Array.isArray(value) ? value.entries() : Object.entries(value)) {
    path.push(name);
    if (typeof name === "string") checkText(name, path);
    checkValue(child, path, ancestors);
    path.pop();
  }
  ancestors.delete(value);
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return "an array";
  if (value === null || value === undefined) return String(value);
  return typeof value === "object" ? "an object" : `the ${typeof value} ${show(value)}`;
}

function invalid(message: string, details: { cause?: unknown; path?: string } = {}): FormDBError {
  return new FormDBError("FORMDB_INVALID_DOCUMENT", message, {
    cause: details.cause,
    ...(details.path === undefined ? {} : { details: { path: details.path } }),
  });
}

function invalidAt(path: Path, wanted: string): FormDBError {
  const at = pathText(path);
  return invalid(`${path.length === 0 ? "A document" : `The value at ${at}`} must be ${wanted}`, {
    path: at,
  });
}

function invalidId(message: string, id: unknown): FormDBError {
  return new FormDBError("FORMDB_INVALID_ID", message, { details: { value: show(id) } });
}
