import { type ErrorCode, FormDBError, messageOf } from "../base/errors.ts";
import type { FailureClass } from "./group.ts";

interface Rule {
  readonly class: FailureClass;
  readonly code: ErrorCode;
}

/** By the start of an SQLSTATE; the longest that fits is taken. What is not here is the statement's fault. */
const SQLSTATES: readonly (readonly [prefix: string, rule: Rule])[] = [
  ["40003", { class: "unknown", code: "FORMDB_CONNECTION_LOST" }],
  ["40002", { class: "data", code: "FORMDB_CONSTRAINT" }],
  ["40", { class: "transient", code: "FORMDB_SERIALIZATION" }],
  ["OC0", { class: "transient", code: "FORMDB_SERIALIZATION" }],
  ["53", { class: "transient", code: "FORMDB_BUSY" }],
  ["55P03", { class: "transient", code: "FORMDB_BUSY" }],
  ["57P03", { class: "transient", code: "FORMDB_CONNECT_FAILED" }],
  ["08", { class: "unknown", code: "FORMDB_CONNECTION_LOST" }],
  ["57P01", { class: "unknown", code: "FORMDB_CONNECTION_LOST" }],
  ["57P02", { class: "unknown", code: "FORMDB_CONNECTION_LOST" }],
  ["21000", { class: "data", code: "FORMDB_CONSTRAINT" }],
  ["22", { class: "data", code: "FORMDB_INVALID_DOCUMENT" }],
  ["23", { class: "data", code: "FORMDB_CONSTRAINT" }],
  ["44", { class: "data", code: "FORMDB_CONSTRAINT" }],
];

/** SQLite's result codes, and the system's for sockets. Refused connections never carried the write. */
const NAMES: readonly (readonly [prefix: string, rule: Rule])[] = [
  ["SQLITE_BUSY", { class: "transient", code: "FORMDB_BUSY" }],
  ["SQLITE_LOCKED", { class: "transient", code: "FORMDB_BUSY" }],
  ["SQLITE_CONSTRAINT", { class: "data", code: "FORMDB_CONSTRAINT" }],
  ["SQLITE_MISMATCH", { class: "data", code: "FORMDB_INVALID_DOCUMENT" }],
  ["SQLITE_TOOBIG", { class: "data", code: "FORMDB_INVALID_DOCUMENT" }],
  ["ECONNREFUSED", { class: "transient", code: "FORMDB_CONNECT_FAILED" }],
  ["ENOTFOUND", { class: "transient", code: "FORMDB_CONNECT_FAILED" }],
  ["EAI_AGAIN", { class: "transient", code: "FORMDB_CONNECT_FAILED" }],
  ["EHOSTUNREACH", { class: "transient", code: "FORMDB_CONNECT_FAILED" }],
  ["ENETUNREACH", { class: "transient", code: "FORMDB_CONNECT_FAILED" }],
  ["ECONNRESET", { class: "unknown", code: "FORMDB_CONNECTION_LOST" }],
  ["EPIPE", { class: "unknown", code: "FORMDB_CONNECTION_LOST" }],
  ["ETIMEDOUT", { class: "unknown", code: "FORMDB_CONNECTION_LOST" }],
  ["UND_ERR_", { class: "unknown", code: "FORMDB_CONNECTION_LOST" }],
];

const STATEMENT: Rule = { class: "statement", code: "FORMDB_ENGINE" };

/**
 * What a group's failure means: by the `outcome` and `code` of a `FormDBError`, else by an SQLSTATE, SQLite's
 * or the system's code, on the error or on its cause.
 */
export function classify(error: unknown): FailureClass {
  return error instanceof FormDBError ? ownClass(error) : foreignRule(error).class;
}

/** The failure as the project's own error, with its cause. */
export function toFormDBError(error: unknown): FormDBError {
  if (error instanceof FormDBError) return error;
  return new FormDBError(foreignRule(error).code, messageOf(error), { cause: error });
}

function ownClass(error: FormDBError): FailureClass {
  if (error.outcome === "unknown") return "unknown";
  switch (error.code) {
    case "FORMDB_INVALID_DOCUMENT":
    case "FORMDB_INVALID_ID":
    case "FORMDB_DUPLICATE_ID":
    case "FORMDB_CONSTRAINT":
    case "FORMDB_NOT_FOUND":
      return "data";
    case "FORMDB_CONNECTION_LOST":
      return error.outcome === "rejected" ? "transient" : "unknown";
    case "FORMDB_TIMEOUT":
    case "FORMDB_ABORTED":
      if (error.outcome !== "rejected") return "unknown";
      return error.retryable ? "transient" : "statement";
    default:
      return error.retryable ? "transient" : "statement";
  }
}

function foreignRule(error: unknown): Rule {
  // A network client's error often says only "failed": its causes say what. The depth is bounded for cycles.
  let at: unknown = error;
  for (let depth = 0; depth < 5 && typeof at === "object" && at !== null; depth++) {
    const rule = ruleOfCode((at as { code?: unknown }).code);
    if (rule !== undefined) return rule;
    if (at instanceof FormDBError) return { class: ownClass(at), code: at.code };
    if ((at as { retryable?: unknown }).retryable === true)
      return { class: "transient", code: "FORMDB_BUSY" };
    at = (at as { cause?: unknown }).cause;
  }
  return STATEMENT;
}

function ruleOfCode(code: unknown): Rule | undefined {
  if (typeof code !== "string") return undefined;
  const named = NAMES.find(([prefix]) => code.startsWith(prefix))?.[1];
  if (named !== undefined) return named;
  if (!/^[0-9A-Z]{5}$/.test(code)) return undefined;
  const rule = SQLSTATES.find(([prefix]) => code.startsWith(prefix))?.[1];
  if (rule !== undefined) return rule;
  return /\d/.test(code) ? STATEMENT : undefined;
}
