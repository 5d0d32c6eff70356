import type { CallOptions } from "../../base/abort.ts";
import type { EngineStatement } from "../../base/engine-statement.ts";
import { FormDBError } from "../../base/errors.ts";
import { type IndexPath, indexPathText } from "../../base/subject.ts";
import { NOT_COMMITTED } from "../../dialect/postgres/batch.ts";
import { physicalIndexName } from "../../dialect/postgres/names.ts";
import type {
  CommitOptions,
  Connection,
  EngineResult,
  GroupWrite,
  IsolationLevel,
  StatementCall,
  StoredDocument,
  StoredText,
  WriteResult,
} from "../backend.ts";
import { nameOfWrite, type RefusingIndex, uniqueViolation } from "../unique-violation.ts";
import { encodeValues } from "./column-decoders.ts";
import type { Reply } from "./exchange.ts";
import { GroupWriter } from "./group-writer.ts";
import { control, statementOf } from "./own-statements.ts";
import { PostgresSession, type SharedState } from "./postgres-session.ts";
import { lsnValue } from "./replication.ts";
import type { OpenSession } from "./session-opener.ts";
import type { Flight } from "./translate-error.ts";

/**
 * How long a transaction that reads from one snapshot waits for another's row. If that one commits, as nearly all do,
 * the wait ends in a serialization failure anyway; and two that wait for each other learn it in a second only.
 */
const SNAPSHOT_LOCK_TIMEOUT_MS = 100;

const EMPTY_VALUES: readonly unknown[] = Object.freeze([]);

/** A connection to a server that speaks PostgreSQL's protocol. */
export class PostgresConnection implements Connection {
  readonly #session: PostgresSession;
  readonly #shared: SharedState;
  readonly #groups: GroupWriter;
  /** The server that it leads to, as `host:port`. */
  readonly host: string;
  /** Whether that server follows another one. */
  readonly standby: boolean;
  /** Whether its server shows every write that this process was told is committed; left out where it need not be asked. */
  readonly isFresh: ((options?: CallOptions) => Promise<boolean>) | undefined;
  #replayed = 0n;
  /** Calls that wrote since the transaction began, or may have. */
  #writes = 0;

  constructor(session: OpenSession, shared: SharedState) {
    this.#session = new PostgresSession(session, shared);
    this.#shared = shared;
    this.#groups = new GroupWriter(this, shared.batchTexts);
    this.host = session.host.name;
    this.standby = session.standby;
    this.isFresh =
      this.standby && shared.replication.tracked ? (options) => this.#showsOurWrites(options) : undefined;
  }

  get usable(): boolean {
    return this.#session.usable;
  }

  /** Whether a transaction is open. */
  get inTransaction(): boolean {
    return this.#session.inTransaction;
  }

  /** Whether a call is under way. */
  get busy(): boolean {
    return this.#session.busy;
  }

  /** How many statements it keeps prepared. */
  get preparedStatements(): number {
    return this.#session.preparedStatements;
  }

  /** Whether it prepared this statement. */
  hasPrepared(name: string): boolean {
    return this.#session.hasPrepared(name);
  }

  get onLost(): ((error: Error) => void) | undefined {
    return this.#session.onLost;
  }

  set onLost(listener: ((error: Error) => void) | undefined) {
    this.#session.onLost = listener;
  }

  /** Runs one statement, prepared if it may be. */
  async execute(
    statement: EngineStatement,
    values: readonly unknown[] = EMPTY_VALUES,
    options: CallOptions = {},
  ): Promise<EngineResult> {
    const writes = !statement.returnsRows || statement.writes === true;
    if (writes) this.#writes++;
    const flight = this.#flight(writes);
    // What can't be encoded must not fail half-way through a message.
    const sent = statement.raw === true ? encodeValues(values) : values;
    const reply = await this.#session.run(statement, sent, options, flight);
    if (flight === "autocommit") await this.#noteWrite();
    return reply;
  }

  /** Runs several reads in one round trip. */
  executeTogether(calls: readonly StatementCall[]): Promise<readonly PromiseSettledResult<EngineResult>[]> {
    return this.#session.runTogether(calls);
  }

  stream(
    statement: EngineStatement,
    values: readonly unknown[] = EMPTY_VALUES,
    options: CallOptions = {},
  ): AsyncGenerator<readonly (readonly unknown[])[], void, undefined> {
    return this.#session.stream(statement, values, options);
  }

  async write(group: GroupWrite, options: CallOptions = {}): Promise<WriteResult> {
    this.#writes++;
    const flight = this.#flight(true);
    let result: WriteResult;
    try {
      result = await this.#groups.write(group, options);
    } catch (error) {
      throw await this.#named(error, group);
    }
    if (flight === "autocommit") await this.#noteWrite();
    return result;
  }

