import type { ConnectionCloseReason } from "../base/observer.ts";
import type { PoolCore } from "./core.ts";
import { type Entry, IdleStack } from "./entry.ts";
import { isThenable } from "./tasks.ts";

/** Idle entries that a wish for a certain one looks at, at most. */
export const MAX_AFFINITY_PROBES = 8;

/**
 * The entries of a pool, from joining to being destroyed. The one place that moves an entry's state and
 * keeps the counts that depend on it; when an entry moves is decided by the parts above.
 */
export class Roster<T> {
  readonly #core: PoolCore<T>;
  readonly #byResource: Map<T, Entry<T>> = new Map();
  readonly #stack: IdleStack<T> = new IdleStack<T>();
  #total = 0;
  #idle = 0;
  #lent = 0;
  #replacing = 0;
  #destroying = 0;

  constructor(core: PoolCore<T>) {
    this.#core = core;
  }

  /** Entries that the pool counts as its own: all but the revoked. */
  get total(): number {
    return this.#total;
  }

  get idle(): number {
    return this.#idle;
  }

  /** Under validation or reset, so that a caller will get them soon. */
  get checking(): number {
    return this.#total - this.#idle - this.#lent;
  }

  /** Entries for which a successor is wanted. */
  get replacing(): number {
    return this.#replacing;
  }

  /** Resources that left the pool and are not destroyed yet. */
  get destroying(): number {
    return this.#destroying;
  }

  /** The entry that has been idle the longest. */
  get longestIdle(): Entry<T> | undefined {
    return this.#stack.bottom;
  }

  get(resource: T): Entry<T> | undefined {
    return this.#byResource.get(resource);
  }

  has(resource: T): boolean {
    return this.#byResource.has(resource);
  }

  entries(): IterableIterator<Entry<T>> {
    return this.#byResource.values();
  }

