import { once } from "node:events";
import type { Row } from "../../base/document.ts";

/** The kinds of output of `formdb query`. */
export type OutputFormat = "table" | "json" | "ndjson" | "csv";

export const OUTPUT_FORMATS: readonly OutputFormat[] = ["table", "json", "ndjson", "csv"];

/** Rows as they come. */
export type Rows = AsyncIterable<Row> | Iterable<Row>;

/** Text is written when this much is together. */
const BUFFERED_CHARACTERS = 16 * 1024;

/**
 * Text for a stream that may be slower than what is printed, or close before the end (`| head`): then
 * `closed` is true and nothing more is worth printing.
 */
export class Output {
  readonly #stream: NodeJS.WritableStream;
  #text = "";
  #closed = false;

  constructor(stream: NodeJS.WritableStream) {
    this.#stream = stream;
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      this.#closed = true;
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Gives a promise only where there is something to wait for. */
  write(text: string): Promise<void> | undefined {
    this.#text += text;
    return this.#text.length < BUFFERED_CHARACTERS ? undefined : this.flush();
  }

  async flush(): Promise<void> {
    const text = this.#text;
    this.#text = "";
    if (text === "" || this.#closed || this.#stream.write(text)) return;
    // A stream that closes never drains.
    await Promise.race([once(this.#stream, "drain"), once(this.#stream, "close"), this.#error()]);
  }

  async #error(): Promise<void> {
    try {
      await once(this.#stream, "error");
    } catch {
      // `once` itself fails for an error: either way there was one, and the listener above has it.
    }
  }
}
