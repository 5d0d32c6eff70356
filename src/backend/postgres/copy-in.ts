import { type ColumnDecoder, decoderOf, encodeValue } from "./column-decoders.ts";
import { afterError, decodeRow, type Request } from "./exchange.ts";
import type { AnswerTaker } from "./messages.ts";
import type { Wire } from "./wire.ts";

/** `text` in `pg_type`. */
const TEXT = 25;
/** Characters of one message, give or take a row: the server works on the first while the others are on their way. */
const MESSAGE_LENGTH = 16_384;
/** What separates fields and rows, or begins an escape. JSON as JavaScript writes it has backslashes only. */
const SPECIAL = /[\\\t\n\r]/;
const ALL_SPECIAL = /[\\\t\n\r]/g;
const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r" };

/**
 * Documents as rows of `COPY`'s text format, in messages of whole rows. Encoding texts of this length takes 0.6 of the time of
 * one long text.
 */
export function encodeRows(ids: readonly string[], json: readonly string[], updatedAt: unknown): Buffer[] {
  const end = `\t${updatedAt}\n`;
  const messages: Buffer[] = [];
  let text = "";
  for (let i = 0; i < ids.length; i++) {
    text += `${escaped(ids[i]!)}\t${escaped(json[i]!)}${end}`;
    if (text.length < MESSAGE_LENGTH) continue;
    messages.push(Buffer.from(text));
    text = "";
  }
  if (text !== "") messages.push(Buffer.from(text));
  return messages;
}

function escaped(text: string): string {
  return SPECIAL.test(text) ? text.replace(ALL_SPECIAL, (character) => ESCAPES[character]!) : text;
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
      for (const rows of messages) wire.sendCopyFromChunk(rows);
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
