/** The codes that a `FormDBError` can carry. `docs/errors.md` says what each means and what to do. */
export type ErrorCode =
  | "FORMDB_SYNTAX"
  | "FORMDB_UNKNOWN_COLLECTION"
  | "FORMDB_PARAMETER_MISMATCH"
  | "FORMDB_INVALID_DOCUMENT"
  | "FORMDB_INVALID_ID"
  | "FORMDB_DUPLICATE_ID"
  | "FORMDB_CONSTRAINT"
  | "FORMDB_NOT_FOUND"
  | "FORMDB_POOL_TIMEOUT"
  | "FORMDB_POOL_QUEUE_FULL"
  | "FORMDB_POOL_PAUSED"
  | "FORMDB_POOL_CLOSED"
  | "FORMDB_CONNECT_FAILED"
  | "FORMDB_CONNECTION_LOST"
  | "FORMDB_SERIALIZATION"
  | "FORMDB_BUSY"
  | "FORMDB_QUEUE_FULL"
  | "FORMDB_STALE_PLAN"
  | "FORMDB_CONFLICT"
  | "FORMDB_TIMEOUT"
  | "FORMDB_ABORTED"
  | "FORMDB_CLOSED"
  | "FORMDB_CONFIG"
  | "FORMDB_UNSUPPORTED"
  | "FORMDB_ENGINE";

/** What is known of a failed write: it was certainly not applied, or nobody can tell. */
export type FailureOutcome = "rejected" | "unknown";

/** Everything an error says beside its code and message. */
export interface ErrorOptions {
  /** The error that led to this one. */
  readonly cause?: unknown;
  /** Whether the same call may succeed when made again as it is. Defaults by code. */
  readonly retryable?: boolean;
  /** Further facts, set as fields of the error: `sqlstate`, `line`, `collection` and the like. */
  readonly details?: Readonly<Record<string, unknown>>;
}

const RETRYABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "FORMDB_POOL_TIMEOUT",
  "FORMDB_POOL_QUEUE_FULL",
  "FORMDB_POOL_PAUSED",
  "FORMDB_CONNECT_FAILED",
  "FORMDB_SERIALIZATION",
  "FORMDB_BUSY",
  "FORMDB_QUEUE_FULL",
]);

const BRAND: unique symbol = Symbol.for("formdb.FormDBError") as never;

/**
 * The one error class of FormDB. Its message says what could not be done, what must hold, and the
 * value found; its `code` is what programs look at. `instanceof` holds across copies of the package.
 */
export class FormDBError extends Error {
  override readonly name: string = "FormDBError";
  readonly code: ErrorCode;
  /** True where making the same call again, unchanged, may succeed. */
  readonly retryable: boolean;
  /** Further facts, by name; each is a field of the error too. */
  readonly [detail: string]: unknown;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? RETRYABLE.has(code);
    const { details } = options;
    const own: Record<string, unknown> = this as object as Record<string, unknown>;
    for (const name in details) {
      if (!(name in this)) own[name] = details[name];
    }
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** True for errors of any copy of this package. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === "object" && value !== null && BRAND in value;
  }

  /** The error as plain data, for logs and HTTP bodies. The stack and the cause stay out. */
  toJSON(): Record<string, unknown> {
    return { ...this, code: this.code, message: this.message, retryable: this.retryable };
  }
}

/** Adds a fact to an error of FormDB, unless it says that one already. Gives the error. */
export function noteDetail(error: unknown, name: string, value: unknown): unknown {
  if (value !== undefined && error instanceof FormDBError && error[name] === undefined) {
    Object.defineProperty(error, name, { value, enumerable: true, configurable: true });
  }
  return error;
}

/** The error of a write that has no outcome of its own: it has failed before it was sent. */
export function notSent(error: unknown): never {
  throw noteDetail(error, "outcome", "rejected");
}

/** What a check of a write gives that comes before the write is sent. */
export function beforeSending<R>(check: () => R): R {
  try {
    return check();
  } catch (error) {
    notSent(error);
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  try {
    return String(error);
  } catch {
    return Object.prototype.toString.call(error);
  }
}
