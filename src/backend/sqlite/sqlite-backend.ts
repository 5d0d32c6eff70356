import type { EngineStatement } from "../../base/engine-statement.ts";
import { FormDBError } from "../../base/errors.ts";
import { boolean, checkOptions, integer, oneOf } from "../../base/options.ts";
import { sqliteDialect } from "../../dialect/sqlite/sqlite-dialect.ts";
import type {
  Backend,
  BackupOptions,
  BackupResult,
  Connection,
  ConnectionRole,
  PoolSizing,
} from "../backend.ts";
import { Backups, copyOnWorker, endedError } from "./backup.ts";
import type { DatabaseSettings, Durability } from "./database-settings.ts";
import { failureOf, sqliteError } from "./errors.ts";
import type { FileIdentity } from "./file-identity.ts";
import { LocalClient } from "./local-client.ts";
import { SqliteSession } from "./session.ts";
import { SqliteConnection } from "./sqlite-connection.ts";
import { parseSqliteUrl } from "./sqlite-url.ts";
import { ThreadChoice } from "./thread-choice.ts";
import { WorkerClient } from "./worker-client.ts";

/** How a SQLite database is opened. */
export interface SqliteOptions {
  /** `full` (the default): acknowledged writes outlive a power cut. `normal`: they outlive the process. */
  readonly durability?: Durability | undefined;
  /** Milliseconds to wait for another process's lock. Default 5 000. */
  readonly busyTimeoutMs?: number | undefined;
  /** Whether the file must be there; by default it is made. */
  readonly mustExist?: boolean | undefined;
}

/** SQLite behind FormDB: one writer and several readers on a file in WAL mode, or one handle in memory. */
export function sqliteBackend(url: string, options: SqliteOptions = {}): Backend {
  checkOptions("The SQLite backend", options, {
    durability: oneOf("full", "normal"),
    busyTimeoutMs: integer(0, 2 ** 31 - 1),
    mustExist: boolean,
  });
  const location = parseSqliteUrl(url, options.mustExist);
  const settings: DatabaseSettings = {
    file: location.file,
    readOnly: location.readOnly,
    durability: options.durability ?? "full",
    busyTimeoutMs: options.busyTimeoutMs ?? 5_000,
  };
  return location.memory ? new MemoryBackend(settings) : new FileBackend(settings);
}

abstract class SqliteBackend implements Backend {
  readonly profile: string = "sqlite";
  readonly dialect: Backend["dialect"] = sqliteDialect;
  readonly gathersReads: boolean = false;
  readonly idKind: Backend["idKind"] = "uuidv7";
  readonly transactionalDdl: boolean = true;
  readonly refusesWrites: boolean = true;
  abstract readonly separateWriter: boolean;
  protected readonly settings: DatabaseSettings;
  protected readonly backups: Backups = new Backups();

  constructor(settings: DatabaseSettings) {
    this.settings = settings;
  }

  get safeUrl(): string {
    return `sqlite:${this.settings.file}`;
  }

  abstract start(signal: AbortSignal): Promise<void>;
  abstract connect(role: ConnectionRole, signal: AbortSignal): Promise<Connection>;
  abstract sizing(role: ConnectionRole): PoolSizing;
  abstract stop(): Promise<void>;
  abstract backup(file: string, options: BackupOptions): Promise<BackupResult>;

  abstract isShort(statement: EngineStatement, isBounded: boolean): boolean;

  isFatal(error: unknown): boolean {
    return (
      error instanceof FormDBError &&
      (error.code === "FORMDB_CONNECTION_LOST" ||
        error.code === "FORMDB_ABORTED" ||
        error.code === "FORMDB_TIMEOUT")
    );
  }

  invalidatesPool(): boolean {
    return false;
  }

  protected openSession(settings: DatabaseSettings): SqliteSession {
    try {
      return new SqliteSession(settings);
    } catch (error) {
      throw sqliteError(this.opening, failureOf(error), { cause: error });
    }
  }

  /** What opening is called in messages. */
  protected get opening(): string {
    return `Opening ${this.settings.file}`;
  }
}

