import type { ErrorCode } from "../../base/errors.ts";

/** What an SQLSTATE, or a class of them, means for FormDB. `docs/errors.md` shows the same table. */
export interface SqlstateRule {
  /** Five characters, or the two of a class. The longest that fits is taken. */
  readonly sqlstate: string;
  readonly code: ErrorCode;
  /** Whether the same call may succeed when made again. Where it is left out, the code's own default. */
  readonly retryable?: boolean;
  /** The connection is of no more use. */
  readonly fatal?: boolean;
  /** Every connection should be replaced: the server is going away or is no primary any more. */
  readonly failover?: boolean;
  /** Nobody can tell whether a write or a commit that was on its way took place. */
  readonly unknownOutcome?: boolean;
  readonly meaning: string;
}

/** Every SQLSTATE that is treated in a way of its own; all others are `FORMDB_ENGINE`. */
export const SQLSTATES: readonly SqlstateRule[] = Object.freeze([
  {
    sqlstate: "08",
    code: "FORMDB_CONNECTION_LOST",
    fatal: true,
    unknownOutcome: true,
    meaning: "connection trouble",
  },
  { sqlstate: "08P01", code: "FORMDB_ENGINE", fatal: true, meaning: "protocol violation" },
  { sqlstate: "0A", code: "FORMDB_UNSUPPORTED", meaning: "the engine has no such feature" },
  { sqlstate: "21", code: "FORMDB_CONSTRAINT", meaning: "one row was given twice" },
  { sqlstate: "22", code: "FORMDB_INVALID_DOCUMENT", meaning: "a value that the engine can't hold" },
  { sqlstate: "22025", code: "FORMDB_ENGINE", meaning: "a pattern ends in its escape character" },
  { sqlstate: "23", code: "FORMDB_CONSTRAINT", meaning: "a constraint refused a document" },
  {
    sqlstate: "25006",
    code: "FORMDB_CONNECTION_LOST",
    retryable: true,
    fatal: true,
    failover: true,
    meaning: "the server takes no writes: it became a standby",
  },
  {
    sqlstate: "25P03",
    code: "FORMDB_CONNECTION_LOST",
    fatal: true,
    meaning: "the transaction was idle for too long",
  },
  { sqlstate: "25P04", code: "FORMDB_TIMEOUT", fatal: true, meaning: "the transaction took too long" },
  { sqlstate: "26000", code: "FORMDB_STALE_PLAN", meaning: "a prepared statement is gone" },
  {
    sqlstate: "28",
    code: "FORMDB_CONNECT_FAILED",
    retryable: false,
    fatal: true,
    meaning: "user or password were refused",
  },
  {
    sqlstate: "3D000",
    code: "FORMDB_CONNECT_FAILED",
    retryable: false,
    fatal: true,
    meaning: "no such database",
  },
  { sqlstate: "3F000", code: "FORMDB_CONFIG", meaning: "no such schema" },
  { sqlstate: "40", code: "FORMDB_SERIALIZATION", meaning: "the transaction must be run again" },
  {
    sqlstate: "40002",
    code: "FORMDB_CONSTRAINT",
    meaning: "a constraint refused the transaction at its end",
  },
  {
    sqlstate: "40003",
    code: "FORMDB_CONNECTION_LOST",
    fatal: true,
    unknownOutcome: true,
    meaning: "the engine can't tell whether the statement took place",
  },
  { sqlstate: "42501", code: "FORMDB_UNSUPPORTED", meaning: "the role may not do that" },
  { sqlstate: "42P01", code: "FORMDB_UNKNOWN_COLLECTION", meaning: "no such table" },
  { sqlstate: "42P05", code: "FORMDB_STALE_PLAN", meaning: "a prepared statement is there already" },
  { sqlstate: "44", code: "FORMDB_CONSTRAINT", meaning: "a view refused a document" },
  { sqlstate: "53", code: "FORMDB_BUSY", meaning: "disk, memory or connections ran out" },
  { sqlstate: "54000", code: "FORMDB_CONSTRAINT", meaning: "a value is too large for an index" },
  { sqlstate: "55006", code: "FORMDB_BUSY", meaning: "the object is in use" },
  { sqlstate: "55P03", code: "FORMDB_BUSY", meaning: "a lock was not to be had" },
  {
    sqlstate: "57014",
    code: "FORMDB_TIMEOUT",
    meaning: "the statement was cancelled, or ran into statement_timeout",
  },
  {
    sqlstate: "57P01",
    code: "FORMDB_CONNECTION_LOST",
    fatal: true,
    failover: true,
    unknownOutcome: true,
    meaning: "the server is shutting down",
  },
  {
    sqlstate: "57P02",
    code: "FORMDB_CONNECTION_LOST",
    fatal: true,
    failover: true,
    unknownOutcome: true,
    meaning: "the server crashed",
  },
  {
    sqlstate: "57P03",
    code: "FORMDB_CONNECT_FAILED",
    fatal: true,
    failover: true,
    meaning: "the server takes no connections now",
  },
  { sqlstate: "57P04", code: "FORMDB_CONNECTION_LOST", fatal: true, meaning: "the database was dropped" },
  {
    sqlstate: "57P05",
    code: "FORMDB_CONNECTION_LOST",
    fatal: true,
    meaning: "the session was idle for too long",
  },
] satisfies readonly SqlstateRule[]);

/** For the codes by which an engine of its own asks for a transaction to be run again. */
const RETRY: SqlstateRule = {
  sqlstate: "",
  code: "FORMDB_SERIALIZATION",
  meaning: "the transaction must be run again",
};
const OTHER: SqlstateRule = { sqlstate: "", code: "FORMDB_ENGINE", meaning: "anything else" };
const rules = new Map<string, SqlstateRule>(SQLSTATES.map((rule) => [rule.sqlstate, rule]));

/** The rule for an SQLSTATE, on an engine that has these codes of its own for "run it again". */
export function ruleOf(sqlstate: string, retryCodes: readonly string[] = []): SqlstateRule {
  if (retryCodes.includes(sqlstate)) return RETRY;
  return rules.get(sqlstate) ?? rules.get(sqlstate.slice(0, 2)) ?? OTHER;
}
