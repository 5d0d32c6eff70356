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

/** How a query ended, as the `outcome` label says it. */
export type QueryOutcome = "ok" | "error" | "timeout" | "aborted";

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

/** What a label's values are of. */
export type LabelDomain =
  | "operation"
  | "queryOutcome"
  | "phase"
  | "miss"
  | "removal"
  | "close"
  | "acquireFailure"
  | "connectionState"
  | "writeKind"
  | "writeOutcome"
  | "flush"
  | "errorCode"
  | "sqlstateClass";

/**
 * The values that labels of FormDB's own metrics can have. They are few and known beforehand, so that their series are
 * exported as zero from the start.
 */
export const LABEL_VALUES: Readonly<Record<LabelDomain, readonly string[]>> = Object.freeze({
  operation: [
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
  ] satisfies QueryOperation[],
  queryOutcome: ["ok", "error", "timeout", "aborted"] satisfies QueryOutcome[],
  /** Parts of a query's time; `other` is the rest: the event loop and FormDB itself. */
  phase: ["pool_wait", "database", "decode", "other"],
  miss: ["cold", "expired", "evicted", "stale", "bypassed", "invalid"] satisfies CacheMissReason[],
  removal: [
    "evicted",
    "expired",
    "stale",
    "deleted",
    "replaced",
    "rejected",
    "oversized",
  ] satisfies CacheRemovalReason[],
  close: ["idle", "stale", "lifetime", "maxUses", "error", "poolClosed"] satisfies ConnectionCloseReason[],
  acquireFailure: [
    "timeout",
    "aborted",
    "poolClosed",
    "poolPaused",
    "queueFull",
    "connectError",
  ] satisfies AcquireFailureReason[],
  connectionState: ["idle", "in_use", "opening"],
  writeKind: ["insert", "update", "upsert", "delete"] satisfies WriteKind[],
  writeOutcome: ["applied", "rejected", "unknown"] satisfies WriteOutcome[],
  flush: ["size", "bytes", "interval", "eager", "explicit", "close"] satisfies FlushReason[],
  errorCode: Object.keys(CODES),
  /** The classes (first two characters) of SQLSTATE that databases raise often. */
  sqlstateClass: ["08", "0A", "21", "22", "23", "25", "26", "40", "42", "53", "55", "57", "58", "XX"],
});

/**
 * Whether the collection's name of a query that failed with this code may be one that no collection has. Such names come
 * from the caller: as label values they would have no limit.
 */
export function isInventedName(code: string): boolean {
  return code === "FORMDB_UNKNOWN_COLLECTION" || code === "FORMDB_SYNTAX" || code === "FORMDB_CONFIG";
}
