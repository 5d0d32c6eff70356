import { type CallOptions, throwIfAborted } from "../../base/abort.ts";
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
import type { BatchTexts } from "./batch-texts.ts";
import { CallGuard, isBounded } from "./call-guard.ts";
import { Exchange, type Reply } from "./exchange.ts";
import { GroupWriter } from "./group-writer.ts";
import type { PostgresSettings } from "./postgres-options.ts";
import { PreparedStatements } from "./prepared-statements.ts";
import { lsnValue, type ReplicationState } from "./replication.ts";
import { RowStream } from "./row-stream.ts";
import type { OpenSession } from "./session-opener.ts";
import { statementOf } from "./statement-name.ts";
import { type Flight, isStalePlan, lostError, translateError } from "./translate-error.ts";

/** What all connections of a backend share. */
export interface SharedState {
  readonly settings: PostgresSettings;
  readonly batchTexts: BatchTexts;
  readonly replication: ReplicationState;
  /** Whether statements may be kept prepared: not behind a PgBouncer that hands sessions around. */
  keepsStatements: boolean;
}

const EMPTY_VALUES: readonly unknown[] = Object.freeze([]);
const LAST_WISH_MS = 1_000;

/** A connection to a server that speaks PostgreSQL's protocol. */
export class PostgresConnection implements Connection {
  readonly #client: OpenSession["client"];
  readonly #shared: SharedState;
  readonly #where: string;
  readonly #standby: boolean;
  readonly #prepared: PreparedStatements;
  readonly #groups: GroupWriter;
  #state: "idle" | "busy" | "closed" | "lost" = "idle";
  #lostBy: Error | undefined;
  #readOnlyTransaction = false;
  #replayed = 0n;
  onLost: ((error: Error) => void) | undefined;

