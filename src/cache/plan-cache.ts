import type { Clock } from "../base/clock.ts";
import {
  CACHE_EVENTS,
  type CacheMissReason,
  type CacheObserver,
  type CacheRemovalReason,
  guardObservers,
} from "../base/observer.ts";
import {
  checkOptions,
  configError,
  either,
  func,
  milliseconds,
  type OptionCheck,
  show,
} from "../base/options.ts";
import { CoarseTime } from "./coarse-time.ts";
import { type Entry, NO_TAGS } from "./entry.ts";
import type { Flight } from "./flight.ts";
import {
  type CacheOutcome,
  type CheckedPlanCacheOptions,
  type CompileOptions,
  checkPlanCacheOptions,
  type PlanCacheEntry,
  type PlanCacheOptions,
  type SetOptions,
} from "./plan-cache-options.ts";
import { CacheCounters, type PlanCacheStats } from "./plan-cache-stats.ts";
import { PlanStore } from "./plan-store.ts";

export type { CacheOutcome, CompileOptions, PlanCacheEntry, PlanCacheOptions, PlanCacheStats, SetOptions };

/** Roughly what the cache itself spends on an entry, beside its text. */
const ENTRY_BYTES = 200;

/**
 * Compiled plans by the text that they were compiled from: bounded in number, bytes and age, least recently used
 * out first (or by W-TinyLFU), invalidated by tag, compiled once however many ask at once. It knows
 * nothing of SQL; a plan is whatever a compiler gives.
 *
 * **Which call to use.** `getOrCompileSync(text, compile)` where the compiler is synchronous, as FormDB's own is: one
 * look-up, one count, and on a hit as fast as `get`. `getOrCompile` where it is not: always a promise. `get` followed by
 * either counts two look-ups, so `get` goes with `set` only. `lastOutcome` says how the last look-up ended
 * and `outcomeOf(text)` how the next one would, without counting.
 *
 * **What a look-up costs.** A hit is one `Map` look-up, two comparisons of integers, a move to the front of a list
 * and one count, which is kept in the entry: `stats()` adds up. The clock is read seldom (`CoarseTime`), and ages and
 * tags are compared only when something may have changed (`PlanStore.hit`). Everything else happens on misses.
 *
 * **What is in flight.** Whoever asks for a text that is being compiled shares that compilation, unless the text was
 * set, deleted, cleared or its tags invalidated since the compilation began: then its plan goes to those who
 * had asked before, but it is not kept, and whoever asks now starts a new one.
 */
export class PlanCache<Plan> {
  readonly #options: CheckedPlanCacheOptions<Plan>;
  readonly #clock: Clock;
  readonly #observer: Required<CacheObserver>;
  readonly #observed: boolean;
  readonly #store: PlanStore<Plan>;
  readonly #flights = new Map<string, Flight<Plan>>();
  readonly #counters = new CacheCounters();
  #lastOutcome: CacheOutcome | undefined;

