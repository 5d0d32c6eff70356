import type { ConnectionCloseReason } from "../base/observer.ts";
import type { PoolCore } from "./core.ts";
import type { Departures } from "./departures.ts";
import type { Entry } from "./entry.ts";
import { judge, notLent } from "./failures.ts";
import type { Lending } from "./lending.ts";
import { isThenable } from "./tasks.ts";

/**
 * What happens to an entry that nobody has any more: it is cleaned or proved where that is needed, and
 * then goes to who waits, or on the idle stack, or out.
 */
export class Returning<T> {
  readonly #core: PoolCore<T>;
  readonly #lending: Lending<T>;
  readonly #departures: Departures<T>;

  constructor(core: PoolCore<T>, lending: Lending<T>, departures: Departures<T>) {
    this.#core = core;
    this.#lending = lending;
    this.#departures = departures;
  }

  /** Ends a loan. Throws `FORMDB_CONFIG` where that loan is over already. */
  giveBack(entry: Entry<T>, loan: number, error: unknown): void {
    if (entry.loans !== loan || (entry.state !== "lent" && entry.state !== "revoked")) {
      throw notLent(entry.resource, entry.state);
    }
    const core = this.#core;
    const now = core.settings.clock.now();
    core.counts.totals.released++;
    entry.origin = undefined;
    entry.context = undefined;
    entry.leakReported = false;
    core.observer.released(entry.id, now - entry.lentAt);
    if (entry.state === "revoked") {
      core.roster.remove(entry, "gone");
      return;
    }
    entry.state = "busy";
    entry.usedAt = now;
    entry.provenAt = now;
    if (error !== undefined) this.#blame(entry, error);
    const { reset } = core.settings;
    if (reset === undefined || this.#unfit(entry, now) !== undefined) this.free(entry, now);
    else this.#keepBusy("Resetting a connection", reset, entry, now);
  }

  /** Finds out whether an entry, off its stack already, still works. */
  prove(entry: Entry<T>, now: number): void {
    this.#keepBusy("Validating a connection", this.#core.settings.validate!, entry, now);
  }

  /** An entry that nobody has goes to who waits, or on the idle stack, or out. */
  free(entry: Entry<T>, now: number): void {
    const core = this.#core;
    const reason = this.#unfit(entry, now);
    if (reason !== undefined) {
      this.#departures.discard(entry, reason);
      core.whole.pump();
      return;
    }
    if (core.queue.length === 0 || !this.#lending.handOver(entry, now)) {
      core.roster.putIdle(entry);
      const { idleTimeoutMs, keepaliveMs } = core.settings;
      const lookMs = core.roster.total > core.size.min ? Math.min(idleTimeoutMs, keepaliveMs) : keepaliveMs;
      if (core.wake.isLaterThan(now + lookMs)) core.wake.by(now + lookMs, false, now);
    }
    if (core.state !== "ready") core.whole.settleEnds();
  }

  /** Why an entry must not be lent again. */
  #unfit(entry: Entry<T>, now: number): ConnectionCloseReason | undefined {
    const core = this.#core;
    if (entry.doom !== undefined) return entry.doom;
    if (core.closing) return "poolClosed";
    if (entry.generation !== core.generation) return "stale";
    if (entry.expiresAt <= now) return "lifetime";
    if (entry.loans >= core.settings.maxUses) return "maxUses";
    return core.roster.total > core.size.max ? "idle" : undefined;
  }

  #blame(entry: Entry<T>, error: unknown): void {
    const { isFatal, invalidates } = this.#core.settings;
    if (judge(isFatal, error)) entry.doom ??= "error";
    if (invalidates !== undefined && judge(invalidates, error)) {
      entry.doom ??= "error";
      this.#core.whole.invalidate();
    }
  }

  /** Has the user's code look after a busy entry, which comes back or goes according to how that ends. */
  #keepBusy(what: string, hook: (resource: T) => unknown, entry: Entry<T>, now: number): void {
    const core = this.#core;
    const { clock, validateTimeoutMs } = core.settings;
    core.checking++;
    const end = (good: boolean): void => {
      core.checking--;
      if (entry.state !== "busy") return;
      const endedAt = clock.now();
      if (good) entry.provenAt = endedAt;
      else entry.doom ??= "error";
      this.free(entry, endedAt);
    };
    let outcome: unknown;
    try {
      outcome = hook(entry.resource);
    } catch {
      end(false);
      return;
    }
    if (!isThenable(outcome)) {
      end(outcome !== false);
      return;
    }
    core.tasks.watch(what, outcome, validateTimeoutMs, now, (error, value) => {
      end(error === undefined && value !== false);
    });
    core.wake.by(now + validateTimeoutMs, core.queue.length > 0, now);
  }
}
