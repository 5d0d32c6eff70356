import {
  type ByteSource,
  DocumentBytes,
  type Entry,
  entryOf,
  failure,
  MAX_DOCUMENT_BYTES,
  type Position,
} from "./entry.ts";
import { withoutBom } from "./text.ts";

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Where a reader of JSON elements is. */
type Status = "start" | "array" | "sequence" | "ended";

/**
 * A JSON array of documents, or JSON documents one after the other (a single pretty-printed one, too):
 * an entry for each element. The text is only cut into its elements here, at the commas outside strings and
 * brackets; each element is then parsed by itself, so that a bad one costs no other. Holds one element and
 * one chunk at a time.
 */
export async function* readJson(
  source: ByteSource,
  maxBytes: number = MAX_DOCUMENT_BYTES,
): AsyncGenerator<Entry> {
  const cutter = new ElementCutter(maxBytes);
  for await (const chunk of withoutBom(source)) {
    let from = 0;
    while (from < chunk.length) {
      from = cutter.read(chunk, from);
      const entry = cutter.take();
      if (entry !== undefined) yield entry;
    }
    cutter.keepRest(chunk);
  }
  yield* cutter.finish();
}

class ElementCutter {
  readonly #element: DocumentBytes;
  #status: Status = "start";
  #line = 1;
  #number = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** Where the element begins in the chunk that is read; -1 outside elements. */
  #startsAt = -1;
  #startLine = 1;
  #afterComma = false;
  #ready: Entry | undefined;

  constructor(maxBytes: number) {
    this.#element = new DocumentBytes(maxBytes);
  }

  /** Reads on until an entry is ready or the chunk ends; gives the place to go on from. */
  read(chunk: Buffer, from: number): number {
    let at = from;
    for (; at < chunk.length && this.#ready === undefined; at++) {
      const byte = chunk[at]!;
      if (byte === NEWLINE) this.#line++;
      if (this.#startsAt >= 0) this.#inside(chunk, at, byte);
      else if (!isSpace(byte)) this.#outside(chunk, at, byte);
    }
    return at;
  }

  take(): Entry | undefined {
    const entry = this.#ready;
    this.#ready = undefined;
    return entry;
  }

  /** Copies what an unfinished element has in this chunk, before the next chunk is read. */
  keepRest(chunk: Buffer): void {
    if (this.#startsAt < 0) return;
    this.#element.add(Buffer.from(chunk.subarray(this.#startsAt)));
    this.#startsAt = 0;
  }

  /** The entries for an input that stops where it must not. */
  *finish(): Generator<Entry> {
    if (this.#startsAt >= 0) {
      if (this.#status === "ended") {
        yield failure(this.#position(), "After the array there must be nothing more", this.#element.excerpt);
        return;
      }
      if (this.#depth > 0 || this.#inString) {
        const message = `The input ends inside the element that begins on line ${this.#startLine}, which takes up the rest`;
        yield failure(this.#position(), message, this.#element.excerpt);
        return;
      }
      yield this.#cut();
    }
    if (this.#status === "array") {
      const message = "The input ends before the ] that closes its array; it may have been cut off";
      yield failure({ number: this.#number + 1, line: this.#line }, message, "");
    }
  }

  #outside(chunk: Buffer, at: number, byte: number): void {
    if (this.#status === "start") {
      this.#status = byte === OPEN_ARRAY ? "array" : "sequence";
      if (byte === OPEN_ARRAY) return;
    } else if (this.#status === "array" && (byte === COMMA || byte === CLOSE_ARRAY)) {
      // Only before a comma, or before ] after one, is there an element missing.
      if (byte === COMMA ? this.#afterComma || this.#number === 0 : this.#afterComma) this.#missing();
      this.#afterComma = byte === COMMA;
      if (byte === CLOSE_ARRAY) this.#status = "ended";
      return;
    }
    this.#startsAt = at;
    this.#startLine = this.#line;
    this.#depth = 0;
    this.#inside(chunk, at, byte);
  }

  #missing(): void {
    this.#number++;
    this.#ready = failure(
      { number: this.#number, line: this.#line },
      "A comma of the array has no element beside it",
      ",",
    );
  }

  #inside(chunk: Buffer, at: number, byte: number): void {
    if (this.#status === "ended") return; // what follows the array is one element that never ends
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (byte === BACKSLASH) this.#escaped = true;
      else if (byte === QUOTE) this.#inString = false;
      return;
    }
    if (byte === QUOTE) this.#inString = true;
    else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) this.#depth++;
    else if (this.#depth > 0) {
      if (byte !== CLOSE_OBJECT && byte !== CLOSE_ARRAY) return;
      this.#depth--;
      if (this.#depth === 0 && this.#status === "sequence") this.#end(chunk, at + 1);
    } else if (this.#status === "sequence") {
      if (isSpace(byte)) this.#end(chunk, at);
    } else if (byte === COMMA || byte === CLOSE_ARRAY) {
      this.#end(chunk, at);
      this.#afterComma = byte === COMMA;
      if (byte === CLOSE_ARRAY) this.#status = "ended";
    }
  }

  #end(chunk: Buffer, end: number): void {
    this.#element.add(chunk.subarray(this.#startsAt, end));
    this.#ready = this.#cut();
  }

  /** The entry for the element whose parts are together; afterwards the reader is outside elements. */
  #cut(): Entry {
    const position = this.#position();
    this.#number++;
    this.#startsAt = -1;
    const text = this.#element.take(position, "The element");
    return typeof text === "string" ? entryOf(position, text.trim()) : text;
  }

  #position(): Position {
    return { number: this.#number + 1, line: this.#startLine };
  }
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === NEWLINE || byte === 0x0d || byte === 0x09;
}
