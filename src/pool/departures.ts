import type { ConnectionCloseReason } from "../base/observer.ts";
import type { PoolCore } from "./core.ts";
import type { Entry } from "./entry.ts";
import { isThenable } from "./tasks.ts";

/** Takes entries out of the pool and destroys what they held. A `destroy` that hangs holds nobody up. */
export class Departures<T> {
  readonly #core: PoolCore<T>;

  constructor(core: PoolCore<T>) {
    this.#core = core;
  }

  discard(entry: Entry<T>, reason: ConnectionCloseReason, state: "gone" | "revoked" = "gone"): void {
    this.#core.roster.remove(entry, state);
    if (entry.replacing) {
      entry.replacing = false;
      this.#core.replacing--;
    }
    this.count(entry.id, reason);
    this.destroy(entry.resource);
  }

  discardIdle(reason: ConnectionCloseReason): void {
    for (const { idle } of this.#core.roster.hosts) {
      while (idle.top !== undefined) this.discard(idle.top, reason);
    }
  }

  /** Closes what is idle beyond the maximum, the longest idle first. */
  discardSurplus(): void {
    const { roster, size } = this.#core;
    for (const { idle } of roster.hosts) {
      while (roster.total > size.max && idle.bottom !== undefined) this.discard(idle.bottom, "idle");
    }
  }

  count(id: number, reason: ConnectionCloseReason): void {
    this.#core.counts.totals.closed[reason]++;
    this.#core.observer.connectionClosed(id, reason);
  }

  destroy(resource: T): void {
    const core = this.#core;
    const { totals } = core.counts;
    let outcome: unknown;
    try {
      outcome = core.settings.destroy(resource);
    } catch {
      totals.destroyFailures++;
      return;
    }
    if (!isThenable(outcome)) return;
    core.destroying++;
    const { clock, destroyTimeoutMs } = core.settings;
    const now = clock.now();
    core.tasks.watch("Closing a connection", outcome, destroyTimeoutMs, now, (error) => {
      core.destroying--;
      if (error !== undefined) totals.destroyFailures++;
      core.whole.settleEnds();
    });
    core.wake.by(now + destroyTimeoutMs, core.closing, now);
  }
}
