import type { PoolCore } from "./core.ts";
import type { Departures } from "./departures.ts";
import type { Entry } from "./entry.ts";
import { holderOf, type LeakReport } from "./holders.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { upkeep } from "./maintenance.ts";
import type { Refusals } from "./refusals.ts";
import type { Returning } from "./returning.ts";
import type { Supply } from "./supply.ts";

/** The parts that do what the time asks for. */
export interface HousekeeperParts<T> {
  readonly refusals: Refusals<T>;
  readonly departures: Departures<T>;
  readonly returning: Returning<T>;
  readonly supply: Supply<T>;
  readonly lifecycle: Lifecycle<T>;
}

/** What happens in a pool because of the time: deadlines, upkeep and leak reports, all from its one timer. */
export class Housekeeper<T> {
  readonly #core: PoolCore<T>;
  readonly #parts: HousekeeperParts<T>;
  readonly #onLeak: (report: LeakReport) => void;

  constructor(core: PoolCore<T>, parts: HousekeeperParts<T>, onLeak: (report: LeakReport) => void) {
    this.#core = core;
    this.#parts = parts;
    this.#onLeak = onLeak;
  }

  /** Does what is due and sets the timer for what comes next. */
  wakeUp(lateMs: number): void {
    const { queue, roster, settings, tasks, wake, whole } = this.#core;
    const { refusals, departures, returning, supply, lifecycle } = this.#parts;
    const now = settings.clock.now();
    refusals.noteLoopDelay(lateMs, now);
    refusals.timeOutLate(now);
    tasks.expire(now);
    lifecycle.expire(now);
    if (this.#core.state === "closed") return;
    const next = upkeep(roster, settings, this.#core.size.min, now, {
      retire: (entry, reason) => departures.discard(entry, reason),
      prove: (entry) => {
        roster.take(entry);
        returning.prove(entry, now);
      },
      wantSuccessor: (entry) => supply.wantSuccessor(entry),
      reportLeak: (entry) => this.#reportLeak(entry, now),
    });
    whole.pump();
    wake.by(
      Math.min(next, queue.nextDeadline(), tasks.nextDeadline(), lifecycle.nextDeadline()),
      queue.length > 0 || lifecycle.isEnding,
      now,
    );
  }

  #reportLeak(entry: Entry<T>, now: number): void {
    entry.leakReported = true;
    this.#core.counts.totals.leaks++;
    try {
      this.#onLeak({ ...holderOf(entry, now), leakThresholdMs: this.#core.settings.leakThresholdMs });
    } catch {
      // A report that fails is no reason to fail.
    }
  }
}
