import type { BucketIndex } from "./bucket-index.ts";
import type { CellRun } from "./cells.ts";
import type { Column } from "./deferred/column.ts";

/** Counts of values by bucket, their sum, and the largest, in a run of cells. */
export class BucketCounts {
  readonly #index: BucketIndex;
  /** The buckets, `+Inf` included, then the sum and the largest value. */
  readonly #cells: Float64Array;
  readonly #first: number;
  readonly #sum: number;

  /** How many cells it needs. */
  static cellsFor(index: BucketIndex): number {
    return index.bounds.length + 3;
  }

  constructor(index: BucketIndex, { values, slot }: CellRun) {
    this.#index = index;
    this.#cells = values;
    this.#first = slot;
    this.#sum = slot + index.bounds.length + 1;
    values[this.#sum + 1] = -Infinity;
  }

  /** The value must be a number that the index can find: finite, and negative only if a bound is. */
  put(value: number): void {
    const cells = this.#cells;
    const sum = this.#sum;
    cells[this.#first + this.#index.find(value)]! += 1;
    cells[sum]! += value;
    if (value > cells[sum + 1]!) cells[sum + 1] = value;
  }

  /** Puts all of a column in. Gives how many were left out: less than `least`, infinite or not a number. */
  putEach({ values, start, end, step, divisor }: Column, least: number): number {
    const cells = this.#cells;
    const index = this.#index;
    const first = this.#first;
    let sum = this.sum;
    let max = this.max;
    let leftOut = 0;
    for (let i = start; i < end; i += step) {
      const value = values[i]! / divisor;
      if (!(value >= least && value < Infinity)) {
        leftOut++;
        continue;
      }
      cells[first + index.find(value)]! += 1;
      sum += value;
      if (value > max) max = value;
    }
    cells[this.#sum] = sum;
    cells[this.#sum + 1] = max;
    return leftOut;
  }

  /** How many values lie in each bucket alone, `+Inf` last. */
  get counts(): Float64Array {
    return this.#cells.subarray(this.#first, this.#sum);
  }

  get count(): number {
    let count = 0;
    for (const bucket of this.counts) count += bucket;
    return count;
  }

  get sum(): number {
    return this.#cells[this.#sum]!;
  }

  /** The largest value; `-Infinity` before the first. */
  get max(): number {
    return this.#cells[this.#sum + 1]!;
  }

  /** Adds the counts of another one with the same bounds. */
  add(counts: ArrayLike<number>, sum: number, max: number): void {
    const cells = this.#cells;
    for (let i = 0; i <= this.#index.bounds.length; i++) cells[this.#first + i]! += counts[i] ?? 0;
    cells[this.#sum]! += sum;
    if (max > this.max) cells[this.#sum + 1] = max;
  }

  reset(): void {
    this.#cells.fill(0, this.#first, this.#sum + 1);
    this.#cells[this.#sum + 1] = -Infinity;
  }
}
