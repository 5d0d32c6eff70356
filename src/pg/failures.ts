import { ruleOf } from "../backend/postgres/sqlstates.ts";
import { FormDBError } from "../base/errors.ts";

/** The error of a caller that got no client: as `pg.Pool` words it where programs look for the words. */
export function acquireError(error: unknown): unknown {
  if (!(error instanceof FormDBError)) return error;
  if (error.code === "FORMDB_POOL_TIMEOUT") return said(error, "timeout exceeded when trying to connect");
  if (error.code === "FORMDB_POOL_CLOSED")
    return said(error, "Cannot use a pool after calling end on the pool");
  if (error.code !== "FORMDB_CONNECT_FAILED" || error.cause === undefined) return error;
  const { cause } = error;
  // What `pg` itself threw, with the `code` that programs compare.
  if (!(cause instanceof FormDBError)) {
    // As `pg` does: a trace that leads to the caller, not to the socket.
    if (cause instanceof Error) Error.captureStackTrace(cause);
    return cause;
  }
  return cause.code === "FORMDB_TIMEOUT"
    ? said(error, "Connection terminated due to connection timeout")
    : cause;
}

function said(error: FormDBError, words: string): FormDBError {
  const { code: _, message, retryable, ...details } = error.toJSON();
  return new FormDBError(error.code, `${words}: ${message as string}`, {
    cause: error.cause,
    retryable: retryable as boolean,
    details,
  });
}

/** Whether a query's error says that its connection can't be used any more. */
export function endsConnection(error: unknown): boolean {
  if (error instanceof FormDBError) return error.code !== "FORMDB_ABORTED";
  const { code, severity } = Object(error) as { code?: unknown; severity?: unknown };
  // Only the server's own errors, which alone have a severity, leave a connection as it was.
  if (typeof code !== "string" || typeof severity !== "string") return true;
  return code !== "25006" && ruleOf(code).fatal === true;
}

/** Whether an error says that every connection should be replaced. */
export function endsAllConnections(error: unknown): boolean {
  const { code } = Object(error) as { code?: unknown };
  return typeof code === "string" && /^57P0[123]$/.test(code) && ruleOf(code).failover === true;
}
