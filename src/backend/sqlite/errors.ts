import { type ErrorCode, type FailureOutcome, FormDBError, messageOf } from "../../base/errors.ts";
import { arithmeticRefusal } from "../arithmetic-refusal.ts";
import { type RefusingIndex, uniqueViolation } from "../unique-violation.ts";

/** The code of what a session throws when it is not, or still is, in a transaction against its caller's belief. */
export const WRONG_TRANSACTION_STATE = "FORMDB_WRONG_TRANSACTION_STATE";
/** The code for a file that can't be brought into WAL mode. */
export const NO_WAL = "FORMDB_NO_WAL";
/** The code for a file that was deleted or replaced while it was open. */
export const FILE_REPLACED = "FORMDB_FILE_REPLACED";
/** The code for a database that can't be opened where it is, whoever tries. */
export const WRONG_PLACE = "FORMDB_WRONG_PLACE";
/** The code for a version of Node in which the driver can't run. */
export const WRONG_NODE = "FORMDB_WRONG_NODE";
/** The code for a statement that writes, on a connection that only reads. */
export const NEEDS_WRITER = "FORMDB_NEEDS_WRITER";
/** Node's code for a thread that could not be started, such as for want of file descriptors. */
export const WORKER_INIT_FAILED = "ERR_WORKER_INIT_FAILED";

/** How SQLite's result codes are told to users. The longest name that a code starts with wins. */
const CODES: readonly (readonly [prefix: string, code: ErrorCode])[] = [
  ["SQLITE_CONSTRAINT_PRIMARYKEY", "FORMDB_DUPLICATE_ID"],
  ["SQLITE_CONSTRAINT", "FORMDB_CONSTRAINT"],
  ["SQLITE_BUSY", "FORMDB_BUSY"],
  ["SQLITE_LOCKED", "FORMDB_BUSY"],
  ["SQLITE_INTERRUPT", "FORMDB_ABORTED"],
  ["SQLITE_TOOBIG", "FORMDB_INVALID_DOCUMENT"],
  ["SQLITE_NOTADB", "FORMDB_CONNECT_FAILED"],
  ["SQLITE_CANTOPEN", "FORMDB_CONNECT_FAILED"],
  ["SQLITE_READONLY", "FORMDB_UNSUPPORTED"],
  // Disk or memory are not to be had now.
  ["SQLITE_FULL", "FORMDB_BUSY"],
  ["SQLITE_IOERR_SHMSIZE", "FORMDB_BUSY"],
  ["SQLITE_NOMEM", "FORMDB_BUSY"],
  ["ENOSPC", "FORMDB_BUSY"],
  ["EDQUOT", "FORMDB_BUSY"],
  // The system's codes, when a new file is made.
  ["ENAMETOOLONG", "FORMDB_CONFIG"],
  ["ELOOP", "FORMDB_CONFIG"],
  ["ENOTDIR", "FORMDB_CONFIG"],
  ["EACCES", "FORMDB_CONNECT_FAILED"],
  ["EPERM", "FORMDB_CONNECT_FAILED"],
  ["EROFS", "FORMDB_CONNECT_FAILED"],
  ["EMFILE", "FORMDB_CONNECT_FAILED"],
  ["ENFILE", "FORMDB_CONNECT_FAILED"],
  ["ENOENT", "FORMDB_CONNECT_FAILED"],
  [WORKER_INIT_FAILED, "FORMDB_CONNECT_FAILED"],
  // Fatal, so that the connection is thrown away.
  [WRONG_TRANSACTION_STATE, "FORMDB_CONNECTION_LOST"],
  [FILE_REPLACED, "FORMDB_CONNECTION_LOST"],
  [NO_WAL, "FORMDB_UNSUPPORTED"],
  [NEEDS_WRITER, "FORMDB_UNSUPPORTED"],
  [WRONG_NODE, "FORMDB_UNSUPPORTED"],
  [WRONG_PLACE, "FORMDB_CONNECT_FAILED"],
];

/** How the driver begins its messages about values that it can't bind. They are thrown without a code. */
const WRONG_VALUES =
  /^(?:Too (?:few|many) parameter values|SQLite3 can only bind|Missing named parameter|The bound )/;

/** Failures that the same call meets again, though their code is one that may pass. */
const LASTING: ReadonlySet<string> = new Set([
  "SQLITE_NOTADB",
  "EACCES",
  "EPERM",
  "EROFS",
  "ENOENT",
  FILE_REPLACED,
  WRONG_PLACE,
]);

/** An error of better-sqlite3, reduced to what crosses between threads. */
export interface SqliteFailure {
  /** SQLite's own code, the system's, or ours if the session itself refused. */
  readonly sqliteCode: string | undefined;
  readonly message: string;
  /** The unique index that refused a document. */
  readonly index?: RefusingIndex | undefined;
  /** Whether a commit may have taken place, if it is not the rule for the code. */
  readonly outcome?: "unknown" | undefined;
}

