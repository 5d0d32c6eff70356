import type { CallOptions } from "../base/abort.ts";
import type { EngineStatement } from "../base/engine-statement.ts";
import type { FormDBError } from "../base/errors.ts";
import type { WriteKind } from "../base/observer.ts";
import type { Dialect } from "../dialect/dialect.ts";

/** What a statement gave: rows as arrays in the order of its columns, and how many it read or wrote. */
export interface EngineResult {
  readonly rows: readonly (readonly unknown[])[];
  readonly rowCount: number;
  /** The columns' names, of a statement that is `raw`. */
  readonly columns?: readonly string[] | undefined;
}

/** Changes of single documents, all of one form. */
export interface FormedChanges {
  /** What is run for all of them, or for each: as the dialect's `changeGroup` says. */
  readonly statement: EngineStatement;
  /** Of each change. */
  readonly values: readonly (readonly unknown[])[];
  /** Of a group of one change, where a statement is for all: what makes that change by itself, at less cost. */
  readonly alone?: { readonly statement: EngineStatement; readonly values: readonly unknown[] } | undefined;
}

/** A statement and the values for its placeholders. */
export interface StatementCall {
  readonly statement: EngineStatement;
  readonly values: readonly unknown[];
}

/** A group of writes of one kind to one collection; ids are distinct, but for those of changes, and sorted by code point. */
export interface GroupWrite {
  readonly kind: WriteKind;
  readonly collection: string;
  readonly ids: readonly string[];
  /** JSON texts of the documents or merge patches, aligned with `ids`; empty for deletes. */
  readonly json: readonly string[];
  /** Of updates that are changes and no merge patches; aligned with `ids`, and `json` is empty then. */
  readonly changes?: FormedChanges | undefined;
  /** Stored with the applied ids in the same transaction, so that an unknown commit can be looked up. */
  readonly token: string | undefined;
}

/** What a group of writes did beyond what was asked of it; both lists are empty where all went well. */
export interface WriteResult {
  /** Ids that an insert found taken, or that an update or a delete did not find. */
  readonly missing: readonly string[];
  /** Operations that the engine refused one by one, where it can tell them apart. The others are applied. */
  readonly rejected: readonly { readonly id: string; readonly error: FormDBError }[];
  /** Of changes, aligned with them: the lists above are empty then. */
  readonly changes?: readonly ChangeResult[] | undefined;
}

/** How a change ended; undefined where there was no document. */
export type ChangeResult =
  | undefined
  | {
      /** The document's version after it. */
      readonly version: number;
      /** The JSON text of the document, where that could not be changed. */
      readonly unchanged?: string | undefined;
    }
  /** The engine refused it alone. */
  | { readonly error: FormDBError };

/** A document's JSON text as its engine keeps it. */
export interface StoredText {
  readonly id: string;
  readonly json: string;
}

/** A document as its engine keeps it. */
export interface StoredDocument extends StoredText {
  /** Milliseconds since 1970. */
  readonly updatedAt: number;
  /** Counts from 1 with each change of the document. */
  readonly version: number;
}

/** Short reads that are answered on the caller's thread, before the call returns. They throw a `FormDBError`. */
export interface ImmediateReads {
  /** `at` is the caller's clock, in milliseconds. */
  execute(statement: EngineStatement, values: readonly unknown[], at: number): EngineResult;
  /** Notes that a statement took this long. */
  took(statement: EngineStatement, ms: number): void;
  /** The JSON text of the document of an id. */
  get(collection: string, id: string): string | undefined;
}

/** How a transaction is committed. */
export interface CommitOptions extends CallOptions {
  /** By which it can be looked up. */
  readonly token?: string | undefined;
}

/**
 * One connection to an engine. One call at a time; what a call throws is a `FormDBError`. After an error
 * for which `isFatal` holds it is of no more use.
 */
export interface Connection {
  /** False once the connection was lost or closed. */
  readonly usable: boolean;
  /** Whether a transaction is open. */
  readonly inTransaction: boolean;
  /** Whether a call is under way, beside which there can be no other; left out where calls wait for one another. */
  readonly busy?: boolean;
  execute(
    statement: EngineStatement,
    values: readonly unknown[],
    options?: CallOptions,
  ): Promise<EngineResult>;
  /**
   * Runs several reads, each to an end of its own, in one round trip if the way to the server allows it. Left out where there
   * is no round trip.
   */
  executeTogether?(calls: readonly StatementCall[]): Promise<readonly PromiseSettledResult<EngineResult>[]>;
  /**
   * Whether other calls may be made while a stream is open. The stream's rows stay those of its beginning, and the
   * stream outlives the connection. Left out if a stream takes the connection for itself.
   */
  readonly streamsBetweenCalls?: boolean;
  /** The rows in chunks, in constant memory. Ending the iteration early frees the connection. */
  stream(
    statement: EngineStatement,
    values: readonly unknown[],
    options?: CallOptions,
  ): AsyncIterable<readonly (readonly unknown[])[]>;
  /**
   * Applies a group of one kind in one statement or transaction. Outside a transaction it commits, and
   * an error whose `outcome` field is `unknown` says that nobody can tell whether it did.
   */
  write(group: GroupWrite, options?: CallOptions): Promise<WriteResult>;
  /** Where the backend has `isShort`, on connections for reading outside a transaction. */
  readonly immediate?: ImmediateReads | undefined;
  /** The documents of the ids that exist, in no order. */
  getMany(
    collection: string,
    ids: readonly string[],
    options?: CallOptions,
  ): Promise<readonly StoredDocument[]>;
  /** The same without what few ask for. Left out where that costs next to nothing. */
  getTexts?(
    collection: string,
    ids: readonly string[],
    options?: CallOptions,
  ): Promise<readonly StoredText[]>;
  /** What the group with this token did, if it was committed; else undefined. */
  lookUpToken(group: GroupWrite): Promise<WriteResult | undefined>;
  /** Whether the transaction with this token was committed. If it was not it can't be any more. Beside `commitTokens`. */
  wasCommitted?(token: string, options?: CallOptions): Promise<boolean>;
  /** Forgets tokens older than this. */
  pruneTokens(maxAgeMs: number): Promise<void>;
  begin(isolation: IsolationLevel | undefined, options?: CallOptions): Promise<void>;
  /**
   * Where a signal cuts it short, the error's `outcome` says that nobody can tell. A `token` is stored as a part of the
   * transaction, where the backend has `commitTokens`.
   */
  commit(options?: CommitOptions): Promise<void>;
  rollback(): Promise<void>;
  /** Cheap proof that the other side still answers. */
  ping(): Promise<boolean>;
  /** Whether it shows every write that this process was told is committed. Left out where it always does. */
  readonly isFresh?: ((options?: CallOptions) => Promise<boolean>) | undefined;
  /** Whether the statement of this name is prepared here; left out where preparing costs no trip to a server. */
  hasPrepared?(name: string): boolean;
  /** Never throws. */
  close(): Promise<void>;
  /** Called once when the connection is lost while nobody uses it. */
  onLost: ((error: Error) => void) | undefined;
}

