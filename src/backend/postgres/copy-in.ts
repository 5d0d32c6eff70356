import { type ColumnDecoder, decoderOf, encodeValue } from "./column-decoders.ts";
import { afterError, decodeRow, type Request } from "./exchange.ts";
import type { AnswerTaker } from "./messages.ts";
import type { Wire } from "./wire.ts";

/** `text` in `pg_type`. */
const TEXT = 25;
/** How a copy in the binary format begins: its signature, no flags, no extension of the header. */
const HEADER = Buffer.from("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", "latin1");
/** Where a row's count of columns would stand: no more rows. */
const TRAILER = Buffer.from([0xff, 0xff]);
/** `CopyData`: its tag and its length. */
const MESSAGE_HEADER_BYTES = 5;
const COPY_DATA = 0x64;
/** Of one message, give or take a row: the server works on the first while the others are on their way. */
const MESSAGE_BYTES = 65_536;
/** What a row has beside its two texts: a count of columns, three lengths, the version of jsonb's format and the time. */
const ROW_BYTES = 2 + 3 * 4 + 1 + 8;
/** Of one UTF-16 unit, in UTF-8, at most. */
const BYTES_A_UNIT = 3;

/**
 * Documents as rows of `COPY`'s binary format (https://www.postgresql.org/docs/current/sql-copy.html), of a `text`, a `jsonb` and
 * a `bigint`: whole `CopyData` messages, of whole rows. The server reads it with less work than the text format, and no text
 * has to be searched for what would need an escape.
 */
export function encodeRows(ids: readonly string[], json: readonly string[], updatedAt: unknown): Buffer[] {
  const time = Buffer.alloc(12, "\0\0\0\x08");
  time.writeBigInt64BE(BigInt(String(updatedAt)), 4);
  const messages: Buffer[] = [];
  let bytes = Buffer.allocUnsafeSlow(MESSAGE_BYTES);
  let end = MESSAGE_HEADER_BYTES + HEADER.copy(bytes, MESSAGE_HEADER_BYTES);
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!;
    const document = json[i]!;
    const room = ROW_BYTES + BYTES_A_UNIT * (id.length + document.length) + TRAILER.length;
    if (end + room > bytes.length) {
      messages.push(copyData(bytes, end));
      bytes = Buffer.allocUnsafeSlow(Math.max(MESSAGE_BYTES, MESSAGE_HEADER_BYTES + room));
      end = MESSAGE_HEADER_BYTES;
    }
    bytes[end] = 0;
    bytes[end + 1] = 3;
    const idBytes = bytes.write(id, end + 6);
    writeLength(bytes, idBytes, end + 2);
    end += 6 + idBytes;
    bytes[end + 4] = 1;
    const documentBytes = bytes.write(document, end + 5);
    writeLength(bytes, 1 + documentBytes, end);
    end += 5 + documentBytes;
    bytes.set(time, end);
    end += time.length;
  }
  messages.push(copyData(bytes, end + TRAILER.copy(bytes, end)));
  return messages;
}

/** What separates fields and rows of the text format, or begins an escape. JSON as JavaScript writes it has backslashes only. */
const SPECIAL = /[\\\t\n\r]/;
const ALL_SPECIAL = /[\\\t\n\r]/g;
const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r" };
/** Encoding texts of this length takes 0.6 of the time of one long text. */
const TEXT_LENGTH = 16_384;

/** The same in the text format. */
export function encodeTextRows(
  ids: readonly string[],
  json: readonly string[],
  updatedAt: unknown,
): Buffer[] {
  const end = `\t${updatedAt}\n`;
  const messages: Buffer[] = [];
  let text = "";
  for (let i = 0; i < ids.length; i++) {
    text += `${escaped(ids[i]!)}\t${escaped(json[i]!)}${end}`;
    if (text.length < TEXT_LENGTH && i < ids.length - 1) continue;
    const bytes = Buffer.from(ROOM_FOR_HEADER + text);
    messages.push(copyData(bytes, bytes.length));
    text = "";
  }
  return messages;
}

