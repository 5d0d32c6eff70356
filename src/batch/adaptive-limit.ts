/** What is left of the limit after a flush that took too long. */
const DECREASE = 0.5;

/**
 * How many operations a group may have, by additive increase and multiplicative decrease (Chiu and Jain, 1989;
 * on limits of concurrency in Netflix' concurrency-limits): a flush above the target halves it, a full group within the
 * target adds a twentieth of the range.
 */
export class AdaptiveLimit {
  readonly #min: number;
  readonly #max: number;
  readonly #targetMs: number;
  readonly #increase: number;
  #limit: number;

  constructor(min: number, max: number, targetMs: number) {
    this.#min = min;
    this.#max = max;
    this.#targetMs = targetMs;
    this.#increase = Math.max(1, Math.floor((max - min) / 20));
    this.#limit = max;
  }

  get limit(): number {
    return this.#limit;
  }

  record(operations: number, ms: number): void {
    if (ms > this.#targetMs) {
      this.#limit = Math.max(this.#min, Math.floor(Math.min(this.#limit, operations) * DECREASE));
    } else if (operations >= this.#limit) {
      this.#limit = Math.min(this.#max, this.#limit + this.#increase);
    }
  }
}
