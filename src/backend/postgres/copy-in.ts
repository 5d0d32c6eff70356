import { afterError } from "./exchange.ts";
import type { Wire } from "./wire.ts";

/** Bytes of one message: the server works on the first while the others are on their way. */
const MESSAGE_BYTES = 65_536;
/** What separates fields and rows, or begins an escape. JSON as JavaScript writes it has backslashes only. */
const SPECIAL = /[\\\t\n\r]/;
const ALL_SPECIAL = /[\\\t\n\r]/g;
const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r" };

/** Documents as rows of `COPY`'s text format. */
export function encodeRows(ids: readonly string[], json: readonly string[], updatedAt: unknown): Buffer {
  const end = `\t${updatedAt}\n`;
  let text = "";
  for (let i = 0; i < ids.length; i++) text += `${escaped(ids[i]!)}\t${escaped(json[i]!)}${end}`;
  return Buffer.from(text);
}

function escaped(text: string): string {
  return SPECIAL.test(text) ? text.replace(ALL_SPECIAL, (character) => ESCAPES[character]!) : text;
}

/** A `COPY … FROM STDIN` with all its rows, on a `pg` client. */
export class CopyIn {
  readonly done: Promise<void>;
  readonly #text: string;
  readonly #rows: Buffer;
  #error: unknown;
  #resolve!: () => void;
  #reject!: (error: unknown) => void;

  constructor(text: string, rows: Buffer) {
    this.#text = text;
    this.#rows = rows;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  submit(wire: Wire): null {
    wire.query(this.#text);
    return null;
  }

  handleCopyInResponse(wire: Wire): void {
    const rows = this.#rows;
    wire.stream.cork();
    try {
      for (let at = 0; at < rows.length; at += MESSAGE_BYTES) {
        wire.sendCopyFromChunk(rows.subarray(at, at + MESSAGE_BYTES));
      }
      wire.endCopyFrom();
    } finally {
      wire.stream.uncork();
    }
  }

  handleCommandComplete(): void {}

  handleError(error: unknown, wire: Wire): void {
    this.#error ??= error;
    afterError(wire, () => this.#reject(this.#error));
  }

  handleReadyForQuery(): void {
    this.#resolve();
  }
}
