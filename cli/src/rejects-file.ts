import { closeSync, openSync, writeSync } from "node:fs";
import { FormDBError } from "@formdb/perf";
import { messageOf } from "./message.ts";

/** A document that was not imported, and why. */
export interface Reject {
  /** The line of the input that it begins on; undefined where it is not known any more. */
  readonly line: number | undefined;
  readonly id?: string | undefined;
  readonly code: string;
  readonly error: string;
  readonly document?: unknown;
  /** The text, where no document could be read from it. */
  readonly text?: string;
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

  /** Throws a `FormDBError` where the file can't be written. */
  constructor(path: string) {
    this.#path = path;
    this.#file = this.#attempt(() => openSync(path, "w"));
  }

  write(reject: Reject): void {
    const line = `${JSON.stringify(reject)}\n`;
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
      throw new FormDBError(
        "FORMDB_CONFIG",
        `The rejects can't be written to ${this.#path}: ${messageOf(error)}`,
        {
          cause: error,
          details: { path: this.#path },
        },
      );
    }
  }
}
