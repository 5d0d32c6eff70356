/** A frequency counts up to here: more is not needed to tell a frequent text from a rare one. */
export const MAX_FREQUENCY = 15;

const ROWS = 4;
const COUNTERS_PER_ENTRY = 4;
const SAMPLE_PER_ENTRY = 10;

/** Odd constants, one a row, that spread one hash into independent ones (from the golden ratio and xxHash). */
const SEEDS: readonly number[] = [0x9e3779b1, 0x85ebca77, 0xc2b2ae3d, 0x27d4eb2f];

/**
 * How often texts were looked for lately, in a fixed amount of memory: a count-min sketch that ages.
 *
 * The idea is TinyLFU's (Einziger, Friedman, Manes: "TinyLFU: A Highly Efficient Cache Admission Policy", ACM
 * Transactions on Storage 13(4), 2017; Caffeine made it widely known). LRU takes in every newcomer
 * and so forgets what is used often whenever a crowd of texts that are used once comes by: a scan, a bulk job that
 * writes literals into its texts, a loop slightly longer than the cache. A cache would do better if it asked of a
 * newcomer: are you likely to be used more often than the one that has to leave for you? The past
 * answers that well, but remembering every text of the past costs more memory than the cache. The sketch answers it
 * approximately, at 16 bytes for each entry that the cache can hold, whatever passes through.
 *
 * There are four rows of counters. A text has one counter in each row, chosen by its hash; others share it, so a counter
 * may say too much but never too little, and the least of the four is the estimate. Counting adds one
 * only to counters that are at that least value ("conservative update"), which keeps the error of the others down.
 *
 * Popularity fades. After ten counts for each entry that the cache can hold all counters are halved, so that the past
 * weighs half as much with every such period, and a text of yesterday gives way to one of today. That reset is also why
 * small counters do: nobody can count much beyond 15 between two halvings without being plainly frequent.
 *
 * Counters are bytes although four bits would do: packing would save 8 bytes an entry and cost the clarity of
 * this file.
 */
export class FrequencySketch {
  readonly #counters: Uint8Array;
  readonly #mask: number;
  readonly #rowLength: number;
  readonly #sampleSize: number;
  #counted = 0;

  /** A sketch to guard a cache of at most `entries` entries. */
  constructor(entries: number) {
    this.#rowLength = 2 ** Math.ceil(Math.log2(Math.max(entries, 4) * COUNTERS_PER_ENTRY));
    this.#mask = this.#rowLength - 1;
    this.#counters = new Uint8Array(this.#rowLength * ROWS);
    this.#sampleSize = Math.max(entries, 4) * SAMPLE_PER_ENTRY;
  }

  /** The memory that the counters take. */
  get bytes(): number {
    return this.#counters.byteLength;
  }

  /** How often the text was counted lately: at least as often as it really was, up to `MAX_FREQUENCY`. */
  estimate(hash: number): number {
    const counters = this.#counters;
    let least = MAX_FREQUENCY;
    for (let row = 0; row < ROWS; row++) {
      const count = counters[this.#slot(hash, row)]!;
      if (count < least) least = count;
    }
    return least;
  }

  /** Counts the text once. */
  count(hash: number): void {
    const least = this.estimate(hash);
    if (least < MAX_FREQUENCY) {
      for (let row = 0; row < ROWS; row++) {
        const slot = this.#slot(hash, row);
        if (this.#counters[slot] === least) this.#counters[slot] = least + 1;
      }
    }
    if (++this.#counted >= this.#sampleSize) this.#halve();
  }

  clear(): void {
    this.#counters.fill(0);
    this.#counted = 0;
  }

  #slot(hash: number, row: number): number {
    const spread = Math.imul(hash, SEEDS[row]!);
    return row * this.#rowLength + ((spread ^ (spread >>> 15)) & this.#mask);
  }

  #halve(): void {
    const counters = this.#counters;
    for (let i = 0; i < counters.length; i++) counters[i]! >>>= 1;
    this.#counted >>>= 1;
  }
}
