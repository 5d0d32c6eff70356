/** Shortest time that a peak covers, so that several scrapers see the same. */
export const PEAK_WINDOW_MS = 60_000;

/**
 * A level, and its peak since the previous reading and for at least `PEAK_WINDOW_MS`: what a
 * gauge that is read now and then does not see.
 */
export class Peak {
  level = 0;
  #highest = 0;
  #before = 0;
  #since: number;

  constructor(now: number) {
    this.#since = now;
  }

  up(): void {
    this.level++;
  }

  /** Never below zero: counting may have begun in between. */
  down(): void {
    if (this.level > 0) this.level--;
  }

  /** Takes the present level into account. */
  mark(): void {
    if (this.level > this.#highest) this.#highest = this.level;
  }

  /** The peak; a new window begins if the present one is long enough. */
  read(now: number): number {
    this.mark();
    if (now - this.#since < PEAK_WINDOW_MS) return Math.max(this.#before, this.#highest);
    this.#since = now;
    this.#before = this.#highest;
    this.#highest = this.level;
    return this.#before;
  }
}
