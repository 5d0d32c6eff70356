import { FormDBError } from "@formdb/perf";
import { show } from "../message.ts";
import { parseJson } from "./parse-json.ts";

/** A document larger than this, in bytes of its text, is reported and skipped, never held in memory. */
export const MAX_DOCUMENT_BYTES: number = 16 * 1024 * 1024;

/** How much of a text that is over the limit is kept to show which one it was. */
export const KEPT_OF_OVERSIZED_BYTES = 200;

/** Where something stands in an input. */
export interface Position {
  /** Counts lines, elements or records from 1; blank lines are left out. */
  readonly number: number;
  /** The line that it begins on, from 1. */
  readonly line: number;
}

/** A document that was read. */
interface ReadDocument extends Position {
  readonly document: Record<string, unknown>;
  readonly error?: never;
}

/** A place in the input where no document could be read, why, and the text found there. */
export interface ReadFailure extends Position {
  readonly error: FormDBError;
  readonly text: string;
}

/** What readers yield: one for each line, element or record of the input. */
export type Entry = ReadDocument | ReadFailure;

/** Bytes as they come, cut anywhere. */
export type ByteSource = AsyncIterable<Uint8Array>;

export function failure(position: Position, message: string, text: string): ReadFailure {
  const error = new FormDBError("FORMDB_INVALID_DOCUMENT", message);
  return { number: position.number, line: position.line, error, text };
}

export function oversized(position: Position, what: string, head: string): ReadFailure {
  return failure(
    position,
    `${what} is longer than the ${MAX_DOCUMENT_BYTES} bytes that a document may have`,
    `${head}...`,
  );
}

/** The entry for the JSON text of one document. */
export function entryOf(position: Position, text: string): Entry {
  const { number, line } = position;
  try {
    const document = parseJson(text);
    if (typeof document === "object" && document !== null && !Array.isArray(document)) {
      return { number, line, document: document as Record<string, unknown> };
    }
    const found = Array.isArray(document) ? "the array" : document === null ? "" : `the ${typeof document}`;
    return failure(
      position,
      `A document must be a JSON object, not ${`${found} ${show(document)}`.trim()}`,
      text,
    );
  } catch (error) {
    if (!(error instanceof FormDBError)) throw error;
    return { number, line, error, text };
  }
}
