import { createLogUpdate } from "log-update";
import { ExitCode } from "./exit-code.ts";
import { painterOf } from "./print/colours.ts";
import { Output } from "./print/output.ts";
import { printable } from "./print/printable.ts";
import { DEFAULT_COLUMNS } from "./print/say.ts";
import { listenForInterruption } from "./signals.ts";
import { frame, plainLine, type View } from "./top/frame.ts";
import { type LiveNews, liveNews, targetUrl } from "./top/live-source.ts";

export interface TopFlags {
  readonly intervalMs: number;
  readonly samples?: number;
}

/** The height of a terminal that does not know its own. */
const DEFAULT_ROWS = 24;
/** As many as the widest terminal has bars. */
const MAX_EVENTS = 120;
const ENTER_SCREEN = "\x1b[?1049h\x1b[H";
const LEAVE_SCREEN = "\x1b[?1049l";

/** Shows the figures of a server or a page of metrics until `q`, Ctrl-C or the last sample; gives the exit code. */
export async function runTop(address: string, flags: TopFlags): Promise<number> {
  const url = targetUrl(address);
  const { FORMDB_API_KEY: full, FORMDB_READ_KEY: read, FORMDB_METRICS_KEY: metrics } = process.env;
  const key = [full, read, metrics].find((one) => one !== undefined && one !== "");
  const interruption = listenForInterruption();
  const asked = new AbortController();
  const signal = AbortSignal.any([interruption.signal, asked.signal]);
  const display = process.stdout.isTTY ? new FullScreen(url, () => asked.abort()) : new PlainLines();
  let samples = 0;
  try {
    for await (const news of liveNews({ url, key, intervalMs: flags.intervalMs }, signal)) {
      await display.show(news);
      if (display.isClosed || (news.kind === "event" && ++samples === flags.samples)) break;
    }
  } catch (error) {
    // What is torn down by the wish to end is no failure.
    if (!signal.aborted) throw error;
  } finally {
    display.close();
    interruption.release();
  }
  return interruption.exitCode() ?? ExitCode.done;
}

/** Lines for files and programs. */
class PlainLines {
  readonly #output = new Output(process.stdout);
  #events: View["events"] = [];

  /** Whether nobody reads on. */
  get isClosed(): boolean {
    return this.#output.closed;
  }

  async show(news: LiveNews): Promise<void> {
    if (news.kind === "lost")
      process.stderr.write(`formdb: the connection is lost (${printable(news.because)}); trying again\n`);
    if (news.kind !== "event") return;
    this.#events = [...this.#events, news.event].slice(-MAX_EVENTS);
    await this.#output.write(`${plainLine(this.#events)}\n`);
    await this.#output.flush();
  }

  close(): void {}
}

/** The whole terminal, given back as it was. */
class FullScreen {
  readonly isClosed = false;
  readonly #update = createLogUpdate(process.stdout, { showCursor: false });
  readonly #end: () => void;
  readonly #paint = painterOf(process.stdout);
  #view: View;
  #isOpen = false;

  constructor(url: URL, end: () => void) {
    this.#end = end;
    this.#view = { address: url.origin, events: [], statements: undefined, lost: undefined };
  }

  show(news: LiveNews): void {
    const view = this.#view;
    if (news.kind === "event") {
      this.#view = { ...view, events: [...view.events, news.event].slice(-MAX_EVENTS), lost: undefined };
    } else if (news.kind === "statements") {
      this.#view = { ...view, statements: news.statements };
    } else {
      this.#view = { ...view, lost: news.because };
    }
    this.#open();
    this.#draw();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    process.off("exit", this.#restore);
    process.stdout.off("resize", this.#resized);
    process.stdin.off("data", this.#typed).pause();
    this.#restore();
  }

  /** Only once there is something to show, so that an error on the way there is read on the ordinary screen. */
  #open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    process.stdout.write(ENTER_SCREEN);
    process.on("exit", this.#restore);
    process.stdout.on("resize", this.#resized);
    if (!process.stdin.isTTY) return;
    process.stdin.setRawMode(true).resume().on("data", this.#typed);
  }

  #draw(): void {
    const { stdout } = process;
    stdout.columns ||= DEFAULT_COLUMNS;
    stdout.rows ||= DEFAULT_ROWS;
    this.#update(frame(this.#view, { columns: stdout.columns, rows: stdout.rows, paint: this.#paint }));
  }

  readonly #restore = (): void => {
    this.#update.done();
    if (process.stdin.isTTY) process.stdin.setRawMode(false);
    process.stdout.write(LEAVE_SCREEN);
  };

  readonly #resized = (): void => {
    this.#update.clear();
    process.stdout.write("\x1b[2J\x1b[H");
    this.#draw();
  };

  readonly #typed = (keys: Buffer): void => {
    const text = keys.toString("latin1");
    if (text.includes("\x03")) process.kill(process.pid, "SIGINT");
    else if (/q/i.test(text)) this.#end();
  };
}
