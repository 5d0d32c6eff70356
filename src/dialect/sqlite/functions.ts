import type { JsonValue } from "../../base/document.ts";
import { canonicalJson } from "../canonical-json.ts";

/** A function in SQL that a connection to SQLite must have. */
export interface SqliteFunction {
  readonly name: string;
  /** The same values always give the same result. */
  readonly deterministic: boolean;
  readonly fn: (text: string | null) => string | null;
}

/**
 * What SQLite cannot do itself: the canonical text of an array's or object's JSON. Only queries use it, and only
 * where such values are compared; no index holds it, so other programs can still write to the file.
 */
export const sqliteFunctions: readonly SqliteFunction[] = Object.freeze([
  {
    name: "formdb_canonical",
    deterministic: true,
    fn: (text: string | null): string | null =>
      text === null ? null : canonicalJson(JSON.parse(text) as JsonValue),
  },
]);
