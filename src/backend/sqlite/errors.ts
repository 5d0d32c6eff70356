import { type ErrorCode, FormDBError, messageOf } from "../../base/errors.ts";

/** The code of what a session throws when it is not, or still is, in a transaction against its caller's belief. */
export const WRONG_TRANSACTION_STATE = "FORMDB_WRONG_TRANSACTION_STATE";
/** The code for a file that can't be brought into WAL mode. */
export const NO_WAL = "FORMDB_NO_WAL";

/** How SQLite's result codes are told to users. The longest name that a code starts with wins. */
const CODES: readonly (readonly [prefix: string, code: ErrorCode])[] = [
  ["SQLITE_CONSTRAINT_PRIMARYKEY", "FORMDB_DUPLICATE_ID"],
  ["SQLITE_CONSTRAINT", "FORMDB_CONSTRAINT"],
  ["SQLITE_BUSY", "FORMDB_BUSY"],
  ["SQLITE_LOCKED", "FORMDB_BUSY"],
  ["SQLITE_FULL", "FORMDB_BUSY"],
  ["SQLITE_INTERRUPT", "FORMDB_ABORTED"],
  ["SQLITE_TOOBIG", "FORMDB_INVALID_DOCUMENT"],
  ["SQLITE_NOTADB", "FORMDB_CONNECT_FAILED"],
  ["SQLITE_CANTOPEN", "FORMDB_CONNECT_FAILED"],
  ["SQLITE_READONLY", "FORMDB_UNSUPPORTED"],
  // Fatal, so that the connection is thrown away.
  [WRONG_TRANSACTION_STATE, "FORMDB_CONNECTION_LOST"],
  [NO_WAL, "FORMDB_UNSUPPORTED"],
];

/** What better-sqlite3 throws, reduced to what crosses from a worker thread. */
export interface SqliteFailure {
  /** SQLite's own code, or ours where the session itself refused. */
  readonly sqliteCode: string | undefined;
  readonly message: string;
}

/** What a session itself refuses, as an error that crosses threads like SQLite's own. */
export function refusal(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/** Reduces an error to what can be sent between threads. */
export function failureOf(error: unknown): SqliteFailure {
  const code = (error as { code?: unknown } | null)?.code;
  return { sqliteCode: typeof code === "string" ? code : undefined, message: messageOf(error) };
}

/** The `FormDBError` for a failure in SQLite while doing `what`. */
export function sqliteError(what: string, failure: SqliteFailure, cause?: unknown): FormDBError {
  const { sqliteCode, message } = failure;
  // Refused before anything was done.
  const details = sqliteCode === WRONG_TRANSACTION_STATE ? { outcome: "rejected" } : { sqliteCode };
  const missing = /^no such table: (.+)$/.exec(message)?.[1];
  if (missing !== undefined) {
    return new FormDBError("FORMDB_UNKNOWN_COLLECTION", `There is no collection ${JSON.stringify(missing)}`, {
      cause,
      details: { ...details, collection: missing },
    });
  }
  const code = CODES.find(([prefix]) => sqliteCode?.startsWith(prefix))?.[1] ?? "FORMDB_ENGINE";
  return new FormDBError(code, `${what} failed in SQLite: ${explain(sqliteCode, message)}`, {
    cause,
    // Such a file will be none the next time either.
    ...(sqliteCode === "SQLITE_NOTADB" ? { retryable: false } : {}),
    details,
  });
}

function explain(sqliteCode: string | undefined, message: string): string {
  switch (sqliteCode) {
    case "SQLITE_NOTADB":
      return "the file is no SQLite database (or is encrypted)";
    case "SQLITE_BUSY":
      return "another process holds the database's write lock for too long";
    case "SQLITE_READONLY":
      return "the database was opened for reading only, or its file can't be written";
    case "SQLITE_FULL":
      return "the disk is full";
    default:
      return message;
  }
}
