import { type ErrorCode, type FailureOutcome, FormDBError } from "../../base/errors.ts";

/** What a request failed with, and what that says of the server. */
export interface Failure {
  readonly error: FormDBError;
  /** `rejected` if the server certainly did nothing. */
  readonly outcome: FailureOutcome;
  /** Whether sending it again may help. */
  readonly isTransient: boolean;
  /** Milliseconds that the server asks to wait before that. */
  readonly retryAfterMs?: number | undefined;
}

/** The codes of the HTTP API alone, as what they mean to a caller. */
const HTTP_CODES: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  // Of a request of this client's only what its caller gave it can be bad.
  ["HTTP_BAD_REQUEST", "FORMDB_CONFIG"],
  ["HTTP_UNAUTHORIZED", "FORMDB_CONFIG"],
  ["HTTP_FORBIDDEN", "FORMDB_CONFIG"],
  ["HTTP_MISDIRECTED", "FORMDB_CONFIG"],
  ["HTTP_NOT_FOUND", "FORMDB_CONFIG"],
  ["HTTP_METHOD_NOT_ALLOWED", "FORMDB_CONFIG"],
  ["HTTP_TOO_LARGE", "FORMDB_INVALID_DOCUMENT"],
  ["HTTP_URI_TOO_LONG", "FORMDB_INVALID_ID"],
  ["HTTP_TIMEOUT", "FORMDB_TIMEOUT"],
  ["HTTP_TOO_MANY_REQUESTS", "FORMDB_BUSY"],
  ["HTTP_UNAVAILABLE", "FORMDB_BUSY"],
]);

interface ToldError {
  readonly code: string;
  readonly message: string;
  readonly retryable?: boolean;
  readonly [detail: string]: unknown;
}

/** The error of an answer's body: FormDB's own codes as they are, with all that it tells. */
export function toldError(told: ToldError, status: number): FormDBError {
  const { code, message, retryable, ...details } = told;
  if (code.startsWith("FORMDB_")) {
    return new FormDBError(code as ErrorCode, message, {
      ...(retryable === undefined ? {} : { retryable }),
      details: { ...details, status },
    });
  }
  const meaning = HTTP_CODES.get(code) ?? "FORMDB_ENGINE";
  return new FormDBError(meaning, `The server refused the request: ${message}`, {
    retryable: meaning === "FORMDB_BUSY",
    details: { ...details, httpCode: code, status },
  });
}

/** What an answer with the status of an error means. */
export function failureOf(status: number, body: string, retryAfter: string | undefined): Failure {
  const told = errorIn(body);
  if (told === undefined) {
    // Not of the server's making: a proxy before it does not know what became of the request.
    const isGateway = status === 502 || status === 503 || status === 504;
    const error = new FormDBError(
      isGateway ? "FORMDB_CONNECTION_LOST" : "FORMDB_ENGINE",
      `The server answered with the status ${status} and without an error of FormDB; is there a server of FormDB at this URL?`,
      { details: { status } },
    );
    return { error, outcome: status >= 500 ? "unknown" : "rejected", isTransient: isGateway };
  }
  const error = toldError(told, status);
  const seconds = Number(retryAfter);
  return {
    error,
    // A server that fails at a fault of its own may have done the write before.
    outcome: error.outcome === "unknown" || error.httpCode === "HTTP_INTERNAL" ? "unknown" : "rejected",
    isTransient: error.retryable,
    ...(seconds > 0 ? { retryAfterMs: seconds * 1_000 } : {}),
  };
}

function errorIn(body: string): ToldError | undefined {
  try {
    const { error } = JSON.parse(body) as { error?: ToldError };
    return typeof error?.code === "string" && typeof error.message === "string" ? error : undefined;
  } catch {
    return undefined;
  }
}

/** The server can't be reached: nothing was sent. */
export function notReached(cause: unknown, url: URL): Failure {
  const { code } = cause as NodeJS.ErrnoException;
  const error = new FormDBError(
    "FORMDB_CONNECT_FAILED",
    `The server at ${url.host} can't be reached${code === undefined ? "" : `: ${code}`}`,
    { cause },
  );
  return { error, outcome: "rejected", isTransient: true };
}

/** The connection ended before the whole answer was there. */
export function lost(cause: unknown, url: URL): Failure {
  const error = new FormDBError(
    "FORMDB_CONNECTION_LOST",
    `The connection to the server at ${url.host} was lost before its answer was there`,
    { cause },
  );
  return { error, outcome: "unknown", isTransient: true };
}