class FileBackend extends SqliteBackend {
  readonly separateWriter: boolean = true;
  readonly #choice = new ThreadChoice();
  /** The client that the start has used; the first connection for writing takes it over. */
  #first: WorkerClient | undefined;
  #identity: FileIdentity | undefined;
  /** Whether its file or log was taken away: then a new handle would not see what the old ones have in theirs. */
  #fileReplaced = false;

  /** On a worker, since another process may hold the lock for as long as `busyTimeoutMs`. */
  async start(signal: AbortSignal): Promise<void> {
    const client = new WorkerClient(this.settings);
    try {
      const texts = this.settings.readOnly ? [] : sqliteDialect.ddl.bootstrap;
      this.#identity = await client.request(this.opening, { do: "bootstrap", texts }, { signal });
      this.#first = client;
    } catch (error) {
      await client.terminate();
      throw error;
    }
  }

  /** For further handles on the file that is open. */
  get #opened(): DatabaseSettings {
    return { ...this.settings, identity: this.#identity, isReplaced: this.#fileReplaced };
  }

  override isFatal(error: unknown): boolean {
    if (error instanceof FormDBError && error.fileReplaced === true) this.#fileReplaced = true;
    return super.isFatal(error);
  }

  async connect(role: ConnectionRole): Promise<Connection> {
    const settings = this.#opened;
    if (role === "write") {
      const client = this.#first ?? new WorkerClient(settings);
      this.#first = undefined;
      return new SqliteConnection(client, this.#choice);
    }
    const reading = { ...settings, readOnly: true };
    return new SqliteConnection(new WorkerClient(reading), this.#choice, this.openSession(reading));
  }

  isShort({ cost, returnsRows, prepare, name }: EngineStatement): boolean {
    return returnsRows && prepare && (cost === "point" || this.#choice.runsHere(name));
  }

  sizing(role: ConnectionRole): PoolSizing {
    return role === "write"
      ? { minConnections: 1, maxConnections: 1, maxLifetimeMs: Infinity }
      : { minConnections: 1, maxConnections: 4, maxLifetimeMs: Infinity };
  }

  backup(file: string, options: BackupOptions): Promise<BackupResult> {
    const settings = this.#opened;
    return this.backups.run(file, this.settings.file, copyOnWorker(settings), options);
  }

  async stop(): Promise<void> {
    this.backups.end();
    const client = this.#first;
    this.#first = undefined;
    await client?.close();
  }
}

class MemoryBackend extends SqliteBackend {
  readonly separateWriter: boolean = false;
  readonly #choice = new ThreadChoice();
  #session: SqliteSession | undefined;

  async start(): Promise<void> {
    this.#session = this.openSession(this.settings);
    this.#session.bootstrap(sqliteDialect.ddl.bootstrap);
  }

  /** A call that its signal or its time ended has ended between rows, and left the session as it was. */
  override isFatal(error: unknown): boolean {
    return error instanceof FormDBError && error.code === "FORMDB_CONNECTION_LOST";
  }

  async connect(): Promise<Connection> {
    if (this.#session === undefined) {
      throw new FormDBError("FORMDB_CONNECT_FAILED", "The database in memory is not open");
    }
    return new SqliteConnection(new LocalClient(this.#session), this.#choice, this.#session);
  }

  /** There is no other thread; but a call that can be ended between rows is, unless its statement has shown to be short. */
  isShort({ cost, returnsRows, prepare, name }: EngineStatement, isBounded: boolean): boolean {
    return returnsRows && prepare && (!isBounded || cost === "point" || this.#choice.runsHere(name));
  }

  sizing(): PoolSizing {
    return { minConnections: 1, maxConnections: 1, maxLifetimeMs: Infinity };
  }

  backup(file: string, options: BackupOptions): Promise<BackupResult> {
    return this.backups.run(
      file,
      undefined,
      (temporary, signal, onProgress) =>
        this.#session!.backup(temporary, (progress) => {
          if (signal.aborted) throw endedError();
          onProgress(progress);
        }),
      options,
    );
  }

  async stop(): Promise<void> {
    this.backups.end();
    this.#session?.close();
    this.#session = undefined;
  }
}
