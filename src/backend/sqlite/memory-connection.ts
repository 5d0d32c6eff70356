import { type CallOptions, throwIfAborted } from "../../base/abort.ts";
import type { EngineStatement } from "../../base/engine-statement.ts";
import type {
  Connection,
  EngineResult,
  GroupWrite,
  IsolationLevel,
  StoredDocument,
  WriteResult,
} from "../backend.ts";
import { failureOf, sqliteError } from "./errors.ts";
import type { SqliteSession } from "./session.ts";
import { toWriteResult } from "./sqlite-connection.ts";
import { nextChunk } from "./stream-chunk.ts";

/**
 * The one connection to a database in memory. Such a database belongs to its handle, so all work is done
 * on the caller's thread, and closing the connection leaves the session to its backend.
 */
export class MemoryConnection implements Connection {
  readonly #session: SqliteSession;
  readonly usable: boolean = true;
  #inTransaction = false;
  onLost: ((error: Error) => void) | undefined;

  constructor(session: SqliteSession) {
    this.#session = session;
  }

  async execute(
    { text, returnsRows, prepare }: EngineStatement,
    values: readonly unknown[],
    options?: CallOptions,
  ): Promise<EngineResult> {
    throwIfAborted("The query", options?.signal);
    return this.#run("The query", () =>
      this.#session.execute(text, values, returnsRows, prepare, this.#inTransaction),
    );
  }

  async *stream(
    { text }: EngineStatement,
    values: readonly unknown[],
    options?: CallOptions,
  ): AsyncGenerator<readonly (readonly unknown[])[]> {
    const iteration = this.#run("The stream", () => this.#session.iterate(text, values));
    // However the stream ends, its iteration must: an open one keeps the only handle from all other work.
    try {
      for (;;) {
        throwIfAborted("The stream", options?.signal);
        const { rows, done } = this.#run("The stream", () => nextChunk(iteration));
        if (rows.length > 0) yield rows;
        if (done) return;
      }
    } finally {
      iteration.return?.();
    }
  }

  async write(group: GroupWrite): Promise<WriteResult> {
    return toWriteResult(
      group,
      this.#run(`The ${group.kind} in ${group.collection}`, () =>
        this.#session.write(group, this.#inTransaction),
      ),
    );
  }

  async getMany(
    collection: string,
    ids: readonly string[],
    options?: CallOptions,
  ): Promise<readonly StoredDocument[]> {
    throwIfAborted("The read", options?.signal);
    return this.#run("The read", () => this.#session.getMany(collection, ids));
  }

  async lookUpToken(group: GroupWrite): Promise<WriteResult | undefined> {
    const found = this.#run("Looking up a batch", () => this.#session.lookUpToken(group.token!));
    return found === undefined ? undefined : toWriteResult(group, found);
  }

  async pruneTokens(maxAgeMs: number): Promise<void> {
    this.#run("Forgetting old batches", () => this.#session.pruneTokens(Date.now() - maxAgeMs));
  }

  async begin(_isolation: IsolationLevel | undefined, readOnly: boolean): Promise<void> {
    this.#run("Beginning a transaction", () => this.#session.begin(!readOnly));
    this.#inTransaction = true;
  }

  async commit(): Promise<void> {
    this.#run("Committing a transaction", () => this.#session.commit());
    this.#inTransaction = false;
  }

  async rollback(): Promise<void> {
    this.#inTransaction = false;
    this.#run("Rolling back a transaction", () => this.#session.rollback());
  }

  async ping(): Promise<boolean> {
    return true;
  }

  async close(): Promise<void> {}

  #run<T>(what: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw sqliteError(what, failureOf(error), error);
    }
  }
}
