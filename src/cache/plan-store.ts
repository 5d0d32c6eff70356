import type { CacheRemovalReason } from "../base/observer.ts";
import type { CoarseTime } from "./coarse-time.ts";
import { Entry } from "./entry.ts";
import { type EvictionOrder, LruOrder } from "./eviction-order.ts";
import { GhostList } from "./ghost-list.ts";
import type { CheckedPlanCacheOptions } from "./plan-cache-options.ts";
import { TagEpochs } from "./tag-epochs.ts";
import { hashText } from "./text-hash.ts";
import { TinyLfuOrder } from "./tiny-lfu-order.ts";

/** What an entry is worth to a look-up. */
export type EntryState = "fresh" | "expired" | "stale";

/**
 * The entries of a plan cache and its limits: number, bytes, age and tags. It holds at most what the limits allow, at any
 * moment that a caller can see. It counts nothing and knows nothing of compiling: `PlanCache` does.
 */
export class PlanStore<Plan> implements Iterable<Entry<Plan>> {
  readonly #limits: CheckedPlanCacheOptions<Plan>;
  readonly #time: CoarseTime;
  readonly #onRemoved: (entry: Entry<Plan> | undefined, reason: CacheRemovalReason) => void;
  readonly #entries = new Map<string, Entry<Plan>>();
  readonly #order: EvictionOrder<Plan>;
  readonly #ghosts: GhostList<Plan>;
  readonly #epochs = new TagEpochs();
  /** Counts the moments at which a plan that was fresh may have ceased to be. */
  #moment = 0;
  /** Until then, on the clock, no entry that was verified at this moment expires. */
  #verifiedUntil = Number.POSITIVE_INFINITY;
  #bytes = 0;

  /** `onRemoved` hears of each plan that leaves, and of each that is too large to enter, which has no entry. */
  constructor(
    limits: CheckedPlanCacheOptions<Plan>,
    time: CoarseTime,
    onRemoved: (entry: Entry<Plan> | undefined, reason: CacheRemovalReason) => void,
  ) {
    this.#limits = limits;
    this.#time = time;
    this.#onRemoved = onRemoved;
    this.#order = limits.admission === "tinylfu" ? new TinyLfuOrder(limits.maxSize) : new LruOrder();
    this.#ghosts = new GhostList(limits.maxSize);
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The time by which ages are judged, in milliseconds on the cache's clock. */
  get now(): number {
    if (this.#time.advance()) this.#notice();
    return this.#time.latest;
  }

  /** How many invalidations there have been. */
  get epoch(): number {
    return this.#epochs.current;
  }

  invalidate(tag: string): void {
    this.#epochs.invalidate(tag);
    this.#forgetVerified();
  }

  /** Whether what was made at the epoch, with these tags, may be stale. */
  changedSince(epoch: number, tags: readonly string[]): boolean {
    return this.#epochs.changedSince(epoch, tags);
  }

  /**
   * The entry, if it may be served: then it is the most recently used one and has one hit more. Almost always two
   * integers decide: an entry that was verified at this moment is fresh as long as the moment lasts, which is
   * until a tag is invalidated or the first of those entries expires.
   */
  hit(text: string): Entry<Plan> | undefined {
    const entry = this.#entries.get(text);
    if (entry === undefined) return undefined;
    if (this.#time.advance()) this.#notice();
    if (entry.verifiedAt !== this.#moment && this.stateOf(entry) !== "fresh") return undefined;
    this.#order.use(entry);
    entry.hits++;
    return entry;
  }

  find(text: string): Entry<Plan> | undefined {
    return this.#entries.get(text);
  }

  /** The entry as it was when it had to make room, if it is remembered. */
  findGhost(text: string): Entry<Plan> | undefined {
    return this.#ghosts.find(hashText(text));
  }

  /** Works for ghosts too: what they would be worth if they had stayed. */
  stateOf(entry: Entry<Plan>): EntryState {
    const { ttlMs } = this.#limits;
    if (this.now - entry.writtenAt >= ttlMs) return "expired";
    if (this.#epochs.changedSince(entry.epoch, entry.tags)) return "stale";
    entry.epoch = this.#epochs.current;
    entry.verifiedAt = this.#moment;
    this.#verifiedUntil = Math.min(this.#verifiedUntil, entry.writtenAt + ttlMs);
    return "fresh";
  }

  /** The text was looked for and had nothing to serve. */
  miss(text: string): void {
    const hash = hashText(text);
    this.#order.miss(hash);
    const ghost = this.#ghosts.find(hash);
    if (ghost !== undefined) this.#ghosts.use(ghost);
  }

  /**
   * Puts a plan in, for the text's old one if there is one, and makes room for it. A plan that alone exceeds the limit is
   * not kept. `bytes` is a whole number: sums of fractions drift.
   */
  keep(text: string, plan: Plan, tags: readonly string[], bytes: number, compileMs: number): void {
    const old = this.#entries.get(text);
    if (bytes > this.#limits.maxBytes) {
      if (old !== undefined) this.remove(old, "replaced");
      this.#onRemoved(undefined, "oversized");
      return;
    }
    if (old !== undefined) {
      this.#order.use(old);
      this.#onRemoved(old, "replaced");
    }
    const entry = old ?? this.#add(text);
    this.#bytes += bytes - entry.bytes;
    entry.plan = plan;
    entry.tags = tags;
    entry.bytes = bytes;
    entry.compileMs = compileMs;
    entry.writtenAt = this.now;
    entry.epoch = this.#epochs.current;
    entry.verifiedAt = -1;
    entry.hits = 0;
    this.#makeRoom();
  }

  remove(entry: Entry<Plan>, reason: CacheRemovalReason): void {
    this.#entries.delete(entry.text);
    this.#order.remove(entry);
    this.#bytes -= entry.bytes;
    this.#onRemoved(entry, reason);
  }

  clear(): void {
    for (const entry of [...this.#entries.values()]) this.remove(entry, "deleted");
    this.#order.clear();
    this.#ghosts.clear();
  }

  /** As its eviction order has them, those to be kept longest first. */
  [Symbol.iterator](): Iterator<Entry<Plan>> {
    return this.#order[Symbol.iterator]();
  }

  #add(text: string): Entry<Plan> {
    const entry = new Entry<Plan>(text, hashText(text));
    this.#entries.set(text, entry);
    this.#ghosts.forget(entry.hash);
    this.#order.add(entry);
    return entry;
  }

  /** The clock was looked at. */
  #notice(): void {
    if (this.#time.latest >= this.#verifiedUntil) this.#forgetVerified();
  }

  #forgetVerified(): void {
    this.#moment++;
    this.#verifiedUntil = Number.POSITIVE_INFINITY;
  }

  #makeRoom(): void {
    while (this.#entries.size > this.#limits.maxSize || this.#bytes > this.#limits.maxBytes) {
      const victim = this.#order.victim();
      this.remove(victim, this.#order.reasonFor(victim));
      this.#ghosts.add(victim);
    }
    this.#order.settle();
  }
}
