import { BucketIndex } from "./bucket-index.ts";
import { Counter } from "./counter.ts";
import type { MetricDefinition } from "./definitions.ts";
import type { ExemplarLabels } from "./exemplar.ts";
import { Family, type FamilyOptions } from "./family.ts";
import { Gauge } from "./gauge.ts";
import { Histogram } from "./histogram.ts";
import type { StoreContext } from "./series.ts";

/** A counter metric. Without labels it is its own handle, so to speak: `inc` adds to the only series. */
export class CounterFamily extends Family<Counter> {
  override readonly type = "counter";

  constructor(context: StoreContext, definition: MetricDefinition, options: FamilyOptions) {
    super(context, definition, options);
    this.begin();
  }

  protected override make(labelValues: readonly string[], text: string): Counter {
    return new Counter(this.context, labelValues, text);
  }

  /** Adds to the only series. */
  inc(amount = 1, exemplar?: ExemplarLabels): void {
    this.only.inc(amount, exemplar);
  }

  /** The value of the only series. */
  get value(): number {
    return this.only.value;
  }
}

/** A gauge metric; the methods of its own are those of the only series. */
export class GaugeFamily extends Family<Gauge> {
  override readonly type = "gauge";

  constructor(context: StoreContext, definition: MetricDefinition, options: FamilyOptions) {
    super(context, definition, options);
    this.begin();
  }

  protected override make(labelValues: readonly string[], text: string): Gauge {
    return new Gauge(this.context, labelValues, text);
  }

  /** Sets the only series. */
  set(value: number): void {
    this.only.set(value);
  }

  /** Adds to the only series. */
  inc(amount = 1): void {
    this.only.inc(amount);
  }

  /** Takes from the only series. */
  dec(amount = 1): void {
    this.only.dec(amount);
  }

  /** Has the value read by `read` whenever metrics are exported. */
  collect(read: () => number): void {
    this.only.collect(read);
  }

  /** The value of the only series. */
  get value(): number {
    return this.only.value;
  }
}

/** A histogram metric; `observe` records in the only series. */
export class HistogramFamily extends Family<Histogram> {
  override readonly type = "histogram";
  readonly bounds: readonly number[];
  readonly #index: BucketIndex;

  constructor(context: StoreContext, definition: MetricDefinition, options: FamilyOptions) {
    super(context, definition, options);
    this.bounds = definition.buckets ?? [];
    this.#index = new BucketIndex(this.bounds);
    this.begin();
  }

  protected override make(labelValues: readonly string[], text: string): Histogram {
    return new Histogram(this.context, labelValues, text, this.#index);
  }

  /** Records a value in the only series. */
  observe(value: number, exemplar?: ExemplarLabels): void {
    this.only.observe(value, exemplar);
  }
}

export type AnyFamily = CounterFamily | GaugeFamily | HistogramFamily;
