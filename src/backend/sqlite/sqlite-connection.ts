import { type CallOptions, isBounded, remaining, throwIfAborted, timeoutError } from "../../base/abort.ts";
import type { EngineStatement } from "../../base/engine-statement.ts";
import type { FormDBError } from "../../base/errors.ts";
import { turnAfterShortCall, turnIfDue } from "../../base/loop-turn.ts";
import type {
  Connection,
  EngineResult,
  GroupWrite,
  IsolationLevel,
  StoredDocument,
  WriteResult,
} from "../backend.ts";
import { nameOfWrite } from "../unique-violation.ts";
import { type SqliteFailure, sqliteError } from "./errors.ts";
import { SqliteImmediateReads } from "./immediate-reads.ts";
import type { SqliteSession } from "./session.ts";
import type {
  ExecuteRequest,
  ExecuteResult,
  RequestKind,
  RequestOf,
  SessionClient,
  SessionResults,
  SessionWriteResult,
} from "./session-protocol.ts";
import type { ThreadChoice } from "./thread-choice.ts";

const NONE: CallOptions = {};

/** Documents read by their ids on the caller's thread in one call: about a quarter of a millisecond. */
export const MAX_GET_HERE = 50;

/**
 * A connection to a SQLite database, through the client of a session.
 *
 * A file's session is on a worker thread, so that neither a scan nor a commit's wait for the disk holds up the event
 * loop; connections for reading have a second session, `here`, on the caller's thread for reads that are short. The
 * session of a database in memory answers everything on the caller's thread.
 */
export class SqliteConnection implements Connection {
  readonly #client: SessionClient;
  readonly #choice: ThreadChoice;
  #here: SqliteSession | undefined;
  readonly #immediate: SqliteImmediateReads | undefined;
  #inTransaction = false;
  #closed = false;

  /** Takes `client` and `here` over; a client on the caller's thread has the same session, and keeps it. */
  constructor(client: SessionClient, choice: ThreadChoice, here?: SqliteSession) {
    this.#client = client;
    this.#choice = choice;
    this.#here = client.local ? undefined : here;
    this.#immediate = here && new SqliteImmediateReads(here, choice);
  }

  get immediate(): SqliteImmediateReads | undefined {
    return this.#inTransaction ? undefined : this.#immediate;
  }

  get inTransaction(): boolean {
    return this.#inTransaction;
  }

  get usable(): boolean {
    return !this.#closed && this.#client.usable;
  }

  get streamsBetweenCalls(): boolean {
    return this.#client.local;
  }

  get onLost(): ((error: Error) => void) | undefined {
    return this.#client.onLost;
  }

  set onLost(report: ((error: Error) => void) | undefined) {
    this.#client.onLost = report;
  }

