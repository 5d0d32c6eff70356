import { type CallOptions, isBounded, throwIfAborted } from "../../base/abort.ts";
import type { EngineStatement } from "../../base/engine-statement.ts";
import { type FailureOutcome, FormDBError } from "../../base/errors.ts";
import { FINISH_COMMITS } from "../../dialect/postgres/citus.ts";
import type { StatementCall } from "../backend.ts";
import type { BatchTexts } from "./batch-texts.ts";
import { CallGuard } from "./call-guard.ts";
import { CopyIn } from "./copy-in.ts";
import type { DeadPeerWatch, WatchedSession } from "./dead-peer-watch.ts";
import { Exchange, type Reply, UnreadableRow } from "./exchange.ts";
import { control } from "./own-statements.ts";
import type { PostgresSettings } from "./postgres-options.ts";
import { type PreparedStatement, PreparedStatements } from "./prepared-statements.ts";
import type { ReplicationState } from "./replication.ts";
import { RowStream } from "./row-stream.ts";
import type { OpenSession } from "./session-opener.ts";
import {
  commitUnheard,
  type Flight,
  isCommitUnheard,
  isStalePlan,
  lostError,
  refusedByNode,
  translateError,
  unreadable,
  type Warning,
} from "./translate-error.ts";

/** What all connections of a backend share. */
export interface SharedState {
  readonly settings: PostgresSettings;
  readonly batchTexts: BatchTexts;
  readonly replication: ReplicationState;
  readonly watch: DeadPeerWatch;
  /** Whether statements may be kept prepared: not behind a PgBouncer that hands sessions around. */
  keepsStatements: boolean;
}

/** A statement on its way, and what is known of it. */
interface Call {
  readonly exchange: Exchange;
  readonly name: string;
  readonly raw: boolean;
  readonly keep: boolean;
  readonly known: PreparedStatement | undefined;
}

const COMMIT: StatementCall = Object.freeze<StatementCall>({
  statement: control("COMMIT"),
  values: Object.freeze([]),
});

const FINISH = control(FINISH_COMMITS);
/** In a user's own SQL, wherever the word is. One too many only costs that statements are prepared once more. */
const DROPS_PREPARED = /\b(?:deallocate|discard)\b/i;
const LAST_WISH_MS = 1_000;
const MAX_WARNINGS = 20;

/**
 * A server's session: runs one statement at a time, keeps statements prepared, and knows whether it is still of use.
 * Whatever it throws is a `FormDBError`.
 */
export class PostgresSession implements WatchedSession {
  readonly #client: OpenSession["client"];
  readonly #shared: SharedState;
  readonly #where: string;
  readonly #prepared: PreparedStatements;
  #state: "idle" | "busy" | "closed" | "lost" = "idle";
  #lostBy: Error | undefined;
  #progress = 0;
  /** What the server has warned of during the call. */
  #warnings: Warning[] = [];
  readonly address: string | undefined;
  readonly port: number;
  /** Called once when it is lost while nobody uses it. */
  onLost: ((error: Error) => void) | undefined;

