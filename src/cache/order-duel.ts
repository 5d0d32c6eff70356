import { Entry } from "./entry.ts";
import type { EvictionOrder } from "./eviction-order.ts";

/** A shadow cache holds at least so many entries: fewer would judge by too few texts. */
const LEAST_SHADOW_SIZE = 128;
const MOST_SAMPLING = 16;
const LOOKUPS_PER_ROUND_AND_ENTRY = 4;
/** The other order must be better by this share of the look-ups before the verdict changes. */
const MARGIN = 0.005;

/**
 * Two eviction orders compared on the load as it is: each rules a small shadow cache, of hashes without plans, which sees
 * one in so many texts and is smaller by the same factor, so that its hit ratio is close to that of a whole cache
 * (Waldspurger, Saemundsson, Ahmad, Park: "Cache Modeling and Optimization using Miniature Simulations", USENIX ATC 2017;
 * the contest itself is Qureshi's set dueling, ISCA 2007). Earlier rounds count half as much with each new one.
 */
export class OrderDuel {
  readonly #sampling: number;
  readonly #first: Shadow;
  readonly #second: Shadow;
  readonly #roundLength: number;
  #lookups = 0;
  #lead = 0;
  #secondWins = false;

  constructor(
    maxSize: number,
    makeFirst: (shadowSize: number) => EvictionOrder<never>,
    makeSecond: (shadowSize: number) => EvictionOrder<never>,
  ) {
    let sampling = 1;
    while (sampling < MOST_SAMPLING && maxSize / (2 * sampling) >= LEAST_SHADOW_SIZE) sampling *= 2;
    const size = Math.ceil(maxSize / sampling);
    this.#sampling = sampling;
    this.#first = new Shadow(size, makeFirst(size));
    this.#second = new Shadow(size, makeSecond(size));
    this.#roundLength = size * LOOKUPS_PER_ROUND_AND_ENTRY;
  }

  get secondWins(): boolean {
    return this.#secondWins;
  }

  /** A text was looked for. */
  lookUp(hash: number): void {
    if (((hash >>> 24) & (this.#sampling - 1)) !== 0) return;
    this.#lead += Number(this.#second.lookUp(hash)) - Number(this.#first.lookUp(hash));
    if (++this.#lookups >= this.#roundLength) this.#judge();
  }

  #judge(): void {
    const needed = MARGIN * this.#lookups;
    if (this.#lead > needed) this.#secondWins = true;
    else if (this.#lead < -needed) this.#secondWins = false;
    this.#lead /= 2;
    this.#lookups = 0;
  }
}

class Shadow {
  readonly #maxSize: number;
  readonly #order: EvictionOrder<never>;
  readonly #entries = new Map<number, Entry<never>>();

  constructor(maxSize: number, order: EvictionOrder<never>) {
    this.#maxSize = maxSize;
    this.#order = order;
  }

  /** Looks for the text and takes it in if it is not there, which is what `false` says. */
  lookUp(hash: number): boolean {
    const found = this.#entries.get(hash);
    if (found !== undefined) {
      this.#order.use(found);
      return true;
    }
    this.#order.miss(hash);
    const entry = new Entry<never>("", hash);
    this.#entries.set(hash, entry);
    this.#order.add(entry);
    if (this.#entries.size > this.#maxSize) {
      const victim = this.#order.victim();
      this.#order.remove(victim);
      this.#entries.delete(victim.hash);
    }
    this.#order.settle();
    return false;
  }
}