  async execute(
    statement: EngineStatement,
    values: readonly unknown[],
    options: CallOptions = NONE,
  ): Promise<EngineResult> {
    throwIfAborted("The query", options.signal);
    const { text, returnsRows, writes, prepare, cost, name, raw = false } = statement;
    const inTransaction = this.#inTransaction;
    const request: ExecuteRequest = {
      do: "execute",
      text,
      values,
      returnsRows,
      writes,
      keep: prepare,
      raw,
      inTransaction,
    };
    const here = inTransaction ? undefined : this.#here;
    const learns = cost !== "point";
    if (here !== undefined && (!learns || this.#choice.runsHere(name))) {
      const start = learns ? performance.now() : 0;
      const usedMs = learns ? this.#choice.usedBefore(start) : undefined;
      const result = this.#run(here, () => here.execute(request));
      if (learns) this.#choice.ran(name, performance.now() - start, usedMs);
      const turn = learns ? turnIfDue() : turnAfterShortCall();
      if (turn !== undefined) await turn;
      return result.rest === undefined ? result : this.#withRest(result, (stream) => here.readStream(stream));
    }
    if (
      this.#client.local &&
      returnsRows &&
      prepare &&
      statement.writes !== true &&
      !raw &&
      isBounded(options)
    ) {
      return this.#inChunks(statement, values, options);
    }
    const what = text.startsWith("CREATE UNIQUE INDEX") ? "Making the index" : "The query";
    const asked = performance.now();
    const result = await this.#ask(what, request, options);
    if (learns) this.#choice.ran(name, result.ms);
    const fromThread = raw && !this.#client.local;
    const { rest } = result;
    if (rest === undefined) return fromThread ? withBuffers(result) : result;
    try {
      const whole = await this.#withRest(result, (stream) =>
        this.#ask("The query", { do: "readStream", stream }, remaining(options, performance.now() - asked)),
      );
      return fromThread ? withBuffers(whole) : whole;
    } catch (error) {
      if (this.#client.usable) await this.#ask("The query", { do: "closeStream", stream: rest }, NONE);
      throw error;
    }
  }

  async *stream(
    { text }: EngineStatement,
    values: readonly unknown[],
    options: CallOptions = NONE,
  ): AsyncGenerator<readonly (readonly unknown[])[]> {
    const stream = await this.#ask("The stream", { do: "openStream", text, values }, options);
    try {
      for (;;) {
        const { rows, done } = await this.#ask("The stream", { do: "readStream", stream }, options);
        if (rows.length > 0) yield rows;
        if (done) return;
      }
    } finally {
      if (this.#client.usable) await this.#ask("The stream", { do: "closeStream", stream }, NONE);
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
    const here = this.#inTransaction ? undefined : this.#here;
    if (here === undefined || ids.length > MAX_GET_HERE) {
      return this.#ask("The read", { do: "getMany", collection, ids }, options);
    }
    throwIfAborted("The read", options.signal);
    const found = this.#run(here, () => here.getMany(collection, ids));
    const turn = turnAfterShortCall();
    if (turn !== undefined) await turn;
    return found;
  }

  async lookUpToken(group: GroupWrite): Promise<WriteResult | undefined> {
    const found = await this.#ask("Looking up a batch", { do: "lookUpToken", token: group.token! }, NONE);
    return found === undefined ? undefined : toWriteResult(group, found);
  }

  async pruneTokens(maxAgeMs: number): Promise<void> {
    await this.#ask("Forgetting old batches", { do: "pruneTokens", before: Date.now() - maxAgeMs }, NONE);
  }

  /**
   * SQLite's transactions are serializable, which is as much as any isolation level asks for. It may have to wait for another
   * process.
   */
  async begin(_isolation: IsolationLevel | undefined, options: CallOptions = NONE): Promise<void> {
    // From now on: who gives the connection back meanwhile has it rolled back behind the beginning.
    this.#inTransaction = true;
    try {
      await this.#ask("Beginning a transaction", { do: "begin" }, options);
    } catch (error) {
      this.#inTransaction = false;
      throw error;
    }
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
    await this.#client.close();
  }

  #run<T>(here: SqliteSession, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw sqliteError("The query", here.failureOf(error), { cause: error });
    }
  }

  #ask<K extends RequestKind>(
    what: string,
    request: RequestOf<K>,
    options: CallOptions,
  ): Promise<SessionResults[K]> {
    return this.#client.request(what, request, options);
  }

  /** All rows of a long result. Each part is a message of its own, so that the event loop turns between them. */
  async #withRest(
    { rows, rowCount, columns, rest }: ExecuteResult,
    read: (stream: number) => SessionResults["readStream"] | Promise<SessionResults["readStream"]>,
  ): Promise<EngineResult> {
    for (let done = false; !done; ) {
      const chunk = await read(rest!);
      for (const row of chunk.rows) rows.push(row);
      done = chunk.done;
    }
    return { rows, rowCount, columns };
  }

  /** A read on the caller's thread that may be ended between rows. Row by row takes a quarter longer. */
  async #inChunks(
    statement: EngineStatement,
    values: readonly unknown[],
    options: CallOptions,
  ): Promise<EngineResult> {
    const { timeoutMs = Infinity } = options;
    const start = performance.now();
    const rows: (readonly unknown[])[] = [];
    for await (const chunk of this.stream(statement, values, options)) {
      for (const row of chunk) rows.push(row);
      if (performance.now() - start > timeoutMs) throw timeoutError("The query", timeoutMs);
    }
    return { rows, rowCount: rows.length };
  }
}

/** Bytes as the driver gives them: on their way between threads Buffers become plain arrays of bytes. */
function withBuffers(result: EngineResult): EngineResult {
  for (const row of result.rows as unknown[][]) {
    for (let i = 0; i < row.length; i++) {
      const value = row[i];
      if (value instanceof Uint8Array) row[i] = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    }
  }
  return result;
}

/** What a failed write of a group is called in messages. */
function describe({ kind, collection, ids }: GroupWrite): string {
  return `The ${kind} of ${ids.length} document${ids.length === 1 ? "" : "s"} in ${collection}`;
}

/** The result with each refused row's failure as an error. */
function toWriteResult(group: GroupWrite, { missing, rejected, changes }: SessionWriteResult): WriteResult {
  const toError = (id: string, failure: SqliteFailure): FormDBError =>
    sqliteError(nameOfWrite(group.kind, group.collection, id), failure, { writes: true, id });
  return {
    missing,
    rejected: rejected.map(({ id, failure }) => ({ id, error: toError(id, failure) })),
    changes: changes?.map((change, i) => {
      if (change === null) return undefined;
      return "failure" in change ? { error: toError(group.ids[i]!, change.failure) } : change;
    }),
  };
}
