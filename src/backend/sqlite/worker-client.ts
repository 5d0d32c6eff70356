import { Worker } from "node:worker_threads";
import { FormDBError } from "../../base/errors.ts";
import type { DatabaseSettings } from "./database-settings.ts";
import { sqliteError } from "./errors.ts";
import type { WorkerRequest, WorkerResponse, WorkerResults } from "./worker-protocol.ts";

interface Pending {
  readonly what: string;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/**
 * The caller's side of a worker thread with a SQLite session. Requests are answered in order. The thread
 * keeps the process alive only while it owes an answer.
 */
export class WorkerClient {
  readonly #worker: Worker;
  readonly #pending: Pending[] = [];
  #failure: FormDBError | undefined;
  /** Called once if the thread ends without having been asked to. */
  onLost: ((error: Error) => void) | undefined;

  constructor(settings: DatabaseSettings) {
    // Run from source the files end in .ts, run from the package in .js.
    const file = import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js";
    this.#worker = new Worker(new URL(file, import.meta.url), {
      workerData: settings,
      // Flags of the process, such as --input-type, may not fit a file.
      execArgv: [],
    });
    this.#worker.unref();
    this.#worker.on("message", (response: WorkerResponse) => this.#answered(response));
    // An answer that can't be read would put all later ones in the wrong hands.
    this.#worker.on("messageerror", (error: Error) => {
      this.#lost(error);
      void this.#worker.terminate();
    });
    this.#worker.on("error", (error: unknown) => this.#lost(error));
    this.#worker.on("exit", () => this.#lost(undefined));
  }

  /** True while requests can be made. */
  get usable(): boolean {
    return this.#failure === undefined;
  }

  request<K extends WorkerRequest["do"]>(
    what: string,
    request: Extract<WorkerRequest, { readonly do: K }>,
  ): Promise<WorkerResults[K]> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise<unknown>((resolve, reject) => {
      // First, since it throws for a value that can't be sent, which then owes no answer.
      this.#worker.postMessage(request);
      if (this.#pending.length === 0) this.#worker.ref();
      this.#pending.push({ what, resolve, reject });
    }) as Promise<WorkerResults[K]>;
  }

  /** Ends the thread; what it has begun is rolled back by SQLite when its handle goes. */
  async terminate(): Promise<void> {
    this.#failure ??= new FormDBError("FORMDB_CONNECTION_LOST", "The SQLite worker thread was ended");
    this.onLost = undefined;
    await this.#worker.terminate();
  }

  #answered(response: WorkerResponse): void {
    const { what, resolve, reject } = this.#pending.shift()!;
    if (this.#pending.length === 0) this.#worker.unref();
    if (response.ok) resolve(response.result);
    else reject(sqliteError(what, response.failure));
  }

  #lost(cause: unknown): void {
    const expected = this.#failure !== undefined;
    this.#failure ??= new FormDBError("FORMDB_CONNECTION_LOST", "The SQLite worker thread ended by itself", {
      cause,
      details: { outcome: "unknown" },
    });
    for (const { reject } of this.#pending.splice(0)) reject(this.#failure);
    if (!expected) this.onLost?.(this.#failure);
    this.onLost = undefined;
  }
}
