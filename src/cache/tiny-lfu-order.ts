import type { Entry, Segment } from "./entry.ts";
import { type EvictionOrder, LruOrder } from "./eviction-order.ts";
import { FrequencySketch } from "./frequency-sketch.ts";
import { OrderDuel } from "./order-duel.ts";
import { RecencyList } from "./recency-list.ts";

/** The part of the cache that takes in every newcomer. */
export const WINDOW_SHARE = 0.1;

/** The part of the rest that is kept for entries that were used again. */
export const PROTECTED_SHARE = 0.8;

/**
 * The order of `admission: "tinylfu"`: W-TinyLFU (paper: see `FrequencySketch`). Newcomers live in a small LRU list,
 * the *window*, so that something new and busy is found at once. An entry that falls out of the full window may stay
 * only if it was looked for more often lately than the one that would have to leave for it; otherwise it is itself the
 * victim. Equals do not replace each other: that is what makes a loop longer than the cache keep a part of it.
 * Those that stay are on *probation*, and *protected* once they were used there.
 *
 * Where popularity moves on faster than counts can follow, LRU is better. An `OrderDuel` finds out, and as long as LRU
 * would win the window is the whole cache, which is LRU.
 */
export class TinyLfuOrder<Plan> implements EvictionOrder<Plan> {
  readonly #sketch: FrequencySketch;
  readonly #duel: OrderDuel | undefined;
  readonly #lists: Readonly<Record<Segment, RecencyList<Plan>>> = {
    window: new RecencyList<Plan>(),
    probation: new RecencyList<Plan>(),
    protected: new RecencyList<Plan>(),
  };

  /** With `adaptive` false the window keeps its size: so does the one that duels with LRU. */
  constructor(maxSize: number, adaptive = true) {
    this.#sketch = new FrequencySketch(maxSize);
    if (adaptive) {
      this.#duel = new OrderDuel(
        maxSize,
        (size) => new TinyLfuOrder(size, false),
        () => new LruOrder(),
      );
    }
  }

  add(entry: Entry<Plan>): void {
    entry.segment = "window";
    this.#lists.window.add(entry);
  }

  use(entry: Entry<Plan>): void {
    this.#count(entry.hash);
    if (entry.segment !== "probation") {
      this.#lists[entry.segment].use(entry);
      return;
    }
    this.#move(entry, "protected");
    if (this.#lists.protected.size > Math.floor(this.#mainSize * PROTECTED_SHARE)) {
      this.#move(this.#lists.protected.oldest!, "probation");
    }
  }

  miss(hash: number): void {
    this.#count(hash);
  }

  remove(entry: Entry<Plan>): void {
    this.#lists[entry.segment].remove(entry);
  }

  victim(): Entry<Plan> {
    const { window, probation, protected: kept } = this.#lists;
    const candidate = window.oldest;
    const resident = probation.oldest ?? kept.oldest;
    if (resident === undefined) return candidate!;
    if (candidate === undefined || !this.#windowOverflows()) return resident;
    if (this.#sketch.estimate(candidate.hash) <= this.#sketch.estimate(resident.hash)) return candidate;
    this.#move(candidate, "probation");
    return resident;
  }

  reasonFor(victim: Entry<Plan>): "evicted" | "rejected" {
    return victim.segment === "window" ? "rejected" : "evicted";
  }

  settle(): void {
    while (this.#windowOverflows()) this.#move(this.#lists.window.oldest!, "probation");
  }

  clear(): void {
    for (const list of Object.values(this.#lists)) list.clear();
    this.#sketch.clear();
  }

  /** The window, then what is protected, then what is on probation, each from the most to the least recent. */
  *[Symbol.iterator](): Generator<Entry<Plan>> {
    yield* this.#lists.window;
    yield* this.#lists.protected;
    yield* this.#lists.probation;
  }

  get #mainSize(): number {
    return this.#lists.probation.size + this.#lists.protected.size;
  }

  /** By the entries that there are, since bytes may bound the cache long before their number does. */
  #windowOverflows(): boolean {
    const { window } = this.#lists;
    const windowShare = this.#duel?.secondWins ? 1 : WINDOW_SHARE;
    return window.size > Math.max(1, Math.floor((window.size + this.#mainSize) * windowShare));
  }

  #count(hash: number): void {
    this.#sketch.count(hash);
    this.#duel?.lookUp(hash);
  }

  #move(entry: Entry<Plan>, segment: Segment): void {
    this.#lists[entry.segment].remove(entry);
    entry.segment = segment;
    this.#lists[segment].add(entry);
  }
}
