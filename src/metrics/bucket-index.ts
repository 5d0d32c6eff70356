import { configError, show } from "../base/options.ts";

/** Most buckets that a histogram may have, `+Inf` aside. */
export const MAX_BUCKETS = 1_000;

/** The high half of a double holds its sign, its exponent and 20 bits of its fraction; two of them are kept. */
const DROPPED_BITS = 18;

const scratch = new Float64Array(1);
const halves = new Uint32Array(scratch.buffer);
scratch[0] = 1;
const HIGH = halves[0] === 0x3ff00000 ? 0 : 1;

function cellOf(value: number): number {
  scratch[0] = value;
  return halves[HIGH]! >>> DROPPED_BITS;
}

/**
 * Finds the bucket of a value: the first upper bound that is not below it. Positive values are found by
 * arithmetic: a double's exponent and the first two bits of its fraction say in which quarter of an
 * octave it lies, a table says where that begins among the bounds, and a step or two end the search
 * (the idea of HdrHistogram, over bounds of any layout). Bounds below zero are searched by halving.
 */
export class BucketIndex {
  readonly bounds: Float64Array;
  readonly #last: number;
  readonly #table: Uint16Array;
  readonly #base: number;
  readonly #negative: boolean;

  constructor(bounds: readonly number[]) {
    this.bounds = Float64Array.from(bounds);
    this.#last = bounds.at(-1) ?? -Infinity;
    this.#negative = (bounds[0] ?? 0) < 0;
    const positive = bounds.findIndex((bound) => bound > 0);
    const first = positive === -1 ? bounds.length : positive;
    this.#base = positive === -1 ? 0 : cellOf(bounds[positive]!);
    const size = positive === -1 ? 1 : cellOf(this.#last) - this.#base + 1;
    this.#table = new Uint16Array(size);
    let bound = first;
    for (let cell = 0; cell < size; cell++) {
      while (bound < bounds.length && cellOf(bounds[bound]!) < this.#base + cell) bound++;
      this.#table[cell] = bound;
    }
    this.#table[0] = first;
  }

  /** The index of a value's bucket; the number of bounds for what exceeds them all. */
  find(value: number): number {
    if (this.#negative) return this.#halve(value);
    const bounds = this.bounds;
    if (value > this.#last) return bounds.length;
    if (value <= bounds[0]!) return 0;
    const cell = cellOf(value) - this.#base;
    let i = cell > 0 ? this.#table[cell]! : this.#table[0]!;
    while (value > bounds[i]!) i++;
    return i;
  }

  #halve(value: number): number {
    const bounds = this.bounds;
    let low = 0;
    let high = bounds.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (value > bounds[middle]!) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Returns the bounds if a histogram can have them: finite, ascending, without repetition, not too many. */
export function checkBounds(name: string, bounds: readonly number[]): readonly number[] {
  if (!Array.isArray(bounds)) {
    throw configError(
      `The buckets of the histogram ${name} must be an array of numbers, not ${show(bounds)}`,
    );
  }
  if (bounds.length === 0 || bounds.length > MAX_BUCKETS) {
    throw configError(
      `The histogram ${name} must have from 1 to ${MAX_BUCKETS} buckets, not ${bounds.length}`,
    );
  }
  for (const [i, bound] of bounds.entries()) {
    if (typeof bound !== "number" || !Number.isFinite(bound)) {
      throw configError(
        `The histogram ${name} must have finite bucket bounds (+Inf is always there), not ${show(bound)}`,
      );
    }
    if (i > 0 && bound <= bounds[i - 1]!) {
      throw configError(
        `The histogram ${name} must have ascending bucket bounds, but ${bound} follows ${bounds[i - 1]}`,
      );
    }
  }
  return Object.freeze([...bounds]);
}
