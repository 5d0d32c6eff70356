import {
  type ByteSource,
  type Entry,
  entryOf,
  failure,
  KEPT_OF_OVERSIZED_BYTES,
  MAX_DOCUMENT_BYTES,
  oversized,
  type Position,
} from "./entry.ts";
import { decodeUtf8, withoutBom } from "./text.ts";

const NEWLINE = 0x0a;

/**
 * Newline-delimited JSON, one document a line: an entry for each line that is not blank. Lines may end
 * in CR LF, and the last one needs no end. Holds one line and one chunk at a time.
 */
export async function* readNdjson(
  source: ByteSource,
  maxBytes: number = MAX_DOCUMENT_BYTES,
): AsyncGenerator<Entry> {
  const line = new LineBuffer(maxBytes);
  let lineNumber = 0;
  let number = 0;
  for await (const chunk of withoutBom(source)) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      line.add(chunk.subarray(from, end));
      from = end + 1;
      lineNumber++;
      const entry = line.take({ number: number + 1, line: lineNumber });
      if (entry === undefined) continue;
      number++;
      yield entry;
    }
    // What is kept beyond this chunk is copied, so that no chunk is held by a short rest of it.
    if (from < chunk.length) line.add(Buffer.from(chunk.subarray(from)));
  }
  const last = line.take({ number: number + 1, line: lineNumber + 1 });
  if (last !== undefined) yield last;
}

/** A line that is being put together, up to a limit; beyond it only the line's beginning is kept. */
class LineBuffer {
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

  /** The entry for the line, which is then empty again; undefined where it was blank. */
  take(position: Position): Entry | undefined {
    const bytes = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    const over = this.#over;
    this.#parts = [];
    this.#bytes = 0;
    this.#over = false;
    if (over) return oversized(position, "The line", bytes.toString("utf8"));
    const text = decodeUtf8(bytes);
    if (text === undefined) return failure(position, "The line is not valid UTF-8", bytes.toString("utf8"));
    const trimmed = text.trim();
    return trimmed === "" ? undefined : entryOf(position, trimmed);
  }
}
