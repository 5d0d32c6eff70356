import { disown } from "../base/callback.ts";
import { configError } from "../base/options.ts";
import type { Series, StoreContext } from "./series.ts";

/** A bound gauge: a number that is set, moved up and down, or read when metrics are exported. */
export class Gauge implements Series {
  readonly labelValues: readonly string[];
  readonly text: string;
  readonly createdMs: number;
  readonly #context: StoreContext;
  readonly #values: Float64Array;
  readonly #slot: number;
  #read: (() => number) | undefined = undefined;
  #moves = false;

  constructor(context: StoreContext, labelValues: readonly string[], text: string) {
    this.labelValues = labelValues;
    this.text = text;
    this.createdMs = context.wallTime();
    this.#context = context;
    const { values, slot } = context.cells.take(1);
    this.#values = values;
    this.#slot = slot;
  }

  /** Any number goes, NaN and the infinities included: the exposition formats know them. */
  set(value: number): void {
    this.#values[this.#slot] = value;
  }

  /** Adds to the value. */
  inc(amount = 1): void {
    this.#moves = true;
    this.#values[this.#slot]! += Number(amount);
  }

  /** Takes from the value. */
  dec(amount = 1): void {
    this.#moves = true;
    this.#values[this.#slot]! -= Number(amount);
  }

  /** Has the value read by `read` whenever metrics are exported. What `read` throws is counted, not passed on. */
  collect(read: () => number): void {
    this.#read = read;
  }

  /** Reads a gauge that is read at export; `collect` said how. */
  refresh(): void {
    if (this.#read === undefined) return;
    const value: unknown = this.#read();
    if (disown(value))
      throw configError("A gauge must be read from a function that gives a number, not a promise");
    this.#values[this.#slot] = value as number;
  }

  /** The value now. */
  get value(): number {
    this.#context.backlog.settle();
    return this.#values[this.#slot]!;
  }

  /** Back to zero, unless the gauge is moved up and down: then it says how many are open, and stays true. */
  reset(): void {
    if (!this.#moves) this.#values[this.#slot] = 0;
  }
}
