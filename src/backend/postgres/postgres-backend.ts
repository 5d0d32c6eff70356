import { abortedError } from "../../base/abort.ts";
import { type EngineStatement, unprepared } from "../../base/engine-statement.ts";
import { FormDBError } from "../../base/errors.ts";
import { configError } from "../../base/options.ts";
import type { Dialect } from "../../dialect/dialect.ts";
import { moveTokensTo, SHARD_COUNT, TOKENS_APART_FROM, tokenBeside } from "../../dialect/postgres/citus.ts";
import { DDL_LOCK_KEY } from "../../dialect/postgres/ddl.ts";
import { shardOf } from "../../dialect/postgres/hash-text.ts";
import { dialectOf } from "../../dialect/postgres/postgres-dialect.ts";
import { type EngineProfile, PROFILES } from "../../dialect/postgres/profiles.ts";
import type {
  Backend,
  BatchLimits,
  Connection,
  ConnectionRole,
  IsolationLevel,
  PoolSizing,
} from "../backend.ts";
import { BatchTexts } from "./batch-texts.ts";
import type { TargetSessionAttrs } from "./connection-url.ts";
import { DeadPeerWatch } from "./dead-peer-watch.ts";
import { probeEngine } from "./engine-probe.ts";
import { control } from "./own-statements.ts";
import { PostgresConnection } from "./postgres-connection.ts";
import {
  type PostgresOptions,
  type PostgresSettings,
  postgresSettings,
  type ReadsFrom,
} from "./postgres-options.ts";
import type { SharedState } from "./postgres-session.ts";
import { ReplicationState } from "./replication.ts";
import { applySettings, type OpenSession, SessionOpener } from "./session-opener.ts";
import { translateError } from "./translate-error.ts";

export type { PostgresConnection } from "./postgres-connection.ts";
export type { PostgresOptions } from "./postgres-options.ts";

const MIN_CONNECTIONS = 2;
const MAX_CONNECTIONS = 10;
/**
 * After a failover the new primary must be found soon. While connecting fails, a process has one attempt under way at a time,
 * which asks each host once: two to four of these a second are no storm.
 */
const CONNECT_BACKOFF_MAX_MS = 500;

/** The backend for PostgreSQL and the engines that speak its protocol. Throws `FORMDB_CONFIG`. */
export function postgresBackend(url: string, options: PostgresOptions = {}): PostgresBackend {
  return new PostgresBackend(postgresSettings(url, options));
}

/** PostgreSQL, or an engine that speaks its protocol. Opens connections; a pool keeps them. */
export class PostgresBackend implements Backend {
  readonly separateWriter: boolean;
  readonly gathersReads = true;
  readonly refusesWrites = false;
  readonly #settings: PostgresSettings;
  readonly #opener: SessionOpener;
  #engine: EngineProfile;
  #version = "";
  /** How many parts documents are spread over; 0 where they are not. */
  #shards = 0;
  #pooled: boolean;
  #dialect: Dialect;
  #shared: SharedState;

