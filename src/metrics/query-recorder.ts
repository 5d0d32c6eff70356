import type { QueryOutcome } from "./catalogue.ts";
import type { Counter } from "./counter.ts";
import type { Histogram } from "./histogram.ts";
import type { CounterFamily, HistogramFamily } from "./instruments.ts";

/** What queries of one operation, collection and outcome are counted in. */
export interface QuerySeries {
  readonly count: Counter;
  readonly duration: Histogram;
}

/**
 * Bound handles by operation, collection and outcome, so that finding those of a query is three look-ups in small
 * maps. Keeps as many as the histogram keeps label sets.
 */
export class QueryRecorder {
  readonly #counts: CounterFamily;
  readonly #durations: HistogramFamily;
  readonly #maxKept: number;
  readonly #byOperation: Map<string, Map<string, Map<string, QuerySeries>>> = new Map();
  #kept = 0;
  #operation = "";
  #collection = "";
  #outcome = "";
  #current: QuerySeries | undefined;

  constructor(counts: CounterFamily, durations: HistogramFamily, maxKept: number) {
    this.#counts = counts;
    this.#durations = durations;
    this.#maxKept = maxKept;
  }

  seriesOf(operation: string, collection: string, outcome: QueryOutcome): QuerySeries {
    // Queries come in runs of one kind: comparing three names costs less than looking them up.
    if (operation !== this.#operation || collection !== this.#collection || outcome !== this.#outcome) {
      this.#current =
        this.#byOperation.get(operation)?.get(collection)?.get(outcome) ??
        this.#make(operation, collection, outcome);
      this.#operation = operation;
      this.#collection = collection;
      this.#outcome = outcome;
    }
    return this.#current!;
  }

  #make(operation: string, collection: string, outcome: string): QuerySeries {
    const series = {
      count: this.#counts.labels({ operation, outcome }),
      duration: this.#durations.labels({ operation, collection, outcome }),
    };
    // Beyond the limit the look-up is made each time, and counted as an overflow by the histogram.
    if (this.#kept < this.#maxKept) {
      this.#kept++;
      const byCollection = childOf(this.#byOperation, operation);
      childOf(byCollection, collection).set(outcome, series);
    }
    return series;
  }
}

function childOf<V>(parent: Map<string, Map<string, V>>, key: string): Map<string, V> {
  let child = parent.get(key);
  if (child === undefined) {
    child = new Map();
    parent.set(key, child);
  }
  return child;
}
