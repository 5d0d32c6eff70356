import { bounded, type CallOptions, throwIfAborted } from "../../base/abort.ts";
import { systemClock } from "../../base/clock.ts";
import type { EngineStatement } from "../../base/engine-statement.ts";
import { FormDBError } from "../../base/errors.ts";
import type {
  Connection,
  EngineResult,
  GroupWrite,
  IsolationLevel,
  StoredDocument,
  WriteResult,
} from "../backend.ts";
import type { DatabaseSettings } from "./database-settings.ts";
import { failureOf, sqliteError } from "./errors.ts";
import type { SessionWriteResult, SqliteSession } from "./session.ts";
import type { ThreadChoice } from "./thread-choice.ts";
import { WorkerClient } from "./worker-client.ts";
import type { WorkerRequest, WorkerResults } from "./worker-protocol.ts";

const NONE: CallOptions = {};

/** Ids whose documents are read on the caller's thread at once: about a quarter of a millisecond. */
export const MAX_GET_HERE = 50;

/**
 * A connection to a SQLite file: a handle on the caller's thread for reads that are short, and a worker
 * thread with a handle of its own, started when first needed, for long reads and for every write, so that
 * neither a scan nor a commit's wait for the disk holds up the event loop.
 *
 * A call that its caller gives up goes on in the worker, since SQLite can't be told to stop; the
 * connection is then of no more use.
 */
export class SqliteConnection implements Connection {
  readonly #settings: DatabaseSettings;
  readonly #choice: ThreadChoice;
  #here: SqliteSession | undefined;
  #worker: WorkerClient | undefined;
  #inTransaction = false;
  #closed = false;
  onLost: ((error: Error) => void) | undefined;

  /** Takes over `here` and `worker`, where there are such. */
  constructor(
    settings: DatabaseSettings,
    choice: ThreadChoice,
    here: SqliteSession | undefined,
    worker: WorkerClient | undefined,
  ) {
    this.#settings = settings;
    this.#choice = choice;
    this.#here = here;
    if (worker !== undefined) this.#adopt(worker);
  }

  get usable(): boolean {
    return !this.#closed && this.#worker?.usable !== false;
  }

  async execute(
    statement: EngineStatement,
    values: readonly unknown[],
    options: CallOptions = NONE,
  ): Promise<EngineResult> {
    throwIfAborted("The query", options.signal);
    const { text, returnsRows, prepare, cost, name } = statement;
    if (this.#here !== undefined && !this.#inTransaction) {
      if (cost === "point")
        return this.#run(() => this.#here!.execute(text, values, returnsRows, prepare, false));
      if (this.#choice.runsHere(name)) {
        const start = performance.now();
        const result = this.#run(() => this.#here!.execute(text, values, returnsRows, prepare, false));
        this.#choice.ran(name, performance.now() - start);
        return result;
      }
    }
    const result = await this.#ask(
      "The query",
      { do: "execute", text, values, returnsRows, keep: prepare, inTransaction: this.#inTransaction },
      options,
    );
    this.#choice.ran(name, result.ms);
    return result;
  }

  async *stream(
    { text }: EngineStatement,
    values: readonly unknown[],
    options: CallOptions = NONE,
  ): AsyncGenerator<readonly (readonly unknown[])[]> {
    throwIfAborted("The stream", options.signal);
    await this.#ask("The stream", { do: "iterate", text, values }, options);
    try {
      for (;;) {
        const { rows, done } = await this.#ask("The stream", { do: "next" }, options);
        if (rows.length > 0) yield rows;
        if (done) return;
      }
    } finally {
      if (this.usable) await this.#ask("The stream", { do: "endIteration" }, NONE);
    }
  }

  async write(group: GroupWrite): Promise<WriteResult> {
    const inTransaction = this.#inTransaction;
    return toWriteResult(
      group,
      await this.#ask(describe(group), { do: "write", group, inTransaction }, NONE),
    );
  }

  async getMany(
    collection: string,
    ids: readonly string[],
    options: CallOptions = NONE,
  ): Promise<readonly StoredDocument[]> {
    throwIfAborted("The read", options.signal);
    const here = this.#inTransaction ? undefined : this.#here;
    if (here === undefined || ids.length > MAX_GET_HERE)
      return this.#ask("The read", { do: "getMany", collection, ids }, options);
    if (ids.length > 1) return this.#run(() => here.getMany(collection, ids));
    const found = this.#run(() => here.get(collection, ids[0]!));
    return found === undefined ? [] : [found];
  }

  async lookUpToken(group: GroupWrite): Promise<WriteResult | undefined> {
    const found = await this.#ask("Looking up a batch", { do: "lookUpToken", token: group.token! }, NONE);
    return found === undefined ? undefined : toWriteResult(group, found);
  }

  async pruneTokens(maxAgeMs: number): Promise<void> {
    await this.#ask("Forgetting old batches", { do: "pruneTokens", before: Date.now() - maxAgeMs }, NONE);
  }

  /** SQLite's transactions are serializable, which is as much as any level asks for. */
  async begin(_isolation: IsolationLevel | undefined, readOnly: boolean): Promise<void> {
    await this.#ask("Beginning a transaction", { do: "begin", forWriting: !readOnly }, NONE);
    this.#inTransaction = true;
  }

  async commit(): Promise<void> {
    await this.#ask("Committing a transaction", { do: "commit" }, NONE);
    this.#inTransaction = false;
  }

  async rollback(): Promise<void> {
    this.#inTransaction = false;
    await this.#ask("Rolling back a transaction", { do: "rollback" }, NONE);
  }

  async ping(): Promise<boolean> {
    return this.usable;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#here?.close();
    this.#here = undefined;
    const worker = this.#worker;
    if (worker === undefined) return;
    worker.onLost = undefined;
    if (worker.usable) await worker.request("Closing", { do: "close" }).catch(() => {});
    await worker.terminate();
  }

  #run<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw sqliteError("The query", failureOf(error), error);
    }
  }

  async #ask<K extends WorkerRequest["do"]>(
    what: string,
    request: Extract<WorkerRequest, { readonly do: K }>,
    options: CallOptions,
  ): Promise<WorkerResults[K]> {
    const answer = this.#startedWorker().request(what, request);
    try {
      return await bounded(what, answer, systemClock, options);
    } catch (error) {
      if (
        error instanceof FormDBError &&
        (error.code === "FORMDB_ABORTED" || error.code === "FORMDB_TIMEOUT")
      ) {
        void this.#worker!.terminate();
      }
      throw error;
    }
  }

  #startedWorker(): WorkerClient {
    if (this.#closed) throw new FormDBError("FORMDB_CONNECTION_LOST", "The SQLite connection is closed");
    return this.#worker ?? this.#adopt(new WorkerClient(this.#settings));
  }

  #adopt(worker: WorkerClient): WorkerClient {
    worker.onLost = (error) => this.onLost?.(error);
    this.#worker = worker;
    return worker;
  }
}

/** What a failed write of a group is called in messages. */
function describe({ kind, collection, ids }: GroupWrite): string {
  return `The ${kind} of ${ids.length} document${ids.length === 1 ? "" : "s"} in ${collection}`;
}

/** The result with each refused row's failure as an error. */
export function toWriteResult(group: GroupWrite, { missing, rejected }: SessionWriteResult): WriteResult {
  return {
    missing,
    rejected: rejected.map(({ id, failure }) => ({
      id,
      error: sqliteError(
        `The ${group.kind} of document ${JSON.stringify(id)} in ${group.collection}`,
        failure,
      ),
    })),
  };
}
