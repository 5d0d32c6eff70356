import { getOrInsert } from "../base/maps.ts";
import type { Counter } from "./counter.ts";
import type { Column } from "./deferred/column.ts";
import type { ExemplarSource } from "./exemplar.ts";
import type { Gauge } from "./gauge.ts";
import type { Histogram } from "./histogram.ts";
import type { CounterFamily, HistogramFamily } from "./instruments.ts";
import type { QueryOutcome } from "./label-values.ts";

/** The metrics that count a query. */
export interface QueryInstruments {
  readonly total: Counter;
  /** Shows the latency of the last query, in milliseconds. */
  readonly latency: Gauge;
  readonly counts: CounterFamily;
  readonly durations: HistogramFamily;
}

/** What queries of one operation, collection and outcome are counted in. */
interface QuerySeries {
  readonly count: Counter;
  readonly duration: Histogram;
}

/**
 * Counts queries and their durations. Handles are kept by operation, collection and outcome, so that finding those of a
 * query is three look-ups in small maps. Keeps as many as the histogram keeps label sets.
 */
export class QueryCounts {
  readonly #instruments: QueryInstruments;
  readonly #exemplars: ExemplarSource;
  readonly #maxKept: number;
  readonly #byOperation: Map<string, Map<string, Map<string, QuerySeries>>> = new Map();
  #kept = 0;
  #operation = "";
  #collection = "";
  #outcome = "";
  #current: QuerySeries | undefined;

  constructor(instruments: QueryInstruments, exemplars: ExemplarSource, maxKept: number) {
    this.#instruments = instruments;
    this.#exemplars = exemplars;
    this.#maxKept = maxKept;
  }

  record(operation: string, collection: string, outcome: QueryOutcome, latencyMs: number): void {
    this.#instruments.total.inc(1);
    if (isLatency(latencyMs)) this.#instruments.latency.set(latencyMs);
    const { count, duration } = this.#seriesOf(operation, collection, outcome);
    count.inc(1);
    duration.observe(latencyMs / 1_000, this.#exemplars.next());
  }

  /** Records several of one kind. The durations are in seconds: the column's divisor makes them from milliseconds. */
  recordEach(operation: string, collection: string, outcome: QueryOutcome, durations: Column): void {
    const { values, start, end, step } = durations;
    const queries = (end - start) / step;
    this.#instruments.total.inc(queries);
    for (let i = end - step; i >= start; i -= step) {
      if (!isLatency(values[i]!)) continue;
      this.#instruments.latency.set(values[i]!);
      break;
    }
    const { count, duration } = this.#seriesOf(operation, collection, outcome);
    count.inc(queries);
    if (this.#exemplars.present) {
      for (let i = start; i < end; i += step) {
        duration.observe(values[i]! / durations.divisor, this.#exemplars.next());
      }
    } else duration.observeEach(durations);
  }

  #seriesOf(operation: string, collection: string, outcome: QueryOutcome): QuerySeries {
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
    const { counts, durations } = this.#instruments;
    const series = {
      count: counts.labels({ operation, outcome }),
      duration: durations.labels({ operation, collection, outcome }),
    };
    // Beyond the limit the look-up is made each time, and counted as an overflow by the histogram.
    if (this.#kept < this.#maxKept) {
      this.#kept++;
      const byCollection = getOrInsert(this.#byOperation, operation, () => new Map());
      getOrInsert(byCollection, collection, () => new Map()).set(outcome, series);
    }
    return series;
  }
}

function isLatency(ms: number): boolean {
  return ms >= 0 && ms < Infinity;
}