const ROOM_FOR_HEADER = "\0".repeat(MESSAGE_HEADER_BYTES);

function escaped(text: string): string {
  return SPECIAL.test(text) ? text.replace(ALL_SPECIAL, (character) => ESCAPES[character]!) : text;
}

function copyData(bytes: Buffer, end: number): Buffer {
  bytes[0] = COPY_DATA;
  writeLength(bytes, end - 1, 1);
  return bytes.subarray(0, end);
}

/** As `writeInt32BE`, in a third of its time. */
function writeLength(bytes: Buffer, length: number, at: number): void {
  bytes[at] = length >>> 24;
  bytes[at + 1] = length >>> 16;
  bytes[at + 2] = length >>> 8;
  bytes[at + 3] = length;
}

/** The statement before a `COPY`: by its text, under a name or none, or by the name under which the server has it. */
export interface FirstStatement extends Pick<Request, "text" | "name" | "parse"> {
  readonly values: readonly unknown[];
}

/**
 * A transaction of a statement and a `COPY … FROM STDIN`, on a `pg` client, in two round trips: all up to `COPY`, whose
 * answer has the statement's row too; then the rows, which are made of that one, and COMMIT. If it fails it may be open.
 */
export class CopyIn implements AnswerTaker {
  readonly done: Promise<void>;
  /** Whether COMMIT is on its way. */
  isCommitting = false;
  readonly #first: FirstStatement;
  readonly #text: string;
  readonly #rowsOf: (row: readonly unknown[]) => readonly Buffer[];
  #row: readonly unknown[] = [];
  #error: unknown;
  #resolve!: () => void;
  #reject!: (error: unknown) => void;

  constructor(first: FirstStatement, text: string, rowsOf: (row: readonly unknown[]) => readonly Buffer[]) {
    this.#first = first;
    this.#text = text;
    this.#rowsOf = rowsOf;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  submit(wire: Wire): null {
    wire.taker = this;
    wire.stream.cork();
    try {
      run(wire, BEGIN);
      run(wire, this.#first);
      run(wire, unnamed(this.#text));
      wire.flush();
    } finally {
      wire.stream.uncork();
    }
    return null;
  }

  takeRow(bytes: Buffer, start: number): void {
    this.#row = decodeRow(bytes, start, AS_TEXT);
  }

  takeTag(): void {}

  handleCopyInResponse(wire: Wire): void {
    let messages: readonly Buffer[];
    try {
      messages = this.#rowsOf(this.#row);
    } catch (error) {
      this.#error = error;
      wire.sendCopyFail("FormDB could not make the rows");
      return;
    }
    this.isCommitting = true;
    wire.stream.cork();
    try {
      for (const message of messages) wire.stream.write(message);
      wire.endCopyFrom();
      run(wire, COMMIT);
      wire.sync();
    } finally {
      wire.stream.uncork();
    }
  }

  /** Up to the next Sync the server passes over all that it is sent. */
  handleError(error: unknown, wire: Wire): void {
    this.#error ??= error;
    if (!this.isCommitting && wire.stream.writable) wire.sync();
    afterError(wire, () => this.#reject(this.#error));
  }

  handleReadyForQuery(): void {
    this.#resolve();
  }
}

/** The one column of the statement's row. */
const AS_TEXT: readonly ColumnDecoder[] = [decoderOf(TEXT)];
const BEGIN = unnamed("BEGIN");
const COMMIT = unnamed("COMMIT");

function unnamed(text: string): FirstStatement {
  return { text, values: [], name: "", parse: true };
}

function run(wire: Wire, { text, values, name, parse }: FirstStatement): void {
  if (parse) wire.parse({ text, name });
  wire.bind({ portal: "", statement: name, values, valueMapper: encodeValue });
  wire.execute({ portal: "", rows: 0 });
}
