import type { PoolCore } from "./core.ts";
import type { Entry } from "./entry.ts";
import { holderOf, type LeakReport } from "./holders.ts";
import type { Lending } from "./lending.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { Returning } from "./returning.ts";
import type { Roster } from "./roster.ts";
import { replaceAt } from "./supply.ts";
import { WakeUp } from "./wake-up.ts";

/** Used more recently than this, an entry is worth replacing even above the minimum. */
const RECENT_USE_MS = 1_000;

/** The parts that do what the time asks for. */
export interface HousekeepingParts<T> {
  readonly roster: Roster<T>;
  readonly lending: Lending<T>;
  readonly returning: Returning<T>;
  readonly lifecycle: Lifecycle<T>;
}

/** What happens in a pool because of the time: deadlines, upkeep and leak reports, all from its one timer. */
export class Housekeeping<T> {
  readonly #core: PoolCore<T>;
  readonly #roster: Roster<T>;
  readonly #lending: Lending<T>;
  readonly #returning: Returning<T>;
  readonly #lifecycle: Lifecycle<T>;
  readonly #onLeak: (report: LeakReport) => void;
  /** The last look came late and judged nothing. */
  #postponed = false;

  constructor(core: PoolCore<T>, parts: HousekeepingParts<T>, onLeak: (report: LeakReport) => void) {
    this.#core = core;
    this.#roster = parts.roster;
    this.#lending = parts.lending;
    this.#returning = parts.returning;
    this.#lifecycle = parts.lifecycle;
    this.#onLeak = onLeak;
  }

  /**
   * Does what is due and sets the timer for what comes next. After a stall nothing is judged before input and
   * output have had a turn, and the stall is added to all deadlines: time in which the process could not run is
   * no waiting. The turn after it judges, however late it is, so that a loop that is always late postpones nothing
   * for ever.
   */
  wakeUp(lateMs: number): void {
    const { settings, tasks, wake } = this.#core;
    const now = settings.clock.now();
    this.#postponed = !this.#postponed && WakeUp.isStall(lateMs);
    let next = now;
    if (this.#postponed) {
      this.#lending.excuse(lateMs, now);
      tasks.excuse(lateMs, now);
    } else {
      this.#lending.timeOutLate(now);
      tasks.expire(now);
      this.#lifecycle.expire(now);
      if (this.#core.state === "closed") return;
      next = Math.min(this.#closeSurplus(now), this.#lookAfterEach(now));
      this.#core.advance();
    }
    const deadline = Math.min(
      this.#lending.nextDeadline(),
      tasks.nextDeadline(),
      this.#lifecycle.nextDeadline(),
    );
    wake.by(Math.min(next, deadline), this.#lending.waiting > 0 || this.#lifecycle.isEnding, now);
  }

  /** Closes what has been idle too long beyond the minimum. Gives when there is next something to do. */
  #closeSurplus(now: number): number {
    const { idleTimeoutMs } = this.#core.settings;
    for (;;) {
      const entry = this.#roster.longestIdle;
      if (entry === undefined || this.#roster.total <= this.#core.size.min) return Infinity;
      const idleUntil = entry.usedAt + idleTimeoutMs;
      if (idleUntil > now) return idleUntil;
      this.#roster.discard(entry, "idle");
    }
  }

  /** Reports leaks, ends lifetimes, asks for successors, proves what is idle. Gives when to look next. */
  #lookAfterEach(now: number): number {
    const { settings } = this.#core;
    let next = Infinity;
    for (const entry of this.#roster.entries()) {
      if (entry.state === "lent" && !entry.leakReported) {
        const leakAt = entry.lentAt + settings.leakThresholdMs;
        if (leakAt <= now) this.#reportLeak(entry, now);
        else next = Math.min(next, leakAt);
      }
      if (entry.state === "idle" && entry.expiresAt <= now) {
        this.#roster.discard(entry, "lifetime");
        continue;
      }
      if (entry.expiresAt > now) next = Math.min(next, entry.expiresAt);
      if (!entry.replacing && entry.doom === undefined && entry.state !== "revoked") {
        const successorAt = replaceAt(settings.maxLifetimeMs, entry.expiresAt);
        if (successorAt > now) next = Math.min(next, successorAt);
        else if (this.#isWorthReplacing(entry, now)) this.#roster.setReplacing(entry, true);
      }
      if (entry.state === "idle") {
        const proveAt = entry.provenAt + settings.keepaliveMs;
        if (proveAt <= now) this.#returning.prove(entry, now);
        else next = Math.min(next, proveAt);
      }
    }
    return next;
  }

  #isWorthReplacing({ state, usedAt }: Entry<T>, now: number): boolean {
    return this.#roster.total <= this.#core.size.min || state !== "idle" || now - usedAt < RECENT_USE_MS;
  }

  #reportLeak(entry: Entry<T>, now: number): void {
    entry.leakReported = true;
    this.#core.counts.totals.leaks++;
    this.#onLeak({ ...holderOf(entry, now), leakThresholdMs: this.#core.settings.leakThresholdMs });
  }
}