export type IsolationLevel = "read committed" | "repeatable read" | "serializable";

/** What a connection is used for. A backend may give the same kind for both. */
export type ConnectionRole = "read" | "write";

/** How many connections a role should have where the user says nothing. */
export interface PoolSizing {
  readonly minConnections: number;
  readonly maxConnections: number;
  readonly maxLifetimeMs: number;
  /** The longest pause between two attempts to connect; the pool's own default where it is left out. */
  readonly connectBackoffMaxMs?: number;
}

/** How large groups of writes may be, and how many are under way at once where the user says nothing. */
export interface BatchLimits {
  readonly maxRows: number;
  readonly maxBytes: number;
  readonly groupsAtOnce: number;
}

/** How far a backup has come. */
export interface BackupProgress {
  readonly copiedBytes: number;
  readonly totalBytes: number;
}

/** How a backup is made. */
export interface BackupOptions extends CallOptions {
  /** Whether a file that is there is replaced, once the backup is whole. Default false: it is refused. */
  readonly overwrite?: boolean | undefined;
  /** Called as the backup goes on. What it throws is ignored. */
  readonly onProgress?: ((progress: BackupProgress) => unknown) | undefined;
}

/** A backup that is whole and on the disk. */
export interface BackupResult {
  /** Its absolute path, without links. */
  readonly file: string;
  readonly bytes: number;
}

/** A database engine behind FormDB: what the engine layer needs of it and nothing more. */
export interface Backend {
  /** The name of the engine profile: `sqlite`, `postgres`, `citus` and so on. */
  readonly profile: string;
  /** The URL without its password. */
  readonly safeUrl: string;
  readonly dialect: Dialect;
  /** True where many reads by id are better sent as one (a server behind a network). */
  readonly gathersReads: boolean;
  /**
   * Whether a statement is a read that takes less time than to hand it over to another thread, as far as is known:
   * `immediate` answers it. A call that `isBounded` has a signal or a time. Left out where all answers come from a server.
   */
  isShort?(statement: EngineStatement, isBounded: boolean): boolean;
  /** The ids to make for documents without one: ordered by time, or random where order makes a hot spot. */
  readonly idKind: "uuidv7" | "uuidv4";
  /** True where reads and writes must not share connections (SQLite has one writer). */
  readonly separateWriter: boolean;
  /**
   * Whether a connection for reading refuses, before it runs it, a statement that writes (its error says
   * `needsWriter`), so that any statement may be tried there first.
   */
  readonly refusesWrites: boolean;
  /** Whether changes of the schema can be part of a transaction. */
  readonly transactionalDdl: boolean;
  /** The strictest level that a transaction can ask for; undefined where there is only one. Known after `start`. */
  readonly strictestIsolation?: IsolationLevel | undefined;
  /**
   * Whether a transaction stores a token when it commits, by which a commit whose answer was lost can be looked up. Left out
   * where an answer is lost only with the disk or the thread. Known after `start`.
   */
  readonly commitTokens?: boolean | undefined;
  /** What an engine behind a network wants of groups of writes. Known after `start`. */
  readonly batchLimits?: BatchLimits;
  /**
   * A number for the part of a distributed engine that keeps a document: groups whose documents have the same one
   * are written faster. Left out where there are no such parts.
   */
  readonly shardOf?: ((id: string) => number) | undefined;
  /** Makes a token, with this prefix, that is kept in the same part as the id. Beside `shardOf`. */
  readonly makeToken?: ((id: string, prefix: string) => string) | undefined;
  /** Opens a first connection, learns what the engine is, makes FormDB's own tables if it may. */
  start(signal: AbortSignal): Promise<void>;
  connect(role: ConnectionRole, signal: AbortSignal): Promise<Connection>;
  sizing(role: ConnectionRole): PoolSizing;
  /** Whether a connection is of no use after this error. */
  isFatal(error: unknown): boolean;
  /**
   * Copies the database as it is now to a new file, while it is used. If the engine has one connection for all, the caller
   * holds it. Left out if a server owns the files.
   */
  backup?(file: string, options: BackupOptions): Promise<BackupResult>;
  /** Whether this error says that every open connection should be replaced (failover). */
  invalidatesPool(error: unknown): boolean;
  stop(): Promise<void>;
}