  constructor(settings: PostgresSettings) {
    this.#settings = settings;
    this.#opener = new SessionOpener(settings);
    this.separateWriter = settings.reads !== "primary";
    this.#engine = Object.freeze({
      ...PROFILES[settings.profile ?? "postgres"],
      ...settings.profileOverrides,
    });
    this.#pooled = settings.pgbouncer === true;
    this.#dialect = dialectOf(this.#engine);
    this.#shared = this.#share();
  }

  get profile(): string {
    return this.#engine.name;
  }

  /** What the engine can do; known for certain after `start`. */
  get engine(): EngineProfile {
    return this.#engine;
  }

  /** What the server says of itself; empty before `start`. */
  get version(): string {
    return this.#version;
  }

  get safeUrl(): string {
    return this.#settings.url.safeUrl;
  }

  /** How the engine that was found is spoken to. Known after `start`. */
  get dialect(): Dialect {
    return this.#dialect;
  }

  get idKind(): "uuidv7" | "uuidv4" {
    return this.#engine.idKind;
  }

  get transactionalDdl(): boolean {
    return this.#engine.transactionalDdl;
  }

  get strictestIsolation(): IsolationLevel {
    return this.#engine.isolationLevels.at(-1)!;
  }

  get commitTokens(): boolean {
    return this.#engine.commitTokens;
  }

  get batchLimits(): BatchLimits {
    const { maxBatchRows, maxBatchBytes, groupsAtOnce } = this.#engine;
    return { maxRows: maxBatchRows, maxBytes: maxBatchBytes, groupsAtOnce };
  }

  get shardOf(): ((id: string) => number) | undefined {
    return this.#shards > 1 ? (id) => shardOf(id, this.#shards) : undefined;
  }

  get makeToken(): ((id: string, prefix: string) => string) | undefined {
    return this.#shards > 1 ? (id, prefix) => tokenBeside(id, prefix, this.#shards) : undefined;
  }

  /** Whether PgBouncer or the like is between, as was said or found out. */
  get pooled(): boolean {
    return this.#pooled;
  }

  /** Which servers answer reads. */
  get reads(): ReadsFrom {
    return this.#settings.reads;
  }

  async start(signal: AbortSignal): Promise<void> {
    const session = await this.#opener.open(this.#target("write"), "", signal);
    await this.#during(session, signal, async () => {
      const { profile, version, pooled } = await probeEngine(session, this.#settings);
      this.#engine = profile;
      this.#version = version;
      this.#pooled = pooled;
      this.#dialect = dialectOf(profile);
      this.#shared = this.#share();
      await this.#applySettings(session);
      const connection = new PostgresConnection(session, this.#shared);
      if (!connection.standby) await this.#bootstrap(connection);
      if (profile.distributes) await this.#distribute(connection);
      await connection.close();
    });
  }

  /** Opens a connection for a role, to the host that fits it. */
  async connect(role: ConnectionRole, signal: AbortSignal): Promise<PostgresConnection> {
    // What a session is told is not told to the others that a pooler gives instead.
    const options = this.#pooled ? "" : this.#engine.sessionOptions;
    const session = await this.#opener.open(this.#target(role), options, signal);
    if (session.unset.size > 0) await this.#during(session, signal, () => this.#applySettings(session));
    return new PostgresConnection(session, this.#shared);
  }

  /** How many connections a pool has if its user says nothing. */
  sizing(_role: ConnectionRole): PoolSizing {
    return {
      minConnections: MIN_CONNECTIONS,
      maxConnections: MAX_CONNECTIONS,
      maxLifetimeMs: this.#engine.maxLifetimeMs,
      connectBackoffMaxMs: CONNECT_BACKOFF_MAX_MS,
    };
  }

  isFatal(error: unknown): boolean {
    return error instanceof FormDBError && error.fatal === true;
  }

  invalidatesPool(error: unknown): boolean {
    return error instanceof FormDBError && error.failover === true;
  }

  /** Nothing is kept open beside the connections. */
  async stop(): Promise<void> {}

  /** The first work on a new session: ends with it, at the signal at the latest, and fails as connecting does. */
  async #during(
    { client, host }: OpenSession,
    signal: AbortSignal,
    work: () => Promise<void>,
  ): Promise<void> {
    const onAbort = (): void => client.connection.stream.destroy(new Error("aborted"));
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await work();
    } catch (error) {
      client.connection.stream.destroy();
      throw signal.aborted ? abortedError("Connecting to PostgreSQL", signal) : startError(error, host.name);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  async #applySettings(session: OpenSession): Promise<void> {
    if (this.#pooled && session.unset.size > 0) {
      const names = [...session.unset.keys()].join(", ");
      throw configError(
        `The URL must not ask for settings of the session (${names}) with a pooler that gives each transaction ` +
          "another session; set them for the role",
        "options",
      );
    }
    await applySettings(session);
  }

  /** Learns how documents are spread, and brings the tokens of an older FormDB to them. Who may not do that goes on without. */
  async #distribute(connection: Connection): Promise<void> {
    const ask = async (text: string): Promise<unknown> =>
      (await connection.execute(once(text), [])).rows[0]?.[0];
    try {
      if ((await ask(TOKENS_APART_FROM)) !== undefined) {
        await connection.begin(undefined);
        await ask(`SELECT pg_advisory_xact_lock(${DDL_LOCK_KEY})`);
        // Another process may have done it while this one waited.
        const collection = await ask(TOKENS_APART_FROM);
        if (typeof collection === "string") await ask(moveTokensTo(collection));
        await connection.commit();
      }
    } catch (error) {
      if (!connection.usable) throw error;
      await connection.rollback();
    }
    this.#shards = Number(await ask(SHARD_COUNT));
  }

  /** FormDB's own tables. Looking first spares roles that may not make any, where somebody else did. */
  async #bootstrap(connection: Connection): Promise<void> {
    const looked = await connection.execute(
      once(
        "SELECT to_regclass('formdb_indexes') IS NOT NULL AND to_regclass('formdb_batches') IS NOT NULL" +
          (this.#engine.functions ? " AND to_regproc('formdb_merge_patch') IS NOT NULL" : ""),
      ),
      [],
    );
    if (looked.rows[0]?.[0] === true) return;
    const { transactionalDdl } = this.#engine;
    if (transactionalDdl) await connection.begin(undefined);
    for (const text of this.#dialect.ddl.bootstrap) await connection.execute(control(text), []);
    if (transactionalDdl) await connection.commit();
  }

  #share(): SharedState {
    return {
      settings: this.#settings,
      batchTexts: new BatchTexts(this.#engine),
      replication: new ReplicationState(
        this.#settings.reads === "replica-if-fresh" && this.#engine.logPositions,
      ),
      watch: new DeadPeerWatch(this.#settings.silenceMs, this.#settings.clock),
      keepsStatements: !this.#pooled,
    };
  }

  #target(role: ConnectionRole): TargetSessionAttrs {
    return role === "read" && this.#settings.reads !== "primary" ? "prefer-standby" : this.#settings.target;
  }
}

function once(text: string): EngineStatement {
  return unprepared(text, { cost: "bounded", returnsRows: true });
}

/**
 * Why a first contact failed. What it may have changed, FormDB's own tables, does not hinder another try, so that a lost
 * connection leaves nothing unknown.
 */
function startError(error: unknown, where: string): FormDBError {
  const translated = translateError(error, where, "read");
  if (translated.code !== "FORMDB_CONNECTION_LOST") return translated;
  return new FormDBError("FORMDB_CONNECT_FAILED", `Could not connect: ${translated.message}`, {
    cause: error,
    retryable: true,
    details: { hosts: [where], sqlstate: translated.sqlstate },
  });
}
