import { type Exemplar, type ExemplarLabels, makeExemplar } from "./exemplar.ts";
import type { Series, StoreContext } from "./series.ts";

/**
 * A bound counter: a number that only grows, until the process or `reset` begins it anew. What is
 * negative, infinite or not a number is left out and counted as an ignored value.
 */
export class Counter implements Series {
  readonly labelValues: readonly string[];
  readonly text: string;
  createdMs: number;
  exemplar: Exemplar | undefined = undefined;
  readonly #context: StoreContext;
  readonly #values: Float64Array;
  readonly #slot: number;

  constructor(context: StoreContext, labelValues: readonly string[], text: string) {
    this.labelValues = labelValues;
    this.text = text;
    this.createdMs = context.wallTime();
    this.#context = context;
    const { values, slot } = context.cells.take(1);
    this.#values = values;
    this.#slot = slot;
  }

  /** Adds 1, or the amount. Never throws. */
  inc(amount = 1, exemplar?: ExemplarLabels): void {
    if (!(typeof amount === "number" && amount >= 0 && amount < Infinity)) {
      this.#context.ignored();
      return;
    }
    this.#values[this.#slot]! += amount;
    if (exemplar !== undefined) {
      this.exemplar = makeExemplar(exemplar, amount, this.#context.wallTime()) ?? this.exemplar;
    }
  }

  /** What was counted. */
  get value(): number {
    this.#context.backlog.settle();
    return this.#values[this.#slot]!;
  }

  /** Counts from 0 again. */
  reset(): void {
    this.#values[this.#slot] = 0;
    this.exemplar = undefined;
    this.createdMs = this.#context.wallTime();
  }
}