  /** The error of a single document that a unique index has refused, with all that a user wants to know of it. */
  async #named(error: unknown, { kind, collection, ids }: GroupWrite): Promise<unknown> {
    const id = ids[0];
    if (!(error instanceof FormDBError) || error.sqlstate !== "23505" || error.code !== "FORMDB_CONSTRAINT") {
      return error;
    }
    if (id === undefined || ids.length > 1) return error;
    const { sqlstate, outcome } = error;
    const index = await this.#indexNamed(collection, String(error.constraint));
    return uniqueViolation(nameOfWrite(kind, collection, id), index, { sqlstate, outcome, id });
  }

  /** What is known of an index by its name; its paths are not while a failed transaction is open. */
  async #indexNamed(collection: string, name: string): Promise<RefusingIndex> {
    const unknown = { collection, name, paths: [] };
    if (this.inTransaction || !this.usable) return unknown;
    try {
      const { rows } = await this.#session.run(INDEXES_OF, [collection], {}, "read");
      for (const [known, paths] of rows as (readonly [string, string])[]) {
        if (known !== name && physicalIndexName(collection, known) !== name) continue;
        const texts = (JSON.parse(paths) as IndexPath[]).map(indexPathText);
        return { collection, name: known, paths: texts };
      }
    } catch {
      // The refusal is what its caller must hear of, with less in it.
    }
    return unknown;
  }

  /** Runs one statement of a group's write. */
  async runWrite(
    statement: EngineStatement,
    values: readonly unknown[],
    options: CallOptions = {},
  ): Promise<EngineResult> {
    return await this.#session.run(statement, values, options, this.#flight(true));
  }

  /** Runs a statement and a `COPY` in a transaction of their own, as `PostgresSession.copy`. */
  async runCopy(
    first: StatementCall,
    text: string,
    rowsOf: (row: readonly unknown[]) => readonly Buffer[],
  ): Promise<void> {
    await this.#session.copy(first, text, rowsOf);
  }

  async getMany(
    collection: string,
    ids: readonly string[],
    options: CallOptions = {},
  ): Promise<readonly StoredDocument[]> {
    const { batchTexts } = this.#shared;
    const statement = ids.length === 1 ? batchTexts.getOne(collection) : batchTexts.getMany(collection);
    const rows = await this.#rowsOf(statement, ids, options);
    return rows.map((row) => ({
      id: row[0] as string,
      json: row[1] as string,
      updatedAt: row[2] as number,
      version: Number(row[3]),
    }));
  }

  async getTexts(
    collection: string,
    ids: readonly string[],
    options: CallOptions = {},
  ): Promise<readonly StoredText[]> {
    const { batchTexts } = this.#shared;
    const statement = ids.length === 1 ? batchTexts.getText(collection) : batchTexts.getTexts(collection);
    const rows = await this.#rowsOf(statement, ids, options);
    return rows.map((row) => ({ id: row[0] as string, json: row[1] as string }));
  }

  async #rowsOf(
    statement: EngineStatement,
    ids: readonly string[],
    options: CallOptions,
  ): Promise<EngineResult["rows"]> {
    const values = [ids.length === 1 ? ids[0] : JSON.stringify(ids)];
    return (await this.#session.run(statement, values, options, this.#flight(false))).rows;
  }

  async lookUpToken(group: GroupWrite): Promise<WriteResult | undefined> {
    // What is prepared on a node holds the look-up until Citus finishes it, up to a minute later, or a role that may do so.
    if (this.#shared.batchTexts.profile.distributes) await this.#session.finishCommits();
    const result = await this.#groups.lookUp(group);
    if (result !== undefined) await this.#noteWrite();
    return result;
  }

  async wasCommitted(token: string, options: CallOptions = {}): Promise<boolean> {
    const { lookUpToken } = this.#shared.batchTexts;
    const { rows } = await this.#session.run(lookUpToken, [token], options, "autocommit");
    const was = rows[0]![0] !== NOT_COMMITTED;
    if (was) await this.#noteWrite();
    return was;
  }

  async pruneTokens(maxAgeMs: number): Promise<void> {
    // Who takes no writes has none to forget. Its refusal would count as that of a server that another has replaced.
    const { rows } = await this.#session.run(READ_ONLY, EMPTY_VALUES, {}, "read");
    if (rows[0]![0] === "on") return;
    await this.#session.run(
      this.#shared.batchTexts.pruneTokens,
      [Math.round(maxAgeMs)],
      {},
      this.#flight(true),
    );
  }

  /** Begins a transaction. */
  async begin(isolation: IsolationLevel | undefined, options: CallOptions = {}): Promise<void> {
    const { name, isolationLevels, lockTimeouts } = this.#shared.batchTexts.profile;
    if (isolation !== undefined && !isolationLevels.includes(isolation)) {
      throw new FormDBError(
        "FORMDB_UNSUPPORTED",
        `A transaction on ${name} must be ${isolationLevels.join(" or ")}, not ${isolation}`,
      );
    }
    this.#writes = 0;
    const level = isolation === undefined ? "" : ` ISOLATION LEVEL ${isolation.toUpperCase()}`;
    const mayWait = !lockTimeouts || isolation === undefined || isolation === "read committed";
    const waits = mayWait ? "" : `; SET LOCAL lock_timeout = ${SNAPSHOT_LOCK_TIMEOUT_MS}`;
    const begun = await this.#beginBy(`BEGIN${level}${waits}`, options);
    // pgpool-II makes a plain BEGIN of a serializable one and drops what follows it. This it hands on.
    if (waits === "" || begun.command === "SET") return;
    const { rows } = await this.#beginBy(
      `SET TRANSACTION${level}${waits}; SHOW transaction_isolation`,
      options,
    );
    if (rows[0]?.[0] === isolation) return;
    await this.rollback();
    throw new FormDBError(
      "FORMDB_UNSUPPORTED",
      `A transaction at ${this.host} can't be ${isolation}: it is ${String(rows[0]?.[0])}, which a pooler between must have made of it`,
      { details: { outcome: "rejected" } },
    );
  }

  /** Of several statements the first may have begun the transaction: the connection is the next caller's, and not inside it. */
  async #beginBy(text: string, options: CallOptions): Promise<Reply> {
    try {
      return await this.#control(text, options);
    } catch (error) {
      if (this.usable && this.inTransaction) await this.rollback().catch(() => this.close());
      throw error;
    }
  }

  #control(text: string, options: CallOptions): Promise<Reply> {
    return this.#session.run(control(text), EMPTY_VALUES, options, "in-transaction");
  }

  async commit({ token, ...options }: CommitOptions = {}): Promise<void> {
    const { command } = await this.#session.commit(this.#lastCall(token), options);
    if (command === "ROLLBACK") {
      throw new FormDBError(
        "FORMDB_ENGINE",
        "The transaction was not committed but rolled back, because a statement of it had failed",
        { details: { outcome: "rejected" } },
      );
    }
    await this.#noteWrite();
  }

  /** What a transaction still needs before its COMMIT. */
  #lastCall(token: string | undefined): StatementCall | undefined {
    const { storeToken, inTwoPhases } = this.#shared.batchTexts;
    if (token !== undefined) return { statement: storeToken, values: [token, null] };
    if (inTwoPhases === undefined || this.#writes < 2) return undefined;
    return { statement: inTwoPhases, values: EMPTY_VALUES };
  }

  /** Undoes the open transaction. */
  async rollback(): Promise<void> {
    if (!this.usable) return; // The server rolled back by itself.
    // A server that no longer answers must not keep the caller: closing the connection rolls back too.
    const options = { timeoutMs: this.#shared.settings.cancelTimeoutMs };
    await this.#control("ROLLBACK", options);
  }

  async ping(): Promise<boolean> {
    if (!this.usable) return false;
    if (this.#session.busy) return true;
    try {
      await this.#session.run(
        PING,
        EMPTY_VALUES,
        { timeoutMs: this.#shared.settings.cancelTimeoutMs },
        "read",
      );
      return true;
    } catch {
      return false;
    }
  }

  /** Where the primary's log stands now: all that this connection committed is before it. */
  async lsn(): Promise<string> {
    // A server that no longer answers must not keep the caller of a write that it has committed.
    const options = { timeoutMs: this.#shared.settings.cancelTimeoutMs };
    const { rows } = await this.#session.run(CURRENT_LSN, EMPTY_VALUES, options, "read");
    return rows[0]![0] as string;
  }

  /** Whether this server shows all that was before that place of the log. A primary always does. */
  async caughtUp(lsn: string, options: CallOptions = {}): Promise<boolean> {
    if (!this.standby) return true;
    const wanted = lsnValue(lsn);
    if (this.#replayed >= wanted) return true;
    const { rows } = await this.#session.run(REPLAYED_LSN, EMPTY_VALUES, options, "read");
    this.#replayed = lsnValue((rows[0]![0] as string | null) ?? "0/0");
    return this.#replayed >= wanted;
  }

  /** Of what is committed meanwhile too: a read that begins after that may join the one that asks. */
  async #showsOurWrites(options: CallOptions | undefined): Promise<boolean> {
    const { replication } = this.#shared;
    for (;;) {
      const { lastWrite } = replication;
      if (lastWrite === undefined) return true;
      if (!(await this.caughtUp(lastWrite, options))) return false;
      if (lastWrite === replication.lastWrite) return true;
    }
  }

  async close(): Promise<void> {
    await this.#session.close();
  }

  #flight(writes: boolean): Flight {
    if (this.inTransaction) return "in-transaction";
    return writes ? "autocommit" : "read";
  }

  /** Remembers how far the log went with a write, where reads from replicas wait for that. */
  async #noteWrite(): Promise<void> {
    const { replication } = this.#shared;
    if (!replication.tracked || this.standby || this.inTransaction) return;
    const { losses } = replication;
    try {
      replication.wrote(await this.lsn(), losses);
    } catch {
      // The write is committed and is reported so.
      replication.lost();
    }
  }
}

const INDEXES_OF: EngineStatement = statementOf(
  "SELECT name, paths FROM formdb_indexes WHERE collection = $1 AND is_unique",
);
const PING: EngineStatement = control("SELECT 1");
const READ_ONLY: EngineStatement = statementOf("SELECT current_setting('transaction_read_only', true)");
const CURRENT_LSN: EngineStatement = statementOf("SELECT pg_current_wal_insert_lsn()::text");
const REPLAYED_LSN: EngineStatement = statementOf("SELECT pg_last_wal_replay_lsn()::text");
