import type { WriteStream } from "node:tty";
import { type Options, SingleBar } from "cli-progress";
import type { ImportProgress } from "./import-run.ts";
import { grouped, percent, perSecond } from "./numbers.ts";

/** Where progress is shown: a bar on a terminal, a line now and then elsewhere. Never on standard output. */
export interface Progress {
  /** How far it is. Cheap: may be called for every batch. */
  update(progress: ImportProgress): void;
  /** Shows the last state and lets go of the terminal. */
  stop(): void;
}

/** What a bar is drawn against. */
export interface ProgressScale {
  /** In bytes of the input; undefined where its length is not known. */
  readonly totalBytes: number | undefined;
  readonly bytesRead: () => number;
}

/** How often a line is written where there is no terminal, in milliseconds. */
const PROGRESS_LINE_INTERVAL_MS = 1_000;

/** Narrower terminals get lines: a bar would wrap. */
const MIN_BAR_COLUMNS = 60;

export function startProgress(scale: ProgressScale, stream: WriteStream | NodeJS.WriteStream): Progress {
  const fits = stream.isTTY && (stream.columns ?? 80) >= MIN_BAR_COLUMNS;
  return fits && (scale.totalBytes ?? 0) > 0
    ? new ProgressBar(scale, stream)
    : new ProgressLines(scale, stream);
}

class ProgressBar implements Progress {
  readonly #scale: ProgressScale;
  readonly #bar: SingleBar;
  readonly #started = performance.now();
  #last: ImportProgress = NOTHING;

  constructor(scale: ProgressScale, stream: NodeJS.WriteStream) {
    this.#scale = scale;
    const options: Options = {
      stream,
      format: "{bar} {percentage} %  {documents} documents  {rate}/s  {left} left",
      barsize: Math.min(40, (stream.columns ?? 80) - MIN_BAR_COLUMNS + 10),
      barCompleteChar: "█",
      barIncompleteChar: "░",
      hideCursor: true,
      fps: 10,
      // Signals are the command's own business: what was read is still imported and reported.
      gracefulExit: false,
    };
    this.#bar = new SingleBar(options);
    this.#bar.start(scale.totalBytes ?? 0, 0, this.#payload());
  }

  update(progress: ImportProgress): void {
    this.#last = progress;
    this.#bar.update(this.#scale.bytesRead(), this.#payload());
  }

  stop(): void {
    this.#bar.update(this.#scale.bytesRead(), this.#payload());
    this.#bar.stop();
  }

  #payload(): { documents: string; rate: string; left: string } {
    const elapsedMs = performance.now() - this.#started;
    const read = this.#scale.bytesRead();
    const leftMs = read > 0 ? (elapsedMs * Math.max(0, this.#scale.totalBytes! - read)) / read : 0;
    const documents = this.#last.imported + this.#last.unchanged;
    return {
      documents: grouped(documents),
      rate: perSecond(documents, elapsedMs),
      left: `${Math.ceil(leftMs / 1000)} s`,
    };
  }
}

class ProgressLines implements Progress {
  readonly #scale: ProgressScale;
  readonly #stream: NodeJS.WritableStream;
  readonly #started = performance.now();
  #written = performance.now();

  constructor(scale: ProgressScale, stream: NodeJS.WritableStream) {
    this.#scale = scale;
    this.#stream = stream;
  }

  update({ imported, unchanged, rejected }: ImportProgress): void {
    const now = performance.now();
    if (now - this.#written < PROGRESS_LINE_INTERVAL_MS) return;
    this.#written = now;
    const { totalBytes, bytesRead } = this.#scale;
    const done = imported + unchanged;
    const part = totalBytes === undefined ? "" : `${percent(bytesRead(), totalBytes)}, `;
    const failed = rejected === 0 ? "" : `, ${grouped(rejected)} rejected`;
    this.#stream.write(
      `${part}${grouped(done)} documents, ${perSecond(done, now - this.#started)}/s${failed}\n`,
    );
  }

  stop(): void {}
}

const NOTHING: ImportProgress = Object.freeze({ imported: 0, unchanged: 0, rejected: 0 });
