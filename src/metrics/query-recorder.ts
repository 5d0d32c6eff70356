import type { QueryOutcome } from "./catalogue.ts";
import type { Counter } from "./counter.ts";
import type { ExemplarLabels } from "./exemplar.ts";
import type { Histogram } from "./histogram.ts";
import type { CounterFamily, HistogramFamily } from "./instruments.ts";

interface QueryHandles {
  readonly count: Counter;
  readonly duration: Histogram;
}

/**
 * Bound handles by operation, collection and outcome, so that recording a query is three look-ups in small
 * maps and a few adds. Keeps as many as the histogram keeps label sets.
 */
export class QueryRecorder {
  readonly #counts: CounterFamily;
  readonly #durations: HistogramFamily;
  readonly #maxKept: number;
  readonly #byOperation: Map<string, Map<string, Map<string, QueryHandles>>> = new Map();
  #kept = 0;
  #operation = "";
  #collection = "";
  #outcome = "";
  #current: QueryHandles | undefined;

  constructor(counts: CounterFamily, durations: HistogramFamily, maxKept: number) {
    this.#counts = counts;
    this.#durations = durations;
    this.#maxKept = maxKept;
  }

  record(
    operation: string,
    collection: string,
    outcome: QueryOutcome,
    seconds: number,
    exemplar: ExemplarLabels | undefined,
  ): void {
    // Queries come in runs of one kind: comparing three names costs less than looking them up.
    if (operation !== this.#operation || collection !== this.#collection || outcome !== this.#outcome) {
      this.#current =
        this.#byOperation.get(operation)?.get(collection)?.get(outcome) ??
        this.#handles(operation, collection, outcome);
      this.#operation = operation;
      this.#collection = collection;
      this.#outcome = outcome;
    }
    const handles = this.#current!;
    handles.count.inc(1);
    handles.duration.observe(seconds, exemplar);
  }

  #handles(operation: string, collection: string, outcome: string): QueryHandles {
    const handles = {
      count: this.#counts.labels({ operation, outcome }),
      duration: this.#durations.labels({ operation, collection, outcome }),
    };
    // Beyond the limit the look-up is made each time, and counted as an overflow by the histogram.
    if (this.#kept < this.#maxKept) {
      this.#kept++;
      const byCollection = childOf(this.#byOperation, operation);
      childOf(byCollection, collection).set(outcome, handles);
    }
    return handles;
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
