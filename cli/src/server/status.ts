import type { IncomingHttpHeaders } from "node:http";
import { type ErrorCode, FormDBError } from "@formdb/perf";
import { show } from "../message.ts";
import { MAX_DOCUMENT_BYTES } from "../read/entry.ts";

/** What goes wrong before FormDB is asked: codes of the HTTP API alone. */
export type HttpCode =
  | "HTTP_BAD_REQUEST"
  | "HTTP_UNAUTHORIZED"
  | "HTTP_FORBIDDEN"
  | "HTTP_NOT_FOUND"
  | "HTTP_METHOD_NOT_ALLOWED"
  | "HTTP_TIMEOUT"
  | "HTTP_TOO_LARGE"
  | "HTTP_URI_TOO_LONG"
  | "HTTP_UNSUPPORTED_MEDIA_TYPE"
  | "HTTP_MISDIRECTED"
  | "HTTP_TOO_MANY_REQUESTS"
  | "HTTP_INTERNAL"
  | "HTTP_UNAVAILABLE";

/** The status that answers each code. */
export const STATUS: Readonly<Record<ErrorCode | HttpCode, number>> = {
  FORMDB_SYNTAX: 400,
  FORMDB_PARAMETER_MISMATCH: 400,
  FORMDB_INVALID_DOCUMENT: 422,
  FORMDB_INVALID_ID: 400,
  FORMDB_CONFIG: 400,
  FORMDB_UNKNOWN_COLLECTION: 404,
  FORMDB_NOT_FOUND: 404,
  FORMDB_DUPLICATE_ID: 409,
  FORMDB_CONSTRAINT: 409,
  FORMDB_CONFLICT: 409,
  FORMDB_SERIALIZATION: 409,
  FORMDB_ABORTED: 499,
  FORMDB_UNSUPPORTED: 501,
  FORMDB_ENGINE: 500,
  FORMDB_STALE_PLAN: 503,
  FORMDB_BUSY: 503,
  FORMDB_QUEUE_FULL: 503,
  FORMDB_POOL_TIMEOUT: 503,
  FORMDB_POOL_QUEUE_FULL: 503,
  FORMDB_POOL_PAUSED: 503,
  FORMDB_POOL_CLOSED: 503,
  FORMDB_CLOSED: 503,
  FORMDB_CONNECT_FAILED: 503,
  FORMDB_CONNECTION_LOST: 503,
  FORMDB_TIMEOUT: 504,
  HTTP_BAD_REQUEST: 400,
  HTTP_UNAUTHORIZED: 401,
  HTTP_FORBIDDEN: 403,
  HTTP_NOT_FOUND: 404,
  HTTP_METHOD_NOT_ALLOWED: 405,
  HTTP_TIMEOUT: 408,
  HTTP_TOO_LARGE: 413,
  HTTP_URI_TOO_LONG: 414,
  HTTP_UNSUPPORTED_MEDIA_TYPE: 415,
  HTTP_MISDIRECTED: 421,
  HTTP_TOO_MANY_REQUESTS: 429,
  HTTP_INTERNAL: 500,
  HTTP_UNAVAILABLE: 503,
};

/** What the same request may not meet a moment later. */
const PASSING: ReadonlySet<HttpCode> = new Set<HttpCode>(["HTTP_TOO_MANY_REQUESTS", "HTTP_UNAVAILABLE"]);

/**
 * Errors whose messages may hold what the caller has no business with: texts of the driver, with values and the
 * database's address. The log has the whole of them under the request's id.
 */
const PRIVATE = {
  FORMDB_ENGINE: "The database refused the statement; the server's log says why, under this request's id",
  FORMDB_CONNECT_FAILED: "The database can't be reached; the server's log says why, under this request's id",
  FORMDB_CONNECTION_LOST:
    "The connection to the database was lost; the server's log says more, under this request's id",
  FORMDB_BUSY: "The database was busy or out of room; the server's log says more, under this request's id",
  FORMDB_SERIALIZATION: "The request met another one on the same documents; send it again",
  FORMDB_POOL_TIMEOUT: "No connection to the database became free in time",
} as const satisfies Partial<Record<ErrorCode, string>>;

