import type { CacheMissReason } from "../base/observer.ts";
import type { Entry } from "./entry.ts";

/** A snapshot of a plan cache. Counters count from the cache's making and never go back, not even on `clear()`. */
export interface PlanCacheStats {
  /** Plans in the cache, including those past their time that nobody has asked for since. */
  readonly size: number;
  readonly maxSize: number;
  readonly bytes: number;
  /** `Infinity` where bytes are not bounded. */
  readonly maxBytes: number;
  /** hits / (hits + misses), misses by `invalid` texts left out; 0 before the first look-up. */
  readonly hitRate: number;
  readonly hits: number;
  readonly misses: number;
  readonly missesBy: Readonly<Record<CacheMissReason, number>>;
  /**
   * What `hitRate` would have been with `maxSize` and `maxBytes` twice as large: exact where plans are bounded by
   * number and admitted always, an estimate otherwise.
   */
  readonly hitRateAtDoubleSize: number;
  /** Plans that had to make room for others. */
  readonly evictions: number;
  /** Newcomers that TinyLFU sent away. */
  readonly rejected: number;
  /** Plans used but not kept because they alone exceed `maxBytes`. */
  readonly oversized: number;
  /** Plans used but not kept because the cache was changed in that place while they were compiled. */
  readonly overtaken: number;
  /** Compilations that went well, and their time together. */
  readonly compiles: number;
  readonly compileMs: number;
  readonly compileFailures: number;
  /** Misses that needed no compilation of their own because one was in flight. */
  readonly coalesced: number;
  /** Texts being compiled right now. */
  readonly inFlight: number;
  /** Compile time that hits have saved, by what compiling each plan had cost. */
  readonly savedMs: number;
}

type Counted = Pick<Entry<unknown>, "hits" | "compileMs">;

/**
 * The counters behind `PlanCacheStats`. Hits are counted in the entries, where they cost least, and added to these
 * when a plan leaves or somebody asks.
 */
export class CacheCounters {
  readonly missesBy: Record<CacheMissReason, number> = {
    cold: 0,
    expired: 0,
    evicted: 0,
    stale: 0,
    bypassed: 0,
    invalid: 0,
  };
  ghostHits = 0;
  evictions = 0;
  rejected = 0;
  oversized = 0;
  overtaken = 0;
  compiles = 0;
  compileMs = 0;
  compileFailures = 0;
  coalesced = 0;
  #hits = 0;
  #savedMs = 0;

  /** The entry's plan leaves. */
  countHitsOf({ hits, compileMs }: Counted): void {
    this.#hits += hits;
    this.#savedMs += hits * compileMs;
  }

  snapshot(
    present: Iterable<Counted>,
    now: Pick<PlanCacheStats, "size" | "maxSize" | "bytes" | "maxBytes" | "inFlight">,
  ): PlanCacheStats {
    let hits = this.#hits;
    let savedMs = this.#savedMs;
    for (const entry of present) {
      hits += entry.hits;
      savedMs += entry.hits * entry.compileMs;
    }
    const { ghostHits, missesBy, ...counters } = this;
    const misses = Object.values(missesBy).reduce((sum, count) => sum + count, 0);
    const lookups = hits + misses - missesBy.invalid;
    return Object.freeze({
      ...now,
      ...counters,
      hits,
      misses,
      missesBy: Object.freeze({ ...missesBy }),
      hitRate: lookups === 0 ? 0 : hits / lookups,
      hitRateAtDoubleSize: lookups === 0 ? 0 : (hits + ghostHits) / lookups,
      savedMs,
    });
  }
}
