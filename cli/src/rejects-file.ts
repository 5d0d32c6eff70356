import { closeSync, openSync, writeSync } from "node:fs";
import { configError, messageOf } from "./message.ts";
import type { Excerpt } from "./read/entry.ts";

/** A document that was not imported, and why. */
export interface Reject {
  /** The line of the input that it begins on. */
  readonly line: number | undefined;
  readonly id?: string | undefined;
  readonly code: string;
  readonly error: string;
  /** What the document was read as, if one was read. */
  readonly document?: unknown;
  /** What the input holds. */
  readonly excerpt: Excerpt | undefined;
}

/**
 * The line of a rejects file, without its end. JSON on one line is written as it stands in the input, as `document`: not
 * as `JSON.stringify` would write it again, which rounds `1e400` to null and drops the first of two fields of one name.
 * Anything else is `text`, a string of what the input holds, and beside it `base64` of the bytes if they are no UTF-8,
 * `cut: true` if it is only the beginning, and for a CSV record `document`, what it was read as.
 */
export function rejectJson({ line, id, code, error, document, excerpt }: Reject): string {
  const facts = JSON.stringify({ line, id, code, error });
  const added = (fields: string): string => `${facts.slice(0, -1)},${fields}}`;
  const json = document === undefined ? undefined : printedJson(document);
  if (excerpt === undefined) return json === undefined ? facts : added(`"document":${json}`);
  const { text, isJson, bytes, isCut } = excerpt;
  if (isJson && json !== undefined && ONE_LINE_OF_JSON.test(text)) return added(`"document":${text}`);
  const fields = [`"text":${JSON.stringify(text)}`];
  if (bytes !== undefined) fields.push(`"base64":"${Buffer.from(bytes).toString("base64")}"`);
  if (isCut === true) fields.push('"cut":true');
  if (!isJson && json !== undefined) fields.push(`"document":${json}`);
  return added(fields.join(","));
}

/** Around a document, readers also take white space that is none in JSON. */
const ONE_LINE_OF_JSON = /^[ \t]*\{[^\r\n]*\}[ \t]*$/;

/** Undefined for what is nested so deeply that nobody prints it. */
function printedJson(document: unknown): string | undefined {
  try {
    return JSON.stringify(document);
  } catch {
    return undefined;
  }
}

/** This much is gathered before it is written. */
const BUFFERED_CHARACTERS = 64 * 1024;

/**
 * A file of NDJSON with one line for each reject. What it held before is gone. Writing blocks, so that no
 * number of rejects can pile up in memory.
 */
export class RejectsFile {
  readonly #path: string;
  #file: number | undefined;
  #lines: string[] = [];
  #characters = 0;

  /** Throws a `FormDBError` if the file can't be written. */
  constructor(path: string) {
    this.#path = path;
    this.#file = this.#attempt(() => openSync(path, "w"));
  }

  write(reject: Reject): void {
    const line = `${rejectJson(reject)}\n`;
    this.#lines.push(line);
    this.#characters += line.length;
    if (this.#characters >= BUFFERED_CHARACTERS) this.#flush();
  }

  close(): void {
    if (this.#file === undefined) return;
    this.#flush();
    const file = this.#file;
    this.#file = undefined;
    this.#attempt(() => closeSync(file));
  }

  #flush(): void {
    if (this.#lines.length === 0) return;
    let bytes: Uint8Array = Buffer.from(this.#lines.join(""));
    this.#lines = [];
    this.#characters = 0;
    this.#attempt(() => {
      while (bytes.length > 0) bytes = bytes.subarray(writeSync(this.#file!, bytes));
    });
  }

  #attempt<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw configError(
        `The rejects can't be written to ${this.#path}: ${messageOf(error)}`,
        this.#path,
        error,
      );
    }
  }
}
