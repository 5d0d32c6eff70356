import { type ColumnDecoder, decoderOf, encodeValue } from "./column-decoders.ts";
import { afterError, decodeRow } from "./exchange.ts";
import type { AnswerTaker } from "./messages.ts";
import type { Wire } from "./wire.ts";

const FIRST_CHUNK_ROWS = 64;
const MAX_CHUNK_ROWS = 4_096;
/** Chunks are cut to about this size, however large the rows are. */
const TARGET_CHUNK_BYTES = 256 * 1024;

type Chunk = readonly (readonly unknown[])[];

/**
 * A statement whose rows are fetched a chunk at a time from a portal, as the protocol's row limit allows: the
 * server goes on only when the next chunk is asked for. The transaction around it is the
 * caller's, or one that ends with the stream.
 */
export class RowStream implements AnswerTaker {
  readonly #text: string;
  readonly #values: readonly unknown[];
  #wire: Wire | undefined;
  #decoders: readonly ColumnDecoder[] = [];
  #rows: unknown[][] = [];
  #bytes = 0;
  #limit = FIRST_CHUNK_ROWS;
  #state: "fetching" | "suspended" | "ending" | "ended" = "fetching";
  #error: unknown;
  #wake: (() => void) | undefined;

  constructor(text: string, values: readonly unknown[]) {
    this.#text = text;
    this.#values = values;
  }

  /** Whether the server is at work for it, and not waiting for the next chunk to be asked for. */
  get isWorking(): boolean {
    return this.#state !== "suspended";
  }

  /** The next rows; undefined at the end. Throws what the server or the connection said. */
  async next(): Promise<Chunk | undefined> {
    if (this.#state === "suspended") {
      this.#state = "fetching";
      this.#wire!.execute({ portal: "", rows: this.#limit });
      this.#wire!.flush();
    }
    while (this.#state === "fetching" || this.#state === "ending") await this.#progress();
    if (this.#error !== undefined) throw this.#error;
    return this.#rows.length > 0 ? this.#take() : undefined;
  }

  /** Lets go of rows that were not fetched; the connection is free again when this settles. Never throws. */
  async end(): Promise<void> {
    if (this.#state === "suspended") this.#finish();
    while (this.#state !== "ended") await this.#progress();
  }

  submit(wire: Wire): null {
    this.#wire = wire;
    wire.taker = this;
    wire.stream.cork();
    try {
      wire.parse({ text: this.#text, name: "" });
      wire.bind({ portal: "", statement: "", values: this.#values, valueMapper: encodeValue });
      wire.describe({ type: "P", name: "" });
      wire.execute({ portal: "", rows: this.#limit });
      wire.flush();
    } finally {
      wire.stream.uncork();
    }
    return null;
  }

  handleRowDescription({ fields }: { readonly fields: readonly { readonly dataTypeID: number }[] }): void {
    this.#decoders = fields.map(({ dataTypeID }) => decoderOf(dataTypeID));
  }

  takeRow(bytes: Buffer, start: number, end: number): void {
    this.#bytes += end - start;
    this.#rows.push(decodeRow(bytes, start, this.#decoders));
  }

  handlePortalSuspended(): void {
    this.#limit = nextLimit(this.#rows.length, this.#bytes);
    this.#move("suspended");
  }

  takeTag(): void {
    this.#finish();
  }

  handleEmptyQuery(): void {
    this.#finish();
  }

  handleCopyInResponse(wire: Wire): void {
    wire.sendCopyFail("FormDB sends no data here");
  }

  handleCopyData(): void {}

  handleError(error: unknown, wire: Wire): void {
    this.#error ??= error;
    this.#rows = [];
    // After an error the server reads on only from the next Sync.
    if (this.#state === "fetching" || this.#state === "suspended") wire.sync();
    this.#state = "ending";
    afterError(wire, () => this.#move("ended"));
  }

  handleReadyForQuery(): void {
    this.#move("ended");
  }

  #finish(): void {
    this.#state = "ending";
    this.#wire!.close({ type: "P", name: "" });
    this.#wire!.sync();
  }

  #take(): Chunk {
    const rows = this.#rows;
    this.#rows = [];
    this.#bytes = 0;
    return rows;
  }

  #move(state: "suspended" | "ended"): void {
    this.#state = state;
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  #progress(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

function nextLimit(rows: number, bytes: number): number {
  if (rows === 0) return FIRST_CHUNK_ROWS;
  return Math.min(MAX_CHUNK_ROWS, Math.max(1, Math.floor((TARGET_CHUNK_BYTES * rows) / bytes)));
}
