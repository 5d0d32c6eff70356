import type { ErrorCode } from "../base/errors.ts";
import type {
  AcquireFailureReason,
  CacheMissReason,
  CacheRemovalReason,
  ConnectionCloseReason,
  FlushReason,
  QueryOperation,
  WriteKind,
  WriteOutcome,
} from "../base/observer.ts";

/**
 * The values that labels of FormDB's own metrics can have. They are few and known beforehand, so that their series are
 * exported as zero from the start.
 */
export type LabelDomain = readonly string[];

/** How a query ended, as the `outcome` label says it. */
export type QueryOutcome = "ok" | "error" | "timeout" | "aborted";

export const OPERATIONS: readonly QueryOperation[] = Object.freeze([
  "select",
  "get",
  "insert",
  "update",
  "upsert",
  "delete",
  "ddl",
  "introspect",
  "explain",
  "transaction",
  "sql",
  "other",
]);
export const QUERY_OUTCOMES: readonly QueryOutcome[] = Object.freeze(["ok", "error", "timeout", "aborted"]);
/** Parts of a query's time; `other` is the rest: the event loop and FormDB itself. */
export const QUERY_PHASES: readonly string[] = Object.freeze(["pool_wait", "database", "decode", "other"]);
export const MISS_REASONS: readonly CacheMissReason[] = Object.freeze([
  "cold",
  "expired",
  "evicted",
  "stale",
  "bypassed",
  "invalid",
]);
export const REMOVAL_REASONS: readonly CacheRemovalReason[] = Object.freeze([
  "evicted",
  "expired",
  "stale",
  "deleted",
  "replaced",
  "rejected",
  "oversized",
]);
export const CLOSE_REASONS: readonly ConnectionCloseReason[] = Object.freeze([
  "idle",
  "stale",
  "lifetime",
  "maxUses",
  "error",
  "poolClosed",
]);
export const ACQUIRE_FAILURES: readonly AcquireFailureReason[] = Object.freeze([
  "timeout",
  "aborted",
  "poolClosed",
  "poolPaused",
  "queueFull",
  "connectError",
]);
export const CONNECTION_STATES: readonly string[] = Object.freeze(["idle", "in_use", "opening"]);
export const WRITE_KINDS: readonly WriteKind[] = Object.freeze(["insert", "update", "upsert", "delete"]);
export const WRITE_OUTCOMES: readonly WriteOutcome[] = Object.freeze(["applied", "rejected", "unknown"]);
export const FLUSH_REASONS: readonly FlushReason[] = Object.freeze([
  "size",
  "bytes",
  "interval",
  "eager",
  "explicit",
  "close",
]);
const CODES: Readonly<Record<ErrorCode, true>> = {
  FORMDB_SYNTAX: true,
  FORMDB_UNKNOWN_COLLECTION: true,
  FORMDB_PARAMETER_MISMATCH: true,
  FORMDB_INVALID_DOCUMENT: true,
  FORMDB_INVALID_ID: true,
  FORMDB_DUPLICATE_ID: true,
  FORMDB_CONSTRAINT: true,
  FORMDB_NOT_FOUND: true,
  FORMDB_POOL_TIMEOUT: true,
  FORMDB_POOL_QUEUE_FULL: true,
  FORMDB_POOL_PAUSED: true,
  FORMDB_POOL_CLOSED: true,
  FORMDB_CONNECT_FAILED: true,
  FORMDB_CONNECTION_LOST: true,
  FORMDB_SERIALIZATION: true,
  FORMDB_BUSY: true,
  FORMDB_QUEUE_FULL: true,
  FORMDB_STALE_PLAN: true,
  FORMDB_CONFLICT: true,
  FORMDB_TIMEOUT: true,
  FORMDB_ABORTED: true,
  FORMDB_CLOSED: true,
  FORMDB_CONFIG: true,
  FORMDB_UNSUPPORTED: true,
  FORMDB_ENGINE: true,
};
export const ERROR_CODES: readonly string[] = Object.freeze(Object.keys(CODES));
/** The classes (first two characters) of SQLSTATE that databases raise often. */
export const SQLSTATE_CLASSES: readonly string[] = Object.freeze([
  "08",
  "0A",
  "21",
  "22",
  "23",
  "25",
  "26",
  "40",
  "42",
  "53",
  "55",
  "57",
  "58",
  "XX",
]);

/**
 * Whether the collection's name of a query that failed with this code may be one that no collection has. Such names come
 * from the caller: as label values they would have no limit.
 */
export function isInventedName(code: string): boolean {
  return code === "FORMDB_UNKNOWN_COLLECTION" || code === "FORMDB_SYNTAX" || code === "FORMDB_CONFIG";
}
