import { BucketCounts } from "./bucket-counts.ts";
import type { BucketIndex } from "./bucket-index.ts";
import type { Column } from "./deferred/column.ts";
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
  readonly #values: BucketCounts;
  readonly #least: number;

  constructor(context: StoreContext, labelValues: readonly string[], text: string, index: BucketIndex) {
    this.labelValues = labelValues;
    this.text = text;
    this.createdMs = context.wallTime();
    this.#context = context;
    this.#index = index;
    this.#values = new BucketCounts(index, context.cells.take(BucketCounts.cellsFor(index)));
    this.#least = index.bounds[0]! < 0 ? -Number.MAX_VALUE : 0;
  }

  /** Never throws. */
  observe(value: number, exemplar?: ExemplarLabels): void {
    if (!(value >= this.#least && value < Infinity)) {
      this.#context.ignored();
      return;
    }
    this.#values.put(value);
    if (exemplar !== undefined) this.#keep(value, exemplar);
  }

  /** Observes all of a column. Never throws. */
  observeEach(column: Column): void {
    const leftOut = this.#values.putEach(column, this.#least);
    for (let i = 0; i < leftOut; i++) this.#context.ignored();
  }

  #keep(value: number, labels: ExemplarLabels): void {
    const exemplar = makeExemplar(labels, value, this.#context.wallTime());
    if (exemplar === undefined) return;
    this.exemplars ??= new Array<Exemplar | undefined>(this.bounds.length + 1).fill(undefined);
    this.exemplars[this.#index.find(value)] = exemplar;
  }

  /** Upper bounds without `+Inf`. */
  get bounds(): Float64Array {
    return this.#index.bounds;
  }

  /** How many values lie in each bucket alone, `+Inf` last. */
  get counts(): Float64Array {
    this.#context.backlog.settle();
    return this.#values.counts;
  }

  /** How many values were observed. */
  get count(): number {
    this.#context.backlog.settle();
    return this.#values.count;
  }

  /** The sum of all values. */
  get sum(): number {
    this.#context.backlog.settle();
    return this.#values.sum;
  }

  /** The largest value; `-Infinity` before the first. */
  get max(): number {
    this.#context.backlog.settle();
    return this.#values.max;
  }

  /** Adds what another histogram of the same bounds has counted. */
  add(counts: ArrayLike<number>, sum: number, max: number): void {
    this.#values.add(counts, sum, max);
  }

  /** Forgets all values. */
  reset(): void {
    this.#values.reset();
    this.exemplars = undefined;
    this.createdMs = this.#context.wallTime();
  }
}