  /** Takes a new, busy entry in. */
  add(entry: Entry<T>): void {
    const { counts, settings } = this.#core;
    const { peaks } = counts;
    entry.unrefIdle = settings.allowExitOnIdle && isReferable(entry.resource);
    this.#byResource.set(entry.resource, entry);
    this.#total++;
    if (this.#total > peaks.total) peaks.total = this.#total;
  }

  /** A busy entry becomes idle; the timer is set for when that is to end. */
  putIdle(entry: Entry<T>, now: number): void {
    entry.state = "idle";
    this.#stack.add(entry);
    this.#idle++;
    if (entry.unrefIdle) keepProcess(entry.resource, false);
    const { settings, size, wake } = this.#core;
    const { idleTimeoutMs, keepaliveMs } = settings;
    const lookMs = this.#total > size.min ? Math.min(idleTimeoutMs, keepaliveMs) : keepaliveMs;
    if (wake.isLaterThan(now + lookMs)) wake.by(now + lookMs, false, now);
  }

  /** Takes an idle entry off the stack: it is `busy` until the pool says what comes next. */
  take(entry: Entry<T>): void {
    this.#unstack(entry);
    entry.state = "busy";
  }

  /** A busy entry becomes a caller's. */
  lend(entry: Entry<T>, now: number): void {
    entry.state = "lent";
    entry.lentAt = now;
    entry.loans++;
    this.#lent++;
    const { peaks } = this.#core.counts;
    const inUse = this.#total - this.#idle;
    if (inUse > peaks.inUse) peaks.inUse = inUse;
  }

  /** A lent entry is the pool's again, a revoked one leaves its last trace. */
  takeBack(entry: Entry<T>, now: number): void {
    entry.origin = undefined;
    entry.context = undefined;
    entry.leakReported = false;
    if (entry.state === "revoked") {
      entry.state = "gone";
      this.#byResource.delete(entry.resource);
      return;
    }
    entry.state = "busy";
    entry.usedAt = now;
    entry.provenAt = now;
    this.#lent--;
  }

  /** Whether a successor is wanted for an entry that is to retire. */
  setReplacing(entry: Entry<T>, wanted: boolean): void {
    if (entry.replacing === wanted) return;
    entry.replacing = wanted;
    this.#replacing += wanted ? 1 : -1;
  }

  /** Takes an entry out of the pool and destroys its resource; a lent one is revoked. */
  discard(entry: Entry<T>, reason: ConnectionCloseReason): void {
    if (entry.state === "idle") this.#unstack(entry);
    else if (entry.state === "lent") this.#lent--;
    this.#total--;
    this.setReplacing(entry, false);
    if (entry.state === "lent") {
      entry.state = "revoked";
    } else {
      entry.state = "gone";
      this.#byResource.delete(entry.resource);
    }
    this.countClosed(entry.id, reason);
    this.destroy(entry.resource);
  }

  discardIdle(reason: ConnectionCloseReason): void {
    while (this.#stack.top !== undefined) this.discard(this.#stack.top, reason);
  }

  /** Closes what is idle beyond the maximum, the longest idle first. */
  discardSurplus(): void {
    const { max } = this.#core.size;
    while (this.#total > max && this.#stack.bottom !== undefined) this.discard(this.#stack.bottom, "idle");
  }

  /** Takes everything out of the pool, from its holders too; gives how many were lent. */
  discardAll(reason: ConnectionCloseReason): number {
    const lent = this.#lent;
    for (const entry of this.#byResource.values()) if (entry.state !== "revoked") this.discard(entry, reason);
    return lent;
  }

  countClosed(id: number, reason: ConnectionCloseReason): void {
    this.#core.counts.totals.closed[reason]++;
    this.#core.observer.connectionClosed(id, reason);
  }

  /** Destroys a resource. Only `close()` waits for it, until the deadline of the `destroy`. */
  destroy(resource: T): void {
    const { closing, counts, settings, tasks, wake } = this.#core;
    const { clock, destroyTimeoutMs } = settings;
    let outcome: unknown;
    try {
      outcome = settings.destroy(resource);
    } catch {
      counts.totals.destroyFailures++;
      return;
    }
    if (!isThenable(outcome)) return;
    this.#destroying++;
    const now = clock.now();
    tasks.watch({ what: "Closing a connection", timeoutMs: destroyTimeoutMs, now }, outcome, (error) => {
      this.#destroying--;
      if (error !== undefined) counts.totals.destroyFailures++;
    });
    wake.by(now + destroyTimeoutMs, closing, now);
  }

  /** The idle entry to lend next: one that holds what is preferred, among the first few; else the last used one. */
  best(prefer: string | undefined): Entry<T> | undefined {
    const { top } = this.#stack;
    const { holds } = this.#core.settings;
    if (prefer === undefined || holds === undefined) return top;
    let entry = top;
    for (let probes = 0; entry !== undefined && probes < MAX_AFFINITY_PROBES; probes++) {
      try {
        if (holds(entry.resource, prefer)) return entry;
      } catch {
        // A wish that can't be looked up is no reason to fail: any entry will do.
      }
      entry = entry.below;
    }
    return top;
  }

  /** Whether an idle entry is to be proved before it is lent. */
  needsProof(entry: Entry<T>, now: number): boolean {
    const { validate, validateAfterIdleMs } = this.#core.settings;
    return validate !== undefined && now - entry.provenAt > validateAfterIdleMs;
  }

  #unstack(entry: Entry<T>): void {
    this.#stack.remove(entry);
    this.#idle--;
    if (entry.unrefIdle) keepProcess(entry.resource, true);
  }
}

/** Node's own convention for what keeps a process running: sockets, timers, workers and `pg.Client` have both. */
interface Referable {
  ref(): unknown;
  unref(): unknown;
}

function isReferable(resource: unknown): resource is Referable {
  const { ref, unref } = Object(resource) as Partial<Referable>;
  return typeof ref === "function" && typeof unref === "function";
}

function keepProcess(resource: unknown, keep: boolean): void {
  try {
    if (keep) (resource as Referable).ref();
    else (resource as Referable).unref();
  } catch {
    // Only whether the process may end depends on it.
  }
}
