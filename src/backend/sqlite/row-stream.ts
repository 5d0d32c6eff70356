import type { StreamChunk } from "./session-protocol.ts";

/** Rows that a chunk of a stream holds at most. */
export const STREAM_CHUNK_ROWS = 500;
/** A chunk ends with the row that brings it to this many bytes, so that large documents stream in bounded memory. */
export const STREAM_CHUNK_BYTES = 1_048_576;

/** The rows of a running statement, or of one that has run, read chunk by chunk. */
export class RowStream {
  #rows: Iterator<unknown[]>;

  constructor(rows: Iterator<unknown[]>) {
    this.#rows = rows;
  }

  /** The next rows, up to the two limits of a chunk. */
  next(): StreamChunk {
    const rows: unknown[][] = [];
    let bytes = 0;
    while (rows.length < STREAM_CHUNK_ROWS && bytes < STREAM_CHUNK_BYTES) {
      const { done, value } = this.#rows.next();
      if (done) return { rows, done };
      rows.push(value);
      bytes += sizeOf(value);
    }
    return { rows, done: false };
  }

  /**
   * Takes the rest of the rows from the statement, so that it holds its handle no longer. What it fails with is the stream's
   * own, and thrown in the place of the row.
   */
  detach(): void {
    const rest: unknown[][] = [];
    try {
      for (let next = this.#rows.next(); !next.done; next = this.#rows.next()) rest.push(next.value);
    } catch (error) {
      this.#rows = thenThrow(rest, error);
      return;
    }
    this.#rows = rest.values();
  }

  close(): void {
    this.#rows.return?.();
  }
}

function* thenThrow(rows: readonly unknown[][], error: unknown): Generator<unknown[], undefined> {
  yield* rows;
  throw error;
}

/** About as many bytes as the row takes: what is neither text nor bytes takes little. */
function sizeOf(row: readonly unknown[]): number {
  let bytes = 0;
  for (const value of row) {
    if (typeof value === "string") bytes += value.length;
    else if (value instanceof Uint8Array) bytes += value.byteLength;
  }
  return bytes;
}