  constructor(options: PlanCacheOptions<Plan> = {}) {
    this.#options = checkPlanCacheOptions(options);
    this.#clock = this.#options.clock;
    this.#observer = guardObservers<CacheObserver>(CACHE_EVENTS, [options.observer]);
    this.#observed = options.observer !== undefined;
    this.#store = new PlanStore(this.#options, new CoarseTime(this.#clock), (entry, reason) =>
      this.#countRemoval(entry, reason),
    );
  }

  /** The plan, or undefined where there is none that may be used. Counts one look-up. */
  get(text: string): Plan | undefined {
    const entry = this.#store.hit(text);
    if (entry !== undefined) return this.#serve(entry);
    this.#countMiss(this.#missReason(text));
    return undefined;
  }

  /**
   * The plan, compiled and kept if there is none that may be used. Counts one look-up. What `compile` throws is
   * thrown on and not kept; the look-up then counts as a miss by an `invalid` text.
   */
  getOrCompileSync(text: string, compile: (text: string) => Plan, options?: CompileOptions<Plan>): Plan {
    const entry = this.#store.hit(text);
    if (entry !== undefined) return this.#serve(entry);
    const reason = this.#missReason(text);
    const flight = this.#takeOff(text, reason, options);
    let refused = true;
    try {
      const plan = compile(text);
      if (typeof (plan as { then?: unknown } | undefined)?.then === "function") {
        throw configError(
          "getOrCompileSync needs a compiler that gives plans, not promises: use getOrCompile",
        );
      }
      refused = false;
      this.#countMiss(reason);
      this.#land(flight, plan, options);
      return plan;
    } catch (error) {
      if (refused) this.#countMiss("invalid");
      this.#crash(flight);
      throw error;
    }
  }

  /**
   * A promise of the plan, compiled and kept if there is none that may be used; callers that ask meanwhile share the
   * compilation, and its error, which is not kept. Counts one look-up for each caller.
   */
  getOrCompile(
    text: string,
    compile: (text: string) => Plan | PromiseLike<Plan>,
    options?: CompileOptions<Plan>,
  ): Promise<Plan> {
    try {
      const cached = this.get(text);
      return cached === undefined ? this.#join(text, compile, options) : Promise.resolve(cached);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The compilation that is in flight for a text, else a new one. */
  #join(
    text: string,
    compile: (text: string) => Plan | PromiseLike<Plan>,
    options: CompileOptions<Plan> | undefined,
  ): Promise<Plan> {
    const current = this.#flights.get(text);
    if (current?.plan !== undefined && !this.#isOvertaken(current, current.tags)) {
      this.#counters.coalesced++;
      return current.plan;
    }
    const flight = this.#takeOff(text, this.#lastOutcome as CacheMissReason, options);
    flight.plan = this.#fly(flight, compile, options);
    return flight.plan;
  }

  /** Puts a plan in, whether or not there is one. It is written now: its age counts from here. */
  set(text: string, plan: Plan, options?: SetOptions): void {
    checkText(text);
    if (options !== undefined) checkOptions("set()", options, SET_OPTIONS);
    this.#keep(text, plan, options?.compileMs ?? 0, options?.tags ?? NO_TAGS, options?.bytes);
    if (this.#flights.size > 0) this.#flights.delete(text);
  }

  /** Takes the plan out. Says whether there was one that could have been used. */
  delete(text: string): boolean {
    this.#flights.delete(text);
    const entry = this.#store.find(text);
    if (entry === undefined) return false;
    const usable = this.#store.stateOf(entry) === "fresh";
    this.#store.remove(entry, "deleted");
    return usable;
  }

  /**
   * Makes every plan with that tag stale. Nothing is flushed: a stale plan is never served, and is replaced when its
   * text is next asked for.
   */
  invalidate(tag: string): void {
    this.#store.invalidate(tag);
  }

  /** Takes all plans out. Counters stay. */
  clear(): void {
    this.#flights.clear();
    this.#store.clear();
  }

  /** Whether a look-up would be a hit. Counts nothing. */
  has(text: string): boolean {
    return this.outcomeOf(text) === "hit";
  }

  /** How a look-up of the text would end. Counts nothing and refreshes nothing. */
  outcomeOf(text: string): CacheOutcome {
    const entry = this.#store.find(text);
    if (entry !== undefined) {
      const state = this.#store.stateOf(entry);
      return state === "fresh" ? "hit" : state;
    }
    const flight = this.#flights.get(text);
    if (flight !== undefined) return flight.reason;
    const ghost = this.#store.findGhost(text);
    if (ghost === undefined) return "cold";
    const state = this.#store.stateOf(ghost);
    return state === "fresh" ? "evicted" : state;
  }

  /** How the last look-up ended; undefined before the first. */
  get lastOutcome(): CacheOutcome | undefined {
    return this.#lastOutcome;
  }

  /** Counts a statement that went past the cache on purpose, as a miss. */
  countBypass(): void {
    this.#countMiss("bypassed");
  }

  /** The plans in the cache, most recently used first; with TinyLFU within each of its segments. */
  entries(): PlanCacheEntry<Plan>[] {
    const { now } = this.#store;
    return Array.from(this.#store, (entry) => ({
      text: entry.text,
      plan: entry.plan as Plan,
      tags: entry.tags,
      hits: entry.hits,
      ageMs: now - entry.writtenAt,
      bytes: entry.bytes,
      compileMs: entry.compileMs,
      state: this.#store.stateOf(entry),
    }));
  }

  /** How many plans it holds. */
  get size(): number {
    return this.#store.size;
  }

  /** What it holds, and what was counted since it was made. */
  stats(): PlanCacheStats {
    return this.#counters.snapshot(this.#store, {
      size: this.#store.size,
      maxSize: this.#options.maxSize,
      bytes: this.#store.bytes,
      maxBytes: this.#options.maxBytes,
      inFlight: this.#flights.size,
    });
  }

  async #fly(
    flight: Flight<Plan>,
    compile: (text: string) => Plan | PromiseLike<Plan>,
    options: CompileOptions<Plan> | undefined,
  ): Promise<Plan> {
    try {
      const plan = await compile(flight.text);
      this.#land(flight, plan, options);
      return plan;
    } catch (error) {
      this.#crash(flight);
      throw error;
    }
  }

  #takeOff(text: string, reason: CacheMissReason, options: CompileOptions<Plan> | undefined): Flight<Plan> {
    if (options !== undefined) checkOptions("getOrCompile()", options, COMPILE_OPTIONS);
    const tags = options?.tags;
    const flight: Flight<Plan> = {
      text,
      reason,
      epoch: this.#store.epoch,
      startedAt: this.#clock.now(),
      tags: typeof tags === "function" ? undefined : (tags ?? NO_TAGS),
      plan: undefined,
    };
    this.#flights.set(text, flight);
    return flight;
  }

  /** The plan is there: it is counted, and kept unless something has happened to its place. */
  #land(flight: Flight<Plan>, plan: Plan, options: CompileOptions<Plan> | undefined): void {
    const compileMs = this.#clock.now() - flight.startedAt;
    const tags =
      (typeof options?.tags === "function" ? tagsGiven(options.tags(plan)) : options?.tags) ?? NO_TAGS;
    if (this.#flights.get(flight.text) === flight && !this.#isOvertaken(flight, tags)) {
      this.#keep(flight.text, plan, compileMs, tags, options?.bytes);
    } else {
      this.#counters.overtaken++;
    }
    this.#close(flight);
    this.#counters.compiles++;
    this.#counters.compileMs += compileMs;
    this.#observer.compiled(compileMs);
  }

  #crash(flight: Flight<Plan>): void {
    this.#counters.compileFailures++;
    this.#close(flight);
  }

  #close(flight: Flight<Plan>): void {
    if (this.#flights.get(flight.text) === flight) this.#flights.delete(flight.text);
  }

  /** Whether its plan may be stale already. Where the tags are not known yet, any invalidation counts. */
  #isOvertaken(flight: Flight<Plan>, tags: readonly string[] | undefined): boolean {
    if (tags === undefined) return flight.epoch !== this.#store.epoch;
    return this.#store.changedSince(flight.epoch, tags);
  }

  #keep(
    text: string,
    plan: Plan,
    compileMs: number,
    tags: readonly string[],
    bytes: number | undefined,
  ): void {
    if (plan === undefined) throw configError("PlanCache can't keep undefined, which get gives for no plan");
    const { sizeOf } = this.#options;
    const size = bytes ?? (sizeOf === undefined ? ENTRY_BYTES + 2 * text.length : sizeOf(plan, text));
    if (!(size >= 0 && size <= Number.MAX_SAFE_INTEGER)) {
      throw configError(
        `A plan's size must be a number of bytes, zero or more, not ${show(size)}`,
        "bytes",
        size,
      );
    }
    this.#store.keep(text, plan, tags, Math.ceil(size), compileMs);
  }

  #serve(entry: Entry<Plan>): Plan {
    this.#lastOutcome = "hit";
    if (this.#observed) {
      this.#observer.hit();
      if (entry.compileMs > 0) this.#observer.saved(entry.compileMs);
    }
    return entry.plan as Plan;
  }

  /** Why there is no usable plan. Takes one that can't be used out. */
  #missReason(text: string): CacheMissReason {
    checkText(text);
    const reason = this.outcomeOf(text) as CacheMissReason;
    if (reason === "evicted") this.#counters.ghostHits++;
    const entry = this.#store.find(text);
    if (entry !== undefined) this.#store.remove(entry, reason as "expired" | "stale");
    this.#store.miss(text);
    return reason;
  }

  #countMiss(reason: CacheMissReason): void {
    this.#counters.missesBy[reason]++;
    this.#lastOutcome = reason;
    this.#observer.miss(reason);
  }

  #countRemoval(entry: Entry<Plan> | undefined, reason: CacheRemovalReason): void {
    if (entry !== undefined) this.#counters.countHitsOf(entry);
    if (reason === "evicted") this.#counters.evictions++;
    else if (reason === "rejected") this.#counters.rejected++;
    else if (reason === "oversized") this.#counters.oversized++;
    this.#observer.removed(reason);
  }
}

const anything: OptionCheck = () => undefined;
const tagList: OptionCheck = (value) =>
  Array.isArray(value) && value.every((tag) => typeof tag === "string") ? undefined : "an array of strings";
const SET_OPTIONS = { tags: tagList, compileMs: milliseconds, bytes: anything };
const COMPILE_OPTIONS = { tags: either(func, tagList), bytes: anything };

function tagsGiven(tags: readonly string[] | undefined): readonly string[] | undefined {
  const wanted = tagList(tags ?? NO_TAGS);
  if (wanted === undefined) return tags;
  throw configError(`The function tags must give ${wanted}, not ${show(tags)}`, "tags", tags);
}

function checkText(text: unknown): void {
  if (typeof text !== "string")
    throw configError(`A plan's text must be a string, not ${show(text)}`, "text", text);
}
