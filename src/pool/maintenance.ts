import type { ConnectionCloseReason } from "../base/observer.ts";
import type { Entry } from "./entry.ts";
import type { PoolSettings } from "./options.ts";
import type { Roster } from "./roster.ts";

/** How long before its end a successor is wanted: a share of the lifetime, and never more than this. */
const REPLACE_AHEAD_MS = 5_000;
const REPLACE_AHEAD_SHARE = 0.05;
/** Used more recently than this, an entry is worth replacing even above the minimum. */
const IN_USE_OF_LATE_MS = 1_000;

/** What upkeep asks of the pool. */
export interface Upkeeper<T> {
  retire(entry: Entry<T>, reason: ConnectionCloseReason): void;
  /** Proves an idle entry. */
  prove(entry: Entry<T>): void;
  wantSuccessor(entry: Entry<T>): void;
  reportLeak(entry: Entry<T>): void;
}

/** When an entry's successor should be opened. */
export function replaceAt(maxLifetimeMs: number, expiresAt: number): number {
  return expiresAt - Math.min(REPLACE_AHEAD_MS, maxLifetimeMs * REPLACE_AHEAD_SHARE);
}

/**
 * Goes over all entries: ends lifetimes, asks for successors, proves what was idle, reports leaks, and
 * closes what is idle beyond `min`. Gives the time at which there is next something to do.
 */
export function upkeep<T>(
  roster: Roster<T>,
  settings: PoolSettings<T>,
  min: number,
  now: number,
  pool: Upkeeper<T>,
): number {
  let next = closeSurplus(roster, settings.idleTimeoutMs, min, now, pool);
  for (const entry of roster.entries()) {
    if (entry.state === "lent" && !entry.leakReported) {
      const leakAt = entry.lentAt + settings.leakThresholdMs;
      if (leakAt <= now) pool.reportLeak(entry);
      else next = Math.min(next, leakAt);
    }
    if (entry.state === "idle" && entry.expiresAt <= now) {
      pool.retire(entry, "lifetime");
      continue;
    }
    if (entry.expiresAt > now) next = Math.min(next, entry.expiresAt);
    if (!entry.replacing) {
      const successorAt = replaceAt(settings.maxLifetimeMs, entry.expiresAt);
      if (successorAt > now) next = Math.min(next, successorAt);
      else if (roster.total <= min || entry.state !== "idle" || now - entry.usedAt < IN_USE_OF_LATE_MS) {
        pool.wantSuccessor(entry);
      }
    }
    if (entry.state === "idle") {
      const proveAt = entry.provenAt + settings.keepaliveMs;
      if (proveAt <= now) pool.prove(entry);
      else next = Math.min(next, proveAt);
    }
  }
  return next;
}

function closeSurplus<T>(
  roster: Roster<T>,
  idleTimeoutMs: number,
  min: number,
  now: number,
  pool: Upkeeper<T>,
): number {
  let next = Infinity;
  for (const { idle } of roster.hosts) {
    for (let entry = idle.bottom; entry !== undefined && roster.total > min; entry = idle.bottom) {
      const idleUntil = entry.usedAt + idleTimeoutMs;
      if (idleUntil > now) {
        next = Math.min(next, idleUntil);
        break;
      }
      pool.retire(entry, "idle");
    }
  }
  return next;
}
