import {
  type ByteSource,
  DocumentBytes,
  type Entry,
  entryOf,
  MAX_DOCUMENT_BYTES,
  type Position,
} from "./entry.ts";
import { withoutBom } from "./text.ts";

const NEWLINE = 0x0a;
const RETURN = 0x0d;

/**
 * Newline-delimited JSON, one document a line: an entry for each line that is not blank. Lines end in LF, CR LF or CR,
 * and the last one needs no end. Holds one line and one chunk at a time.
 */
export async function* readNdjson(
  source: ByteSource,
  maxBytes: number = MAX_DOCUMENT_BYTES,
): AsyncGenerator<Entry> {
  const line = new DocumentBytes(maxBytes);
  /** The entry for a whole line; undefined where it was blank. */
  const entryAt = (position: Position): Entry | undefined => {
    const text = line.take(position, "The line");
    if (typeof text !== "string") return text;
    return text.trim() === "" ? undefined : entryOf(position, text);
  };
  let lineNumber = 0;
  let number = 0;
  let afterReturn = false;
  for await (const chunk of withoutBom(source)) {
    let from = afterReturn && chunk[0] === NEWLINE ? 1 : 0;
    const ends = new LineEnds(chunk);
    for (let end = ends.next(from); end !== -1; end = ends.next(from)) {
      line.add(chunk.subarray(from, end));
      from = chunk[end] === RETURN && chunk[end + 1] === NEWLINE ? end + 2 : end + 1;
      lineNumber++;
      const entry = entryAt({ number: number + 1, line: lineNumber });
      if (entry === undefined) continue;
      number++;
      yield entry;
    }
    afterReturn = chunk.at(-1) === RETURN;
    // What is kept beyond this chunk is copied, so that no chunk is held by a short rest of it.
    if (from < chunk.length) line.add(Buffer.from(chunk.subarray(from)));
  }
  const last = entryAt({ number: number + 1, line: lineNumber + 1 });
  if (last !== undefined) yield last;
}

/** Where lines end in a chunk. A chunk without any CR, as most are, is looked through for them only once. */
class LineEnds {
  readonly #chunk: Buffer;
  #return: number;

  constructor(chunk: Buffer) {
    this.#chunk = chunk;
    this.#return = chunk.indexOf(RETURN);
  }

  /** The next line end at `from` or behind it; -1 if there is none. */
  next(from: number): number {
    if (this.#return !== -1 && this.#return < from) this.#return = this.#chunk.indexOf(RETURN, from);
    const newline = this.#chunk.indexOf(NEWLINE, from);
    if (this.#return === -1) return newline;
    return newline === -1 ? this.#return : Math.min(newline, this.#return);
  }
}
