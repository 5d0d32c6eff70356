import { existsSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { bounded, type CallOptions, throwIfAborted } from "../../base/abort.ts";
import { systemClock } from "../../base/clock.ts";
import { type FailureOutcome, FormDBError, messageOf, noteDetail } from "../../base/errors.ts";
import { configError } from "../../base/options.ts";
import type { DatabaseSettings } from "./database-settings.ts";
import { failureOf, sqliteError, WORKER_INIT_FAILED } from "./errors.ts";
import {
  mayWrite,
  outcomeIfLost,
  type RequestKind,
  type RequestOf,
  type SessionClient,
  type SessionResults,
} from "./session-protocol.ts";
import type { WorkerResponse } from "./worker.ts";

interface Pending {
  readonly what: string;
  readonly writes: boolean;
  readonly ifLost: FailureOutcome | undefined;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** Codes of a thread that has never run: a request's own failures are answered, and end no thread. */
const NOT_STARTED: ReadonlySet<string> = new Set([WORKER_INIT_FAILED, "EMFILE", "ENFILE"]);

/**
 * The caller's side of a worker thread with a SQLite session. Requests are answered in order. The thread keeps the
 * process alive only while it owes an answer.
 *
 * SQLite can't be told to stop: a request that its caller gives up ends the thread.
 */
export class WorkerClient implements SessionClient {
  readonly #settings: DatabaseSettings;
  #worker: Worker | undefined;
  readonly #pending: Pending[] = [];
  readonly local: boolean = false;
  #ended = false;
  #cause: unknown;
  onLost: ((error: Error) => void) | undefined;

  /** The thread starts with the first request. */
  constructor(settings: DatabaseSettings) {
    this.#settings = settings;
  }

  get usable(): boolean {
    return !this.#ended;
  }

  async request<K extends RequestKind>(
    what: string,
    request: RequestOf<K>,
    options: CallOptions = {},
  ): Promise<SessionResults[K]> {
    throwIfAborted(what, options.signal);
    const writes = mayWrite(request);
    if (this.#ended) throw this.#lostError(writes ? "rejected" : undefined);
    const ifLost = outcomeIfLost(request);
    this.#worker ??= this.#start();
    const worker = this.#worker;
    const answered = new Promise<unknown>((resolve, reject) => {
      // First, since it throws for a value that can't be sent, which then owes no answer.
      worker.postMessage(request);
      if (this.#pending.length === 0) worker.ref();
      this.#pending.push({ what, writes, ifLost, resolve, reject });
    });
    try {
      return (await bounded(what, answered, systemClock, options)) as SessionResults[K];
    } catch (error) {
      if (!(error instanceof FormDBError)) throw unsendable(what, error, writes);
      if (!isGivenUp(error)) throw error;
      void this.terminate();
      throw noteDetail(error, "outcome", ifLost);
    }
  }

  /** What is asked for after this is not sent any more. What was and is not answered is cut: its callers wait no longer. */
  async close(): Promise<void> {
    this.onLost = undefined;
    if (this.#pending.length > 0) this.#lost(undefined);
    else if (this.usable && this.#worker !== undefined) {
      const closed = this.request("Closing", { do: "close" });
      this.#ended = true;
      await closed.catch(() => {});
    }
    await this.terminate();
  }

  /** Ends the thread at once. SQLite rolls back what it has begun and not committed. */
  async terminate(): Promise<void> {
    this.#ended = true;
    this.onLost = undefined;
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(workerFile("worker", import.meta.url), {
      workerData: this.#settings,
      // Flags of the process, such as --input-type, may not fit a file.
      execArgv: [],
    });
    worker.unref();
    worker.on("message", (response: WorkerResponse) => this.#answered(response));
    // An answer that can't be read would give each later request the answer of the one before it.
    worker.on("messageerror", (error: Error) => {
      this.#lost(error);
      void worker.terminate();
    });
    worker.on("error", (error: unknown) => this.#lost(error));
    worker.on("exit", () => this.#lost(undefined));
    return worker;
  }

  #answered(response: WorkerResponse): void {
    const asked = this.#pending.shift();
    // It was cut.
    if (asked === undefined) return;
    const { what, writes, resolve, reject } = asked;
    if (this.#pending.length === 0) this.#worker?.unref();
    if (response.ok) resolve(response.result);
    else reject(sqliteError(what, response.failure, { writes }));
  }

  #lost(cause: unknown): void {
    this.#ended = true;
    this.#cause ??= cause;
    const failure = failureOf(cause);
    const unstarted = NOT_STARTED.has(failure.sqliteCode ?? "");
    for (const { what, writes, ifLost, reject } of this.#pending.splice(0)) {
      reject(unstarted ? sqliteError(what, failure, { cause, writes }) : this.#lostError(ifLost));
    }
    this.onLost?.(this.#lostError(undefined));
    this.onLost = undefined;
  }

  /** A read, which has no outcome, may be made again. */
  #lostError(outcome: FailureOutcome | undefined): FormDBError {
    const why = this.#cause === undefined ? "" : `: ${messageOf(this.#cause)}`;
    return new FormDBError("FORMDB_CONNECTION_LOST", `The SQLite worker thread has ended${why}`, {
      cause: this.#cause,
      retryable: outcome !== "unknown",
      details: outcome === undefined ? {} : { outcome },
    });
  }
}

/**
 * A worker thread's file, which lies beside this one and ends as it does: in .ts when run from source and in .js in the
 * package. A bundler leaves it behind, and gives a CommonJS bundle no `import.meta.url`.
 */
export function workerFile(name: "worker" | "backup-worker", here: string | undefined): URL {
  const file =
    here === undefined ? undefined : new URL(`./${name}${here.endsWith(".ts") ? ".ts" : ".js"}`, here);
  if (file !== undefined && existsSync(file)) return file;
  throw configError(
    `A database file needs the file of a worker thread beside the code of @formdb/perf, but there is none${file === undefined ? "" : `: ${file.href}`}. ` +
      "Leave @formdb/perf and better-sqlite3 out of a bundle (external)",
  );
}

function isGivenUp({ code }: FormDBError): boolean {
  return code === "FORMDB_ABORTED" || code === "FORMDB_TIMEOUT";
}

/** The error for a request with a value that can't be handed over to a thread, such as an object with a function in it. */
function unsendable(what: string, cause: unknown, writes: boolean): FormDBError {
  return new FormDBError(
    "FORMDB_PARAMETER_MISMATCH",
    `${what} can't be given its values: ${messageOf(cause)}`,
    { cause, details: writes ? { outcome: "rejected" } : {} },
  );
}
