import { FormDBError } from "@formdb/perf";
import { show } from "../message.ts";
import { parseJson } from "./parse-json.ts";
import { decodeUtf8 } from "./text.ts";

/** A document larger than this, in bytes of its text, is reported and skipped, never held in memory. */
export const MAX_DOCUMENT_BYTES: number = 16 * 1024 * 1024;

/** How much of a text that is over the limit is kept to show which one it was. */
const KEPT_OF_OVERSIZED_BYTES = 200;

/** Where something stands in an input. */
export interface Position {
  /** Counts lines, elements or records from 1; blank lines are left out. */
  readonly number: number;
  /** The line that it begins on, from 1. */
  readonly line: number;
}

/** What the input holds at a place, to the letter: its line end and the white space around an element apart. */
export interface Excerpt {
  readonly text: string;
  /** JSON text is also what the document is written as; a CSV record is not. */
  readonly isJson: boolean;
  /** The bytes, if they are no UTF-8, so that the text can't be exact. */
  readonly bytes?: Uint8Array;
  /** Set if the text is only the beginning of what was there. */
  readonly isCut?: true;
}

/** A document that was read. */
export interface ReadDocument extends Position {
  readonly document: Record<string, unknown>;
  readonly excerpt: Excerpt;
  readonly error?: never;
}

/** A place in the input where no document could be read, and why. */
export interface ReadFailure extends Position {
  readonly error: FormDBError;
  readonly excerpt: Excerpt;
}

/** What readers yield: one for each line, element or record of the input. */
export type Entry = ReadDocument | ReadFailure;

/** Bytes as they come, cut anywhere. */
export type ByteSource = AsyncIterable<Uint8Array>;

/** `found` is the text that the input has at this place, or what is known of it. */
export function failure(position: Position, message: string, found: string | Excerpt): ReadFailure {
  const error = new FormDBError("FORMDB_INVALID_DOCUMENT", message);
  const excerpt = typeof found === "string" ? { text: found, isJson: true } : found;
  return { number: position.number, line: position.line, error, excerpt };
}

function notUtf8(position: Position, what: string, bytes: Buffer): ReadFailure {
  const excerpt = { text: bytes.toString("utf8"), isJson: true, bytes: Uint8Array.from(bytes) };
  return failure(position, `${what} is not valid UTF-8`, excerpt);
}

function oversized(position: Position, what: string, head: string): ReadFailure {
  const message = `${what} is longer than the ${MAX_DOCUMENT_BYTES} bytes that a document may have`;
  return failure(position, message, { text: head, isJson: true, isCut: true });
}

/** The bytes of a document that is being put together, up to a limit; beyond it only the beginning is kept. */
export class DocumentBytes {
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  #bytes = 0;
  #over = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  add(part: Buffer): void {
    this.#bytes += part.length;
    if (this.#over) return;
    this.#parts.push(part);
    if (this.#bytes <= this.#maxBytes) return;
    this.#over = true;
    this.#parts = [Buffer.from(Buffer.concat(this.#parts).subarray(0, KEPT_OF_OVERSIZED_BYTES))];
  }

  /** What is together, for an excerpt of it. */
  get excerpt(): Excerpt {
    const bytes = Buffer.concat(this.#parts);
    const text = bytes.subarray(0, KEPT_OF_OVERSIZED_BYTES).toString("utf8").trim();
    const isCut = this.#over || bytes.length > KEPT_OF_OVERSIZED_BYTES;
    return { text, isJson: true, ...(isCut ? { isCut } : {}) };
  }

  /** Its text, or why it has none; `what` is what it is called. Afterwards there is nothing again. */
  take(position: Position, what: string): string | ReadFailure {
    const bytes = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    const over = this.#over;
    this.#parts = [];
    this.#bytes = 0;
    this.#over = false;
    if (over) return oversized(position, what, bytes.toString("utf8"));
    return decodeUtf8(bytes) ?? notUtf8(position, what, bytes);
  }
}

/** The entry for the JSON text of one document. */
export function entryOf(position: Position, text: string): Entry {
  const { number, line } = position;
  const excerpt = { text, isJson: true };
  try {
    const document = parseJson(text.trim());
    if (typeof document === "object" && document !== null && !Array.isArray(document)) {
      return { number, line, document: document as Record<string, unknown>, excerpt };
    }
    const found = Array.isArray(document) ? "the array" : document === null ? "" : `the ${typeof document}`;
    return failure(
      position,
      `A document must be a JSON object, not ${`${found} ${show(document)}`.trim()}`,
      text,
    );
  } catch (error) {
    if (!(error instanceof FormDBError)) throw error;
    return { number, line, error, excerpt };
  }
}
