/** Those who asked last, of whom rates are remembered. */
const MAX_REMEMBERED = 10_000;

interface Bucket {
  tokens: number;
  filledAtMs: number;
}

/** A token bucket for each key or address: so many requests a second, and twice as many at once. */
export class RateLimit {
  readonly #perSecond: number;
  readonly #buckets: Map<string, Bucket> = new Map();

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  /** Takes a token; the milliseconds until there is one if there is none, else 0. */
  take(name: string, nowMs: number): number {
    if (this.#perSecond === Infinity) return 0;
    const burst = Math.max(1, this.#perSecond * 2);
    let bucket = this.#buckets.get(name);
    if (bucket === undefined) {
      // The one that was seen first is the first of the map.
      if (this.#buckets.size >= MAX_REMEMBERED) this.#buckets.delete(this.#buckets.keys().next().value!);
      bucket = { tokens: burst, filledAtMs: nowMs };
      this.#buckets.set(name, bucket);
    }
    const refill = ((nowMs - bucket.filledAtMs) / 1_000) * this.#perSecond;
    bucket.tokens = Math.min(burst, bucket.tokens + refill);
    bucket.filledAtMs = nowMs;
    if (bucket.tokens < 1) return ((1 - bucket.tokens) / this.#perSecond) * 1_000;
    bucket.tokens -= 1;
    return 0;
  }
}
