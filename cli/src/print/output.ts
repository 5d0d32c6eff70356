import type { Row } from "@formdb/perf";
import { type Paint, painterOf } from "./colours.ts";

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
  /** Whether people see the text as it comes, so that it must not steer what shows it. */
  readonly isTerminal: boolean;
  readonly paint: Paint;
  #text = "";
  #closed = false;

  constructor(stream: NodeJS.WritableStream & { readonly isTTY?: boolean }) {
    this.#stream = stream;
    this.isTerminal = stream.isTTY === true;
    this.paint = painterOf(stream);
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
    await this.#ready();
  }

  /** Resolves when the stream takes more, or never will. */
  #ready(): Promise<void> {
    const stream = this.#stream;
    return new Promise((resolve) => {
      const settle = (): void => {
        for (const event of READY_EVENTS) stream.off(event, settle);
        resolve();
      };
      for (const event of READY_EVENTS) stream.on(event, settle);
    });
  }
}

const READY_EVENTS = ["drain", "close", "error"] as const;
