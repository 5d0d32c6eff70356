import type { Clock, Timer } from "../base/clock.ts";

/** How late a reading may be, roughly: see `CoarseTime`. */
export const TIME_RESOLUTION_MS = 1;

/** At most so many readings are answered from memory between two looks at the clock. */
export const MAX_READINGS_FROM_MEMORY = 63;

/** Readings that come less often than so many in `TIME_RESOLUTION_MS` are not worth the timer. */
const WORTHWHILE_READINGS = 32;

/**
 * A clock that is looked at seldom. Asking the system for the time costs about as much as finding a plan, so a look
 * is reused for the readings that follow it, but only while they come fast: their number doubles each time that the
 * last ones took less than half of `TIME_RESOLUTION_MS` together, and falls to none when they took longer or were few. A
 * timer ends the reuse when the readings stop. So a reading is late by more than a millisecond only where a burst of
 * readings is followed, in the same turn of the event loop, by work that blocks it.
 *
 * A clock that stands still between two looks is a test's: it is looked at each time and its readings are exact.
 */
export class CoarseTime {
  readonly #clock: Clock;
  #now: number;
  #fromMemory = 0;
  #remaining = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#now = clock.now();
  }

  /** The last look's time, in milliseconds on the clock's scale. */
  get latest(): number {
    return this.#now;
  }

  /** Before each use of `latest`: looks at the clock if it is time to, and says whether it did. */
  advance(): boolean {
    if (this.#remaining === 0) {
      this.#look();
      return true;
    }
    this.#remaining--;
    return false;
  }

  #look(): void {
    const now = this.#clock.now();
    const elapsedMs = now - this.#now;
    this.#now = now;
    const worthwhileMs = ((this.#fromMemory + 1) / WORTHWHILE_READINGS) * TIME_RESOLUTION_MS;
    const fast = elapsedMs > 0 && elapsedMs < Math.min(worthwhileMs, TIME_RESOLUTION_MS / 2);
    this.#fromMemory = fast ? Math.min(this.#fromMemory * 2 + 1, MAX_READINGS_FROM_MEMORY) : 0;
    this.#remaining = this.#fromMemory;
    if (fast) this.#timer ??= this.#clock.schedule(this.#forget, TIME_RESOLUTION_MS, { keepAlive: false });
  }

  readonly #forget = (): void => {
    this.#timer = undefined;
    this.#remaining = 0;
  };
}
