import type { Row } from "@formdb/perf";
import { messageOf } from "../message.ts";
import { type Paint, painterOf } from "./colours.ts";

/** The kinds of output of `formdb query`. */
export type OutputFormat = "table" | "json" | "ndjson" | "csv";

export const OUTPUT_FORMATS: readonly OutputFormat[] = ["table", "json", "ndjson", "csv"];

/** What `formdb export` writes. */
export type ExportFormat = Exclude<OutputFormat, "table">;

export const EXPORT_FORMATS: readonly ExportFormat[] = ["ndjson", "json", "csv"];

/** Rows as they come. */
export type Rows = AsyncIterable<Row> | Iterable<Row>;

/** A field of a row; one that the row has not is undefined, also if it is called `constructor` or `__proto__`. */
export function fieldOf(row: Row, name: string): unknown {
  return Object.hasOwn(row, name) ? row[name] : undefined;
}

/** Text is written when this much is together. */
const BUFFERED_CHARACTERS = 16 * 1024;

/**
 * Text for a stream that may be slower than what is printed, or close before the end (`| head`): then
 * `closed` is true and nothing more is worth printing. What else fails, such as a full disk, `write` and `flush` throw.
 */
export class Output {
  readonly #stream: NodeJS.WritableStream;
  readonly #name: string;
  /** Whether people see the text as it comes, so that it must not steer what shows it. */
  readonly isTerminal: boolean;
  readonly paint: Paint;
  #text = "";
  #closed = false;
  #failure: Error | undefined;

  /** `name` is what the stream is called in errors. */
  constructor(stream: NodeJS.WritableStream & { readonly isTTY?: boolean }, name = "Standard output") {
    this.#stream = stream;
    this.#name = name;
    this.isTerminal = stream.isTTY === true;
    this.paint = painterOf(stream);
    stream.on("error", (error: NodeJS.ErrnoException) => this.#failed(error));
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Gives a promise only where there is something to wait for. */
  write(text: string): Promise<void> | undefined {
    this.#text += text;
    return this.#text.length < BUFFERED_CHARACTERS ? undefined : this.flush();
  }

  /** Resolves when the stream has handed on all that was written. */
  async flush(): Promise<void> {
    const text = this.#text;
    this.#text = "";
    if (text !== "" && !this.#closed && this.#failure === undefined) await this.#write(text);
    if (this.#failure !== undefined) throw this.#failure;
  }

  #write(text: string): Promise<void> {
    const stream = this.#stream;
    return new Promise((resolve) => {
      const done = (error?: Error | null): void => {
        stream.off("close", done);
        if (error) this.#failed(error);
        resolve();
      };
      stream.once("close", done);
      stream.write(text, done);
    });
  }

  #failed(error: NodeJS.ErrnoException): void {
    if (error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED") this.#closed = true;
    else this.#failure ??= new Error(`${this.#name} can't be written: ${messageOf(error)}`, { cause: error });
  }
}
