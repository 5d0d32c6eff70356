import type { BucketIndex } from "./bucket-index.ts";
import { type Exemplar, type ExemplarLabels, makeExemplar } from "./exemplar.ts";
import type { Series, StoreContext } from "./series.ts";

/**
 * A bound histogram: counts of values by bucket, their sum, and the largest. What is not a finite number,
 * or is negative where no bound is, is left out and counted as an ignored value, so that the sum only grows.
 */
export class Histogram implements Series {
  readonly labelValues: readonly string[];
  readonly text: string;
  createdMs: number;
  /** By bucket; undefined until the first one comes. */
  exemplars: (Exemplar | undefined)[] | undefined = undefined;
  readonly #context: StoreContext;
  readonly #index: BucketIndex;
  /** The buckets, `+Inf` included, then the sum and the largest value. */
  readonly #values: Float64Array;
  readonly #slot: number;
  readonly #sum: number;
  readonly #least: number;

  constructor(context: StoreContext, labelValues: readonly string[], text: string, index: BucketIndex) {
    this.labelValues = labelValues;
    this.text = text;
    this.createdMs = context.wallTime();
    this.#context = context;
    this.#index = index;
    const { values, slot } = context.cells.take(index.bounds.length + 3);
    this.#values = values;
    this.#slot = slot;
    this.#sum = slot + index.bounds.length + 1;
    this.#least = index.bounds[0]! < 0 ? -Number.MAX_VALUE : 0;
    values[this.#sum + 1] = -Infinity;
  }

  /** Never throws. */
  observe(value: number, exemplar?: ExemplarLabels): void {
    if (!(value >= this.#least && value < Infinity)) {
      this.#context.ignored();
      return;
    }
    const values = this.#values;
    const bucket = this.#index.find(value);
    values[this.#slot + bucket]! += 1;
    const sum = this.#sum;
    values[sum]! += value;
    if (value > values[sum + 1]!) values[sum + 1] = value;
    if (exemplar !== undefined) this.#keep(bucket, value, exemplar);
  }

  #keep(bucket: number, value: number, labels: ExemplarLabels): void {
    const exemplar = makeExemplar(labels, value, this.#context.wallTime());
    if (exemplar === undefined) return;
    this.exemplars ??= new Array<Exemplar | undefined>(this.bounds.length + 1).fill(undefined);
    this.exemplars[bucket] = exemplar;
  }

  /** Upper bounds without `+Inf`. */
  get bounds(): Float64Array {
    return this.#index.bounds;
  }

  /** How many values lie in each bucket alone, `+Inf` last. */
  get counts(): Float64Array {
    return this.#values.subarray(this.#slot, this.#slot + this.bounds.length + 1);
  }

  get count(): number {
    let count = 0;
    for (const bucket of this.counts) count += bucket;
    return count;
  }

  get sum(): number {
    return this.#values[this.#sum]!;
  }

  /** The largest value; `-Infinity` before the first. */
  get max(): number {
    return this.#values[this.#sum + 1]!;
  }

  /** Adds what another histogram of the same bounds has counted. */
  add(counts: ArrayLike<number>, sum: number, max: number): void {
    for (let i = 0; i <= this.bounds.length; i++) this.#values[this.#slot + i]! += counts[i] ?? 0;
    this.#values[this.#sum]! += sum;
    if (max > this.max) this.#values[this.#sum + 1] = max;
  }

  reset(): void {
    this.#values.fill(0, this.#slot, this.#sum + 1);
    this.#values[this.#sum + 1] = -Infinity;
    this.exemplars = undefined;
    this.createdMs = this.#context.wallTime();
  }
}
