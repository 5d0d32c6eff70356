/**
 * Controlled delay for a queue of callers (CoDel: Nichols and Jacobson, "Controlling Queue Delay", ACM Queue 2012), in
 * the form that Facebook uses for requests (Maurer, "Fail at Scale", ACM Queue 2015; folly's `Codel`). A queue that
 * drains now and then only evens out a burst. If even the shortest wait of a whole `intervalMs` was above `targetMs`,
 * the queue stands: until an interval is better, whoever has waited for more than twice the target is turned away.
 */
export class CoDel {
  readonly #targetMs: number;
  readonly #intervalMs: number;
  #intervalEndsAt = 0;
  #shortestWaitMs = 0;
  #standing = false;

  constructor(targetMs: number, intervalMs: number) {
    this.#targetMs = targetMs;
    this.#intervalMs = intervalMs;
  }

  /** Whether the caller whose turn it is, after `waitedMs`, is to be turned away. */
  sheds(now: number, waitedMs: number): boolean {
    if (now < this.#intervalEndsAt) {
      this.#shortestWaitMs = Math.min(this.#shortestWaitMs, waitedMs);
    } else {
      // An interval in which nobody waited says nothing of a standing queue.
      const recent = now < this.#intervalEndsAt + this.#intervalMs;
      this.#standing = recent && this.#shortestWaitMs > this.#targetMs;
      this.#intervalEndsAt = now + this.#intervalMs;
      this.#shortestWaitMs = waitedMs;
    }
    return this.#standing && waitedMs > 2 * this.#targetMs;
  }
}
