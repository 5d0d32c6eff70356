import { disown } from "../base/callback.ts";
import { FormDBError, messageOf } from "../base/errors.ts";
import type { AcquireFailureReason } from "../base/observer.ts";
import { configError } from "../base/options.ts";
import type { Entry } from "./entry.ts";
import type { HolderReport } from "./holders.ts";
import type { PoolStats } from "./stats.ts";

/** The pool at the moment when a caller is refused. */
export interface Circumstances {
  readonly stats: PoolStats;
  readonly waitMs: number;
  readonly lastConnectError: unknown;
}

/** What only a time-out tells. */
export interface TimeoutFacts {
  readonly timeoutMs: number;
  /** How long the process could not run meanwhile. */
  readonly eventLoopDelayMs: number;
  readonly holders: readonly HolderReport[];
}

/** A delay of the event loop that is worth mentioning, in milliseconds. */
const NOTABLE_DELAY_MS = 100;

/**
 * The error of a caller whose time ran out: what the pool looked like, who holds what, and whether the
 * event loop rather than the pool is to blame.
 */
export function acquireTimeout(
  { stats, waitMs, lastConnectError }: Circumstances,
  { timeoutMs, eventLoopDelayMs, holders }: TimeoutFacts,
): FormDBError {
  const parts = [
    `No connection could be had within ${Math.ceil(timeoutMs)} ms: ${counts(stats)}`,
    ...(lastConnectError === undefined
      ? []
      : [`the last attempt to connect failed: ${messageOf(lastConnectError)}`]),
    ...(eventLoopDelayMs < NOTABLE_DELAY_MS
      ? []
      : [
          `the event loop was blocked for ${Math.round(eventLoopDelayMs)} ms, so the database may not be to blame`,
        ]),
    ...(holders.length === 0 ? [] : [`held the longest: ${held(holders[0]!)}`]),
  ];
  return failure("FORMDB_POOL_TIMEOUT", parts.join("; "), lastConnectError, {
    ...facts(stats, waitMs, lastConnectError),
    timeoutMs,
    eventLoopDelayMs,
    holders,
  });
}

/** The error of a caller inside `use` that waits for a connection which only its own end could free. */
export function nestedAcquire({ stats, waitMs }: Circumstances): FormDBError {
  return new FormDBError(
    "FORMDB_POOL_TIMEOUT",
    `No connection can ever be had: all ${stats.max} are held by use() calls that wait for another one themselves; ` +
      "take one connection for the whole of the work, or allow more than such calls can nest",
    { retryable: false, details: { ...facts(stats, waitMs, undefined), nested: true } },
  );
}

export function connectFailed({ stats, waitMs, lastConnectError }: Circumstances): FormDBError {
  return failure(
    "FORMDB_CONNECT_FAILED",
    `No connection is open, and none could be opened: ${messageOf(lastConnectError)}`,
    lastConnectError,
    facts(stats, waitMs, lastConnectError),
  );
}

export function queueFull({ stats, waitMs }: Circumstances, shed: boolean, maxWaiting: number): FormDBError {
  const why = shed
    ? `callers have stood in line too long, this one for ${Math.round(waitMs)} ms, and are being turned away`
    : `${stats.waiting} callers wait already, and no more than ${maxWaiting} may`;
  return new FormDBError("FORMDB_POOL_QUEUE_FULL", `The pool can't take another caller: ${why}`, {
    details: { ...facts(stats, waitMs, undefined), shed },
  });
}

export function connectionLost(): FormDBError {
  return new FormDBError("FORMDB_CONNECTION_LOST", "The connection was lost, for no reason that it gave");
}

export function refused(state: "paused" | "draining" | "closing" | "closed"): FormDBError {
  return state === "paused" || state === "draining"
    ? new FormDBError("FORMDB_POOL_PAUSED", `The pool lends nothing while it is ${state}; resume() ends that`)
    : new FormDBError("FORMDB_POOL_CLOSED", `The pool lends nothing any more: it is ${state}`);
}

/** Without an entry, what was released is a stranger. A resource may hold a password: it is never printed. */
export function notLent(entry: Entry<unknown> | undefined): FormDBError {
  const found =
    entry === undefined
      ? "this one never came from this pool, or has left it"
      : `connection ${entry.id} was given back already and is ${entry.state}`;
  return configError(`A resource must be lent to be released, but ${found}`);
}

/** The observer's word for an error that ended an acquire. */
export function reasonOf({ code }: FormDBError): AcquireFailureReason {
  switch (code) {
    case "FORMDB_POOL_TIMEOUT":
      return "timeout";
    case "FORMDB_ABORTED":
      return "aborted";
    case "FORMDB_POOL_PAUSED":
      return "poolPaused";
    case "FORMDB_POOL_QUEUE_FULL":
      return "queueFull";
    case "FORMDB_CONNECT_FAILED":
      return "connectError";
    default:
      return "poolClosed";
  }
}

function failure(
  code: "FORMDB_POOL_TIMEOUT" | "FORMDB_CONNECT_FAILED",
  message: string,
  cause: unknown,
  details: Readonly<Record<string, unknown>>,
): FormDBError {
  return new FormDBError(code, message, { cause, details });
}

function counts({ total, max, idle, inUse, pending, waiting }: PoolStats): string {
  return `${total} of at most ${max} connections are open (${inUse} in use, ${idle} idle), ${pending} being opened, ${waiting} other ${waiting === 1 ? "caller waits" : "callers wait"}`;
}

function facts(stats: PoolStats, waitMs: number, lastConnectError: unknown): Record<string, unknown> {
  const { total, idle, inUse, waiting, pending, min, max } = stats;
  return {
    total,
    idle,
    inUse,
    waiting,
    pending,
    min,
    max,
    waitMs,
    ...(lastConnectError === undefined ? {} : { lastConnectError: messageOf(lastConnectError) }),
  };
}

function held({ connection, heldMs, stack }: HolderReport): string {
  const from = stack === undefined ? " (trackHolders: true tells from where)" : ` from\n${stack}\n`;
  return `connection ${connection} for ${heldMs} ms${from}`;
}

/** Calls a predicate that the user gave; one that throws has said nothing good. */
export function judge(predicate: (error: unknown) => boolean, error: unknown): boolean {
  try {
    const answer: unknown = predicate(error);
    if (disown(answer)) throw configError("A predicate must give a boolean, not a promise");
    return answer as boolean;
  } catch (failure) {
    process.emitWarning(`A pool's predicate failed: ${messageOf(failure)}`, {
      code: "FORMDB_POOL_PREDICATE",
    });
    return true;
  }
}
