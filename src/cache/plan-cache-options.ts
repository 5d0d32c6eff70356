import { type Clock, systemClock } from "../base/clock.ts";
import type { CacheMissReason, CacheObserver } from "../base/observer.ts";
import {
  checkOptions,
  func,
  integer,
  milliseconds,
  type OptionCheck,
  type OtherNames,
  object,
  oneOf,
} from "../base/options.ts";

/** More entries than this are refused: a `Map` ends at 2^24, and plans that many need another design. */
export const MAX_PLAN_CACHE_SIZE = 1_000_000;

/** How much a plan cache holds, and for how long. */
export interface PlanCacheOptions<Plan> {
  /** How many plans are kept at most. Default 1000. */
  readonly maxSize?: number | undefined;
  /** How many milliseconds old a plan may become, from the moment it is written. `Infinity`: any age. Default 300 000. */
  readonly ttlMs?: number | undefined;
  /** How many bytes the plans kept may have together. Default: only their number is bounded. */
  readonly maxBytes?: number | undefined;
  /**
   * Roughly the memory that keeping a plan costs, in bytes. Default: what the cache itself spends on the text and its
   * book-keeping, which says nothing of the plan.
   */
  readonly sizeOf?: ((plan: Plan, text: string) => number) | undefined;
  /**
   * Who gets a place in a full cache. `"always"`: every newcomer, for the least recently used one. `"tinylfu"`: a
   * newcomer that is asked for more often than the one it would replace; made for loads that walk through
   * more texts than fit, such as loops and scans. Default `"always"`.
   */
  readonly admission?: "always" | "tinylfu" | undefined;
  /** The source of time. Default the machine's. */
  readonly clock?: Clock | undefined;
  /** Told of every look-up and removal. Default none. */
  readonly observer?: CacheObserver | undefined;
}

/** What may be said of a plan that is put into the cache. */
export interface SetOptions {
  /** Names of what the plan depends on: `invalidate(tag)` makes it stale. */
  readonly tags?: readonly string[] | undefined;
  /** The memory that keeping the plan costs; else `sizeOf` says. */
  readonly bytes?: number | undefined;
  /** What compiling it cost, 0 unless given: each hit then counts as having saved so much. */
  readonly compileMs?: number | undefined;
}

/** What may be said of a plan that is yet to be compiled. */
export interface CompileOptions<Plan> {
  /** As in `SetOptions`; a function where only the plan knows. */
  readonly tags?: readonly string[] | ((plan: Plan) => readonly string[]) | undefined;
  /** As in `SetOptions`. */
  readonly bytes?: number | undefined;
}

/** How the cache answered a look-up. */
export type CacheOutcome = "hit" | CacheMissReason;

/** One plan of the cache, for inspection: a copy of its state at that moment. */
export interface PlanCacheEntry<Plan> {
  readonly text: string;
  readonly plan: Plan;
  readonly tags: readonly string[];
  /** Hits since the plan was written. */
  readonly hits: number;
  readonly ageMs: number;
  readonly bytes: number;
  readonly compileMs: number;
  /** Whether a look-up would be a hit: plans past their time or invalidated leave only when next asked for. */
  readonly state: "fresh" | "expired" | "stale";
}

/** Options with the defaults in place. */
export interface CheckedPlanCacheOptions<Plan> extends PlanCacheOptions<Plan> {
  readonly maxSize: number;
  readonly ttlMs: number;
  readonly maxBytes: number;
  readonly clock: Clock;
}

const CHECKS: Readonly<Record<keyof PlanCacheOptions<unknown>, OptionCheck>> = {
  maxSize: integer(1, MAX_PLAN_CACHE_SIZE),
  ttlMs: milliseconds,
  maxBytes: integer(1, Number.POSITIVE_INFINITY),
  sizeOf: func,
  admission: oneOf("always", "tinylfu"),
  clock: object,
  observer: object,
};

/** What other caches call them. */
export const CACHE_OTHER_NAMES: OtherNames = {
  maxSize: ["max", "maxentries", "maxitems", "capacity", "size"],
  ttlMs: ["ttl", "maxage", "maxagems", "stdttl"],
  maxBytes: ["maxmemory"],
};

/** Applies the defaults and refuses what can't be. Throws `FORMDB_CONFIG`. */
export function checkPlanCacheOptions<Plan>(options: PlanCacheOptions<Plan>): CheckedPlanCacheOptions<Plan> {
  checkOptions("PlanCache", options, CHECKS, CACHE_OTHER_NAMES);
  return {
    ...options,
    maxSize: options.maxSize ?? 1_000,
    ttlMs: options.ttlMs ?? 300_000,
    maxBytes: options.maxBytes ?? Number.POSITIVE_INFINITY,
    clock: options.clock ?? systemClock,
  };
}