  constructor(session: OpenSession, shared: SharedState) {
    this.#client = session.client;
    this.#shared = shared;
    this.#where = session.host.name;
    this.#standby = session.standby;
    this.#prepared = new PreparedStatements(shared.settings.statementCacheSize);
    this.#groups = new GroupWriter(this, shared.batchTexts);
    session.client.on("error", (error) => this.#lose(error));
    session.client.on("end", () => this.#lose(new Error("the server closed the connection")));
  }

  get usable(): boolean {
    return this.#state === "idle" || this.#state === "busy";
  }

  /** The server that it leads to, as `host:port`. */
  get host(): string {
    return this.#where;
  }

  /** Whether that server follows another one. */
  get standby(): boolean {
    return this.#standby;
  }

  /** How many statements it keeps prepared. */
  get preparedStatements(): number {
    return this.#prepared.size;
  }

  /** Whether it prepared this statement. */
  hasPrepared(name: string): boolean {
    return this.#prepared.has(name);
  }

  get inTransaction(): boolean {
    const status = this.#client.getTransactionStatus();
    return status === "T" || status === "E";
  }

  async execute(
    statement: EngineStatement,
    values: readonly unknown[] = EMPTY_VALUES,
    options: CallOptions = {},
  ): Promise<EngineResult> {
    const flight = this.#flight(!statement.returnsRows);
    const reply = await this.#run(statement, values, options, flight);
    if (flight === "autocommit") await this.#noteWrite();
    return reply;
  }

  async *stream(
    statement: EngineStatement,
    values: readonly unknown[] = EMPTY_VALUES,
    options: CallOptions = {},
  ): AsyncGenerator<readonly (readonly unknown[])[], void, undefined> {
    this.#take(options);
    const stream = new RowStream(statement.text, values);
    const guard = new CallGuard(this.#client, this.#shared.settings, options, statement);
    try {
      this.#client.query(stream);
      for (;;) {
        const chunk = await stream.next();
        if (chunk === undefined) return;
        yield chunk;
        guard.check();
      }
    } catch (error) {
      throw guard.reason ?? this.#translate(error, "read");
    } finally {
      if (this.usable) await stream.end();
      await guard.end();
      this.#give();
    }
  }

  async write(group: GroupWrite): Promise<WriteResult> {
    const flight = this.#flight(true);
    const result = await this.#groups.write(group);
    if (flight === "autocommit") await this.#noteWrite();
    return result;
  }

  /** Runs one statement of a group's write. */
  async runWrite(statement: EngineStatement, values: readonly unknown[]): Promise<EngineResult> {
    return await this.#run(statement, values, {}, this.#flight(true));
  }

  async getMany(
    collection: string,
    ids: readonly string[],
    options: CallOptions = {},
  ): Promise<readonly StoredDocument[]> {
    const { batchTexts } = this.#shared;
    const one = ids.length === 1;
    const statement = one ? batchTexts.getOne(collection) : batchTexts.getMany(collection);
    const values = [one ? ids[0] : JSON.stringify(ids)];
    const { rows } = await this.#run(statement, values, options, this.#flight(false));
    return rows.map((row) => ({
      id: row[0] as string,
      json: row[1] as string,
      updatedAt: row[2] as number,
    }));
  }

  async lookUpToken(group: GroupWrite): Promise<WriteResult | undefined> {
    return await this.#groups.lookUp(group);
  }

  async pruneTokens(maxAgeMs: number): Promise<void> {
    await this.#run(this.#shared.batchTexts.pruneTokens, [Math.round(maxAgeMs)], {}, this.#flight(true));
  }

  async begin(isolation: IsolationLevel | undefined, readOnly: boolean): Promise<void> {
    const { name, isolationLevels } = this.#shared.batchTexts.profile;
    if (isolation !== undefined && !isolationLevels.includes(isolation)) {
      throw new FormDBError(
        "FORMDB_UNSUPPORTED",
        `A transaction on ${name} must be ${isolationLevels.join(" or ")}, not ${isolation}`,
      );
    }
    const level = isolation === undefined ? "" : ` ISOLATION LEVEL ${isolation.toUpperCase()}`;
    await this.#run(simple(`BEGIN${level}${readOnly ? " READ ONLY" : ""}`), EMPTY_VALUES, {}, "read");
    this.#readOnlyTransaction = readOnly;
  }

  async commit(): Promise<void> {
    const { command } = await this.#run(simple("COMMIT"), EMPTY_VALUES, {}, "commit");
    const readOnly = this.#readOnlyTransaction;
    this.#readOnlyTransaction = false;
    if (command === "ROLLBACK") {
      throw new FormDBError(
        "FORMDB_ENGINE",
        "The transaction was not committed but rolled back, because a statement of it had failed",
        { details: { outcome: "rejected" } },
      );
    }
    if (!readOnly) await this.#noteWrite();
  }

  async rollback(): Promise<void> {
    this.#readOnlyTransaction = false;
    if (!this.usable) return; // The server rolled back by itself.
    await this.#run(simple("ROLLBACK"), EMPTY_VALUES, {}, "read");
  }

  async ping(): Promise<boolean> {
    if (!this.usable) return false;
    if (this.#state === "busy") return true;
    try {
      await this.#run(PING, EMPTY_VALUES, { timeoutMs: this.#shared.settings.cancelTimeoutMs }, "read");
      return true;
    } catch {
      return false;
    }
  }

  /** Where the primary's log stands now: all that this connection committed is before it. */
  async lsn(): Promise<string> {
    const { rows } = await this.#run(CURRENT_LSN, EMPTY_VALUES, {}, "read");
    return rows[0]![0] as string;
  }

  /** Whether this server shows all that was before that place of the log. A primary always does. */
  async caughtUp(lsn: string): Promise<boolean> {
    if (!this.#standby) return true;
    const wanted = lsnValue(lsn);
    if (this.#replayed >= wanted) return true;
    const { rows } = await this.#run(REPLAYED_LSN, EMPTY_VALUES, {}, "read");
    this.#replayed = lsnValue((rows[0]![0] as string | null) ?? "0/0");
    return this.#replayed >= wanted;
  }

  /** Whether this server shows every write that this process was told is committed. */
  async isFresh(): Promise<boolean> {
    const { lastWrite } = this.#shared.replication;
    return lastWrite === undefined || (await this.caughtUp(lastWrite));
  }

  async close(): Promise<void> {
    if (this.#state === "closed") return;
    const wasBusy = this.#state === "busy";
    const wasLost = this.#state === "lost";
    this.#state = "closed";
    this.onLost = undefined;
    if (wasLost || wasBusy) {
      this.#client.connection.stream.destroy();
      return;
    }
    const { clock } = this.#shared.settings;
    const timer = clock.schedule(() => this.#client.connection.stream.destroy(), LAST_WISH_MS, {
      keepAlive: false,
    });
    await this.#client.end().catch(() => {});
    timer.cancel();
  }

  async #run(
    statement: EngineStatement,
    values: readonly unknown[],
    options: CallOptions,
    flight: Flight,
  ): Promise<Reply> {
    this.#take(options);
    try {
      try {
        return await this.#exchange(statement, values, options);
      } catch (error) {
        if (!isStalePlan(error) || !statement.prepare) throw error;
        if (this.inTransaction) throw this.#staleInTransaction(error);
        this.#forget(statement.name, (error as { code: string }).code);
        return await this.#exchange(statement, values, options);
      }
    } catch (error) {
      throw this.#translate(error, flight);
    } finally {
      this.#give();
    }
  }

  async #exchange(
    statement: EngineStatement,
    values: readonly unknown[],
    options: CallOptions,
  ): Promise<Reply> {
    const { prepare, text, name } = statement;
    const keep = prepare && this.#shared.keepsStatements && this.#shared.settings.statementCacheSize > 0;
    const known = keep ? this.#prepared.use(name) : undefined;
    const exchange = new Exchange({
      text,
      values: !prepare && values.length === 0 ? undefined : values,
      name: keep ? name : "",
      parse: known === undefined,
      decoders: known?.decoders,
      close: this.#prepared.takeClosed(),
    });
    const guard = isBounded(options)
      ? new CallGuard(this.#client, this.#shared.settings, options, statement)
      : undefined;
    try {
      this.#client.query(exchange);
      const reply = await exchange.reply;
      if (keep) (known ?? this.#prepared.add(name)).decoders = reply.decoders;
      return reply;
    } catch (error) {
      if (keep && known === undefined) this.#prepared.uncertain(name);
      throw guard?.reasonFor(error) ?? error;
    } finally {
      await guard?.end();
    }
  }

  /** A statement that the server does not have any more, or that no longer fits, is prepared anew. */
  #forget(name: string, sqlstate: string): void {
    if (sqlstate === "0A000") {
      this.#prepared.forget(name);
      return;
    }
    // Someone between us and the server hands sessions around: nothing can be kept on one.
    this.#prepared.lost(name);
    this.#shared.keepsStatements = false;
  }

  #staleInTransaction(cause: unknown): FormDBError {
    return new FormDBError(
      "FORMDB_STALE_PLAN",
      "A prepared statement no longer fits its tables, and a transaction that is open can't prepare it again; " +
        "run the transaction again",
      {
        cause,
        retryable: true,
        details: { sqlstate: (cause as { code?: string }).code, outcome: "rejected" },
      },
    );
  }

  #translate(error: unknown, flight: Flight): FormDBError {
    if (error instanceof FormDBError) return error;
    const translated = translateError(error, this.#where, flight, this.#shared.batchTexts.profile.retryCodes);
    if (translated.code === "FORMDB_STALE_PLAN") return translated;
    if (translated.sqlstate === "25006" && this.#readOnlyTransaction) {
      return new FormDBError("FORMDB_UNSUPPORTED", "A transaction that is read-only takes no writes", {
        cause: error,
        details: { sqlstate: "25006", outcome: "rejected" },
      });
    }
    if (translated.fatal === true) this.#lose(translated);
    return translated;
  }

  #flight(writes: boolean): Flight {
    if (this.inTransaction) return "in-transaction";
    return writes ? "autocommit" : "read";
  }

  /** Remembers how far the log went with a write, where reads from replicas wait for that. */
  async #noteWrite(): Promise<void> {
    const { replication } = this.#shared;
    if (!replication.tracked || this.#standby || this.inTransaction) return;
    try {
      replication.wrote(await this.lsn());
    } catch {
      // The write is committed and is reported so. The connection was lost meanwhile, and with it the place.
    }
  }

  #take(options: CallOptions): void {
    if (this.#state === "busy") {
      throw new FormDBError("FORMDB_ENGINE", "A connection runs one call at a time, and this one is busy");
    }
    if (this.#state !== "idle") {
      throw lostError(this.#lostBy ?? new Error("it is closed"), this.#where, "in-transaction");
    }
    throwIfAborted("A statement", options.signal);
    this.#state = "busy";
  }

  #give(): void {
    if (this.#state === "busy") this.#state = "idle";
  }

  #lose(error: Error): void {
    if (!this.usable) return;
    const wasIdle = this.#state === "idle";
    this.#state = "lost";
    this.#lostBy = error;
    this.#client.connection.stream.destroy();
    if (wasIdle) this.onLost?.(translateError(error, this.#where, "read"));
  }
}

function simple(text: string): EngineStatement {
  return { text, name: "", prepare: false, cost: "bounded", returnsRows: false };
}

const PING: EngineStatement = simple("SELECT 1");
const CURRENT_LSN: EngineStatement = statementOf("SELECT pg_current_wal_insert_lsn()::text");
const REPLAYED_LSN: EngineStatement = statementOf("SELECT pg_last_wal_replay_lsn()::text");