/** Facts of an error that are told; all others may hold values. */
const TOLD = [
  "collection",
  "id",
  "index",
  "path",
  "paths",
  "constraint",
  "parameter",
  "line",
  "column",
  "found",
  "expected",
  "offset",
  "outcome",
  "attempts",
  "sqlstate",
  "version",
  "read",
  "imported",
  "unchanged",
  "successful",
  "failed",
  "errors",
] as const;

/** On every answer: what protects data from caches, from browsers that guess its type, and from other origins. */
export const HEADERS: Readonly<Record<string, string>> = Object.freeze({
  "cache-control": "no-store",
  "cross-origin-resource-policy": "same-origin",
  "x-content-type-options": "nosniff",
});

/** Characters of a part of a path, such as an id. */
export const MAX_PARAM_LENGTH = 8_192;

/** The body of every answer that is an error. */
export interface ErrorBody {
  readonly error: { readonly code: string; readonly message: string; readonly [detail: string]: unknown };
}

/** An error of the HTTP API itself. */
export class HttpError extends Error {
  readonly code: HttpCode;

  constructor(code: HttpCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** What is told in place of an error's own message; undefined where that one may be told. */
export function messageInstead(code: string): string | undefined {
  return Object.hasOwn(PRIVATE, code) ? PRIVATE[code as keyof typeof PRIVATE] : undefined;
}

/** What an error is answered with: neither parameters nor stacks are in it. */
export function answerTo(
  error: unknown,
  requestId: string,
): { readonly status: number; readonly body: ErrorBody } {
  if (error instanceof FormDBError) {
    const { code, retryable } = error;
    const message = messageInstead(code) ?? error.message;
    const details: Record<string, unknown> = {};
    for (const name of TOLD) if (error[name] !== undefined) details[name] = error[name];
    return {
      status: STATUS[code] ?? 500,
      body: { error: { code, message, retryable, requestId, ...details } },
    };
  }
  const { code, message } = httpErrorOf(error);
  const retryable = PASSING.has(code);
  return { status: STATUS[code], body: { error: { code, message, retryable, requestId } } };
}

/** Errors that are none of the API's are faults of the server. */
function httpErrorOf(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  return new HttpError("HTTP_INTERNAL", "The server failed; its log says why, under this request's id");
}

/** What a refusal of Fastify's own is about. */
interface Refused {
  readonly headers: IncomingHttpHeaders;
  readonly maxBodyBytes: number;
}

/** An error of Fastify's own for a request that it does not take, in the API's words. Others are given back. */
export function ofFastify(error: unknown, { headers, maxBodyBytes }: Refused): unknown {
  switch ((error as { code?: string }).code) {
    case "FST_ERR_BAD_URL":
      return new HttpError(
        "HTTP_BAD_REQUEST",
        "The path must be UTF-8, percent-encoded as in a URL, and is not",
      );
    case "FST_ERR_MAX_PARAM_LENGTH":
      return new HttpError(
        "HTTP_URI_TOO_LONG",
        `A part of the path must be at most ${MAX_PARAM_LENGTH} characters long, and one is longer`,
      );
    case "FST_ERR_CTP_BODY_TOO_LARGE": {
      const found = headers["content-length"] ?? "more";
      return new HttpError(
        "HTTP_TOO_LARGE",
        `A JSON body must have at most ${maxBodyBytes} bytes, not ${found}; documents of up to ${MAX_DOCUMENT_BYTES} bytes each are taken as NDJSON`,
      );
    }
    case "FST_ERR_CTP_INVALID_CONTENT_LENGTH":
      return new HttpError(
        "HTTP_BAD_REQUEST",
        "The body must be as long as its Content-Length says, and is not",
      );
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE": {
      const type = headers["content-type"];
      return new HttpError(
        "HTTP_UNSUPPORTED_MEDIA_TYPE",
        "The body's Content-Type must be application/json or, for documents, application/x-ndjson, " +
          (type === undefined ? "and there is none" : `not ${show(type)}`),
      );
    }
    default:
      return error;
  }
}
