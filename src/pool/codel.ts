/**
 * CoDel on a queue of callers (Nichols and Jacobson, "Controlling Queue Delay", ACM Queue 2012; on connection
 * claims first in cueball). A queue that drains now and then is a good queue. One in which everybody has
 * waited longer than `targetMs` for a whole `intervalMs` stands, and sheds callers at a rising rate until
 * the wait is below the target again.
 */
export class CoDel {
  readonly #targetMs: number;
  readonly #intervalMs: number;
  /** When the wait will have been too long for a whole interval; 0 while it is not too long. */
  #badAt = 0;
  #shedding = false;
  #nextShedAt = 0;
  #shed = 0;

  constructor(targetMs: number, intervalMs: number) {
    this.#targetMs = targetMs;
    this.#intervalMs = intervalMs;
  }

  /** Whether the caller whose turn it is, after `waitedMs`, is to be turned away. */
  sheds(now: number, waitedMs: number): boolean {
    const standing = this.#stands(now, waitedMs);
    if (!this.#shedding) {
      if (!standing) return false;
      this.#shedding = true;
      // An overload that comes back soon is met at the rate that was needed before.
      this.#shed = now - this.#nextShedAt < this.#intervalMs * 16 ? Math.max(1, this.#shed - 2) : 1;
      this.#nextShedAt = now + this.#pause();
      return true;
    }
    if (!standing) {
      this.#shedding = false;
      return false;
    }
    if (now < this.#nextShedAt) return false;
    this.#shed++;
    this.#nextShedAt += this.#pause();
    return true;
  }

  #stands(now: number, waitedMs: number): boolean {
    if (waitedMs < this.#targetMs) {
      this.#badAt = 0;
      return false;
    }
    if (this.#badAt === 0) {
      this.#badAt = now + this.#intervalMs;
      return false;
    }
    return now >= this.#badAt;
  }

  #pause(): number {
    return this.#intervalMs / Math.sqrt(this.#shed);
  }
}