/** What is known of the request that failed. */
export interface FailedRequest {
  readonly cause?: unknown;
  /** Whether it may have written, so that its error needs an outcome. */
  readonly writes?: boolean;
  /** The document that it was about. */
  readonly id?: string;
}

/** What a session itself refuses, as an error that crosses threads like SQLite's own. */
export function refusal(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/** Reduces an error to what can be sent between threads. */
export function failureOf(error: unknown): SqliteFailure {
  const { code, outcome } = (error ?? {}) as { readonly code?: unknown; readonly outcome?: unknown };
  return {
    sqliteCode: typeof code === "string" ? code : undefined,
    message: messageOf(error),
    ...(outcome === "unknown" ? { outcome } : {}),
  };
}

/** The `FormDBError` for a failure in SQLite while doing `what`. */
export function sqliteError(what: string, failure: SqliteFailure, request: FailedRequest = {}): FormDBError {
  const { sqliteCode, message, index } = failure;
  const { cause, id } = request;
  const { outcome } = outcomeOf(failure, request.writes === true);
  const details = {
    ...(isOurs(sqliteCode) ? {} : { sqliteCode }),
    ...(outcome === undefined ? {} : { outcome }),
    ...(id === undefined ? {} : { id }),
    ...(sqliteCode === NEEDS_WRITER ? { needsWriter: true } : {}),
    ...(sqliteCode === FILE_REPLACED ? { fileReplaced: true } : {}),
  };
  if (index !== undefined) return uniqueViolation(what, index, details);
  const refused = sqliteCode === undefined ? arithmeticRefusal(message, details) : undefined;
  if (refused !== undefined) return refused;
  const missing = /^no such table: (.+)$/.exec(message)?.[1];
  if (missing !== undefined) {
    return new FormDBError(
      "FORMDB_UNKNOWN_COLLECTION",
      `There is no collection or table ${JSON.stringify(missing)}`,
      {
        cause,
        details: { ...details, collection: missing },
      },
    );
  }
  if (sqliteCode === undefined && WRONG_VALUES.test(message)) {
    // Of a statement with $1, which SQLite takes for the name of a parameter, all values are too many.
    const places = message.startsWith("Too ")
      ? "; each ? in SQLite's SQL is a value's place, and $1 is none"
      : "";
    return new FormDBError(
      "FORMDB_PARAMETER_MISMATCH",
      `${what} can't be given its values: ${message}${places}`,
      {
        cause,
        details,
      },
    );
  }
  const code = CODES.find(([prefix]) => sqliteCode?.startsWith(prefix))?.[1] ?? "FORMDB_ENGINE";
  return new FormDBError(
    code,
    `${what} failed${isOfSystem(sqliteCode) || isOurs(sqliteCode) ? "" : " in SQLite"}: ${explain(sqliteCode, message)}`,
    {
      cause,
      ...(outcome === "unknown" || LASTING.has(sqliteCode ?? "") ? { retryable: false } : {}),
      details,
    },
  );
}

/** SQLite rolls back what fails, except that a failed write to the disk leaves open how much of a commit is there. */
function outcomeOf({ sqliteCode, outcome }: SqliteFailure, writes: boolean): { outcome?: FailureOutcome } {
  if (outcome !== undefined) return { outcome };
  // Refused before anything was done.
  if (sqliteCode === WRONG_TRANSACTION_STATE) return { outcome: "rejected" };
  if (!writes) return {};
  return { outcome: sqliteCode?.startsWith("SQLITE_IOERR") ? "unknown" : "rejected" };
}

/** Whether it is a code of Node or the operating system, such as EACCES. */
function isOfSystem(code: string | undefined): boolean {
  return code !== undefined && (/^E[A-Z0-9]+$/.test(code) || code === WORKER_INIT_FAILED);
}

function isOurs(code: string | undefined): boolean {
  return code?.startsWith("FORMDB_") === true;
}

function explain(sqliteCode: string | undefined, message: string): string {
  switch (sqliteCode) {
    case "SQLITE_NOTADB":
      return "the file is no SQLite database (or is encrypted)";
    case "SQLITE_BUSY":
      return "another process holds the database's write lock for too long";
    case "SQLITE_READONLY":
      return "the database was opened for reading only, or its file, or one of those beside it (-wal, -shm), can't be written";
    case "SQLITE_READONLY_DIRECTORY":
      return "the folder of the database's file can't be written, and SQLite needs two files there (-wal, -shm)";
    case "SQLITE_FULL":
    // The log's index, beside the file, could not grow.
    case "SQLITE_IOERR_SHMSIZE":
    case "ENOSPC":
      return "the disk is full";
    case WORKER_INIT_FAILED:
      return `its thread could not be started: ${message}`;
    default:
      return message;
  }
}