  constructor(session: OpenSession, shared: SharedState) {
    this.#client = session.client;
    this.#shared = shared;
    this.#where = session.host.name;
    this.#prepared = new PreparedStatements(shared.settings.statementCacheSize);
    this.address = session.client.connection.stream.remoteAddress;
    this.port = session.client.port;
    shared.watch.add(this);
    if (!shared.settings.keepAlive) session.client.connection.stream.unref();
    session.client.on("error", (error) => this.#lose(error));
    session.client.on("notice", (warning) => {
      if (this.#warnings.length < MAX_WARNINGS) this.#warnings.push(warning);
    });
    session.client.on("end", () => this.#lose(new Error("the server closed the connection")));
  }

  get usable(): boolean {
    return this.#state === "idle" || this.#state === "busy";
  }

  get busy(): boolean {
    return this.#state === "busy";
  }

  get inTransaction(): boolean {
    const status = this.#client.getTransactionStatus();
    return status === "T" || status === "E";
  }

  get progress(): number | undefined {
    return this.#state === "busy" ? this.#progress : undefined;
  }

  /** Ends the connection, and with it the call that waits, by `error`. */
  giveUp(error: Error): void {
    this.#client.connection.stream.destroy(error);
  }

  /** How many statements it keeps prepared. */
  get preparedStatements(): number {
    return this.#prepared.size;
  }

  hasPrepared(name: string): boolean {
    return this.#prepared.has(name);
  }

  /** Runs a statement to its end. One that no longer fits its tables is prepared again, once. */
  async run(
    statement: EngineStatement,
    values: readonly unknown[],
    options: CallOptions,
    flight: Flight,
  ): Promise<Reply> {
    this.#take(options);
    try {
      let reply: Reply;
      try {
        reply = await this.#exchange(statement, values, options, flight);
      } catch (error) {
        if (!this.#wasStale(statement, error)) throw error;
        if (this.inTransaction) throw this.#staleInTransaction(error);
        reply = await this.#exchange(statement, values, options, flight);
      }
      if (statement.raw === true && DROPS_PREPARED.test(statement.text)) this.#prepared.clear();
      if (flight !== "in-transaction") this.#mustBeOver("rejected");
      if (this.#warnings.length > 0) await this.#finishCommit();
      return reply;
    } catch (error) {
      throw this.#translate(error, flight);
    } finally {
      this.#give();
    }
  }

  /**
   * Runs several reads, each to an end of its own. All are sent before the first is answered, unless a pooler is between, which
   * might give them different sessions.
   */
  async runTogether(calls: readonly StatementCall[]): Promise<readonly PromiseSettledResult<Reply>[]> {
    this.#take({});
    const isInside = this.inTransaction;
    try {
      const sent = this.#shared.keepsStatements ? this.#sendTogether(calls) : undefined;
      const ends = sent && (await Promise.allSettled(sent));
      const results: PromiseSettledResult<Reply>[] = [];
      for (let i = 0; i < calls.length; i++) {
        const { statement, values } = calls[i]!;
        let end = ends?.[i];
        if (end === undefined || (end.status === "rejected" && this.#wasStale(statement, end.reason))) {
          [end] = await Promise.allSettled([this.#exchange(statement, values, {})]);
        }
        const { status } = end;
        results.push(status === "rejected" ? { status, reason: this.#translate(end.reason, "read") } : end);
      }
      if (!isInside) this.#mustBeOver("rejected");
      return results;
    } finally {
      this.#give();
    }
  }

  /** Commits the open transaction; `last` is its last statement, sent in the same round trip unless a pooler is between. */
  async commit(last: StatementCall | undefined, options: CallOptions): Promise<Reply> {
    const sent = last === undefined ? [COMMIT] : [last, COMMIT];
    this.#take(options);
    const guard = new CallGuard(this.#client, this.#shared.settings, options, COMMIT.statement);
    let flight: Flight = sent.length > 1 && !this.#shared.keepsStatements ? "in-transaction" : "commit";
    try {
      if (flight === "in-transaction") {
        await this.#exchange(last!.statement, last!.values, {});
        flight = "commit";
        guard.check();
        const reply = await this.#exchange(COMMIT.statement, COMMIT.values, {});
        this.#mustBeOver("unknown");
        await this.#finishCommit();
        return reply;
      }
      const ends = await Promise.allSettled(this.#sendTogether(sent));
      const committed = ends.at(-1)!;
      if (committed.status === "rejected") throw committed.reason;
      this.#mustBeOver("unknown");
      await this.#finishCommit();
      if (ends[0]!.status === "fulfilled") return committed.value;
      // The server has answered COMMIT, and has rolled back.
      flight = "in-transaction";
      const { reason } = ends[0]!;
      throw this.#wasStale(last!.statement, reason) ? this.#staleInTransaction(reason) : reason;
    } catch (error) {
      throw guard.reasonFor(error, flight) ?? this.#translate(error, flight);
    } finally {
      await guard.end();
      this.#give();
    }
  }

  /**
   * A transaction of a statement that gives a row and of a `COPY` of the rows that are made of that. If it fails it may be
   * open still.
   */
  async copy(
    { statement, values }: StatementCall,
    text: string,
    rowsOf: (row: readonly unknown[]) => readonly Buffer[],
  ): Promise<void> {
    this.#take({});
    const keep = this.#keepsStatements;
    const parse = !keep || this.#prepared.use(statement.name) === undefined;
    const name = keep ? statement.name : "";
    const copy = new CopyIn({ text: statement.text, values, name, parse }, text, rowsOf);
    try {
      this.#client.query(copy);
      await copy.done;
      this.#mustBeOver("rejected");
      if (!(await this.#finishCommit())) throw commitUnheard(this.#where);
      if (keep && parse) this.#prepared.add(name);
    } catch (error) {
      if (keep && parse) this.#prepared.uncertain(name);
      if (this.#wasStale(statement, error)) throw this.#staleInTransaction(error);
      throw this.#translate(error, copy.isCommitting ? "commit" : "in-transaction");
    } finally {
      this.#give();
    }
  }

  /** A statement's rows in chunks. */
  async *stream(
    statement: EngineStatement,
    values: readonly unknown[],
    options: CallOptions,
  ): AsyncGenerator<readonly (readonly unknown[])[], void, undefined> {
    this.#take(options);
    const stream = new RowStream(statement.text, values);
    const isWorking = (): boolean => stream.isWorking;
    const guard = new CallGuard(this.#client, this.#shared.settings, options, statement, isWorking);
    try {
      this.#client.query(stream);
      for (;;) {
        const chunk = await stream.next();
        this.#progress++;
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

  async close(): Promise<void> {
    if (this.#state === "closed") return;
    const wasBusy = this.#state === "busy";
    const wasLost = this.#state === "lost";
    this.#state = "closed";
    this.#shared.watch.delete(this);
    this.onLost = undefined;
    if (wasLost || wasBusy) {
      this.#client.connection.stream.destroy();
      return;
    }
    const { clock } = this.#shared.settings;
    this.#client.connection.stream.ref();
    const timer = clock.schedule(() => this.#client.connection.stream.destroy(), LAST_WISH_MS, {
      keepAlive: false,
    });
    await this.#client.end().catch(() => {});
    timer.cancel();
  }

  #exchange(
    statement: EngineStatement,
    values: readonly unknown[],
    options: CallOptions,
    flight: Flight = "read",
  ): Promise<Reply> {
    const call = this.#prepare(statement, values);
    if (isBounded(options)) return this.#bounded(call, statement, options, flight);
    this.#client.query(call.exchange);
    return this.#end(call);
  }

  async #bounded(
    call: Call,
    statement: EngineStatement,
    options: CallOptions,
    flight: Flight,
  ): Promise<Reply> {
    const guard = new CallGuard(this.#client, this.#shared.settings, options, statement);
    try {
      this.#client.query(call.exchange);
      return await this.#end(call);
    } catch (error) {
      throw guard.reasonFor(error, flight) ?? error;
    } finally {
      await guard.end();
    }
  }

  /** Writes all calls at once; the client hears of each when the one before it is answered. */
  #sendTogether(calls: readonly StatementCall[]): readonly Promise<Reply>[] {
    const client = this.#client;
    const { stream } = client.connection;
    const parsed = new Set<string>();
    const sent = calls.map(({ statement, values }) => this.#prepare(statement, values, parsed));
    stream.cork();
    for (const { exchange } of sent) exchange.write(client.connection);
    stream.uncork();
    // One closure for all: of a new one for each call, V8 kept the answers of most trips until its next full collection.
    let next = 0;
    const expectNext = (): void => {
      if (next === sent.length) return;
      const { exchange } = sent[next]!;
      next++;
      exchange.onEnd = ended;
      client.query(exchange);
    };
    const ended = (error: unknown): void => {
      this.#progress++;
      // With the connection, what was not answered is lost.
      if (error !== undefined && stream.destroyed)
        for (const rest of sent.slice(next)) rest.exchange.fail(error);
      else expectNext();
    };
    expectNext();
    return sent.map((call) => this.#end(call));
  }

  get #keepsStatements(): boolean {
    return this.#shared.keepsStatements && this.#shared.settings.statementCacheSize > 0;
  }

  /** A statement's exchange. It is kept prepared, except where `parsed` has it: that one is sent and not yet answered. */
  #prepare(
    { prepare, text, name, raw = false }: EngineStatement,
    values: readonly unknown[],
    parsed?: Set<string>,
  ): Call {
    let keep = prepare && this.#keepsStatements;
    const known = keep ? this.#prepared.use(name) : undefined;
    if (keep && known === undefined && parsed !== undefined) {
      keep = !parsed.has(name);
      parsed.add(name);
    }
    const exchange = new Exchange({
      text,
      values: !prepare && !raw && values.length === 0 ? undefined : values,
      name: keep ? name : "",
      parse: known === undefined,
      decoders: known?.decoders,
      raw,
      close: this.#prepared.takeClosed(),
    });
    return { exchange, name, raw, keep, known };
  }

  async #end({ exchange, name, raw, keep, known }: Call): Promise<Reply> {
    try {
      const reply = await exchange.reply;
      if (!keep) return reply;
      const kept = known ?? this.#prepared.add(name);
      kept.decoders = reply.decoders;
      if (!raw) return reply;
      kept.columns = reply.columns ?? kept.columns;
      return { ...reply, columns: kept.columns };
    } catch (error) {
      if (keep && known === undefined) this.#prepared.uncertain(name);
      throw error;
    }
  }

  /** Whether a prepared statement failed because the server does not have it any more, or it no longer fits: it is then forgotten. */
  #wasStale({ prepare, name }: EngineStatement, error: unknown): boolean {
    if (!prepare || !isStalePlan(error)) return false;
    if ((error as { code: string }).code === "0A000") {
      this.#prepared.forget(name);
    } else {
      // Someone between us and the server hands sessions around: nothing can be kept on one.
      this.#prepared.lost(name);
      this.#shared.keepsStatements = false;
    }
    return true;
  }

  /**
   * Ends the connection if a transaction is open after what was no part of one. A pooler may have begun it around a statement and
   * left it open, as pgpool-II does in raw mode: all that is written from then on would be undone at its end.
   */
  #mustBeOver(outcome: FailureOutcome): void {
    if (!this.inTransaction) return;
    const error = new FormDBError(
      "FORMDB_UNSUPPORTED",
      `A transaction is open at ${this.#where} that FormDB has not begun, or could not end, so that nothing is committed. ` +
        "A pooler between must begin none (pgpool-II: not in raw mode)",
      { details: { outcome, fatal: true } },
    );
    this.#lose(error);
    throw error;
  }

  /** Finishes what nodes of Citus have prepared, as far as that can be done now. */
  async finishCommits(): Promise<void> {
    await this.run(FINISH, [], this.#finishBounds, "read").catch(() => {});
  }

  /** It asks all nodes, and waits long for one that does not answer. */
  get #finishBounds(): CallOptions {
    return { timeoutMs: this.#shared.settings.cancelTimeoutMs };
  }

  /**
   * Before a commit is reported: what a node of Citus has prepared only would be seen up to a minute later, and an update or delete
   * of it meanwhile would find nothing. False where that is so all the same: who may not finish it, or does not reach the node,
   * leaves it to Citus.
   */
  async #finishCommit(): Promise<boolean> {
    if (!this.#warnings.some(isCommitUnheard)) return true;
    this.#warnings = [];
    try {
      await this.#exchange(FINISH, [], this.#finishBounds);
      return this.#warnings.length === 0;
    } catch {
      return false;
    }
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
    if (error instanceof UnreadableRow) return unreadable(error, flight);
    const told = refusedByNode(error, this.#warnings);
    const translated = translateError(told, this.#where, flight, this.#shared.batchTexts.profile.retryCodes);
    if (translated.code === "FORMDB_STALE_PLAN") return translated;
    if (translated.fatal === true) this.#lose(translated);
    return translated;
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
    this.#progress++;
    if (this.#warnings.length > 0) this.#warnings = [];
    if (!this.#shared.settings.keepAlive) this.#client.connection.stream.ref();
  }

  #give(): void {
    if (this.#state === "busy") this.#state = "idle";
    if (!this.#shared.settings.keepAlive) this.#client.connection.stream.unref();
  }

  #lose(error: Error): void {
    if (!this.usable) return;
    const wasIdle = this.#state === "idle";
    this.#state = "lost";
    this.#lostBy = error;
    this.#shared.watch.delete(this);
    this.#client.connection.stream.destroy();
    if (wasIdle) this.onLost?.(translateError(error, this.#where, "nothing"));
  }
}
