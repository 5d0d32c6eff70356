/** Rows that a chunk of a stream holds at most. */
export const STREAM_CHUNK_ROWS = 500;
/** A chunk ends with the row that brings it to this many bytes, so that large documents stream in bounded memory. */
export const STREAM_CHUNK_BYTES = 1_048_576;

/** Rows of an iteration, and whether it has ended with them. */
export interface StreamChunk {
  readonly rows: unknown[][];
  readonly done: boolean;
}

/** The next rows of an iteration, up to the two limits of a chunk. */
export function nextChunk(iteration: Iterator<unknown[]>): StreamChunk {
  const rows: unknown[][] = [];
  let bytes = 0;
  while (rows.length < STREAM_CHUNK_ROWS && bytes < STREAM_CHUNK_BYTES) {
    const { done, value } = iteration.next();
    if (done) return { rows, done };
    rows.push(value);
    bytes += sizeOf(value);
  }
  return { rows, done: false };
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
