import { configError, show } from "../base/options.ts";
import type { Counter } from "./counter.ts";
import type { Backlog } from "./deferred/backlog.ts";
import {
  type CounterName,
  DURATION_BUCKETS,
  type GaugeName,
  type HistogramName,
  METRIC_DEFINITIONS,
  type MetricDefinition,
} from "./definitions.ts";
import { ExemplarSource } from "./exemplar.ts";
import { type ExportFormat, exposition } from "./exposition.ts";
import type { AnyFamily, CounterFamily, GaugeFamily, HistogramFamily } from "./instruments.ts";
import type { MetricsSettings } from "./metrics-options.ts";
import { QueryCounts } from "./query-counts.ts";
import { Registry } from "./registry.ts";

const BY_NAME: ReadonlyMap<string, MetricDefinition> = new Map(
  METRIC_DEFINITIONS.map((definition) => [definition.name, definition]),
);

/**
 * What is behind a `Metrics`: the registry with FormDB's own metrics, by their names, and what FormDB's recorders and
 * adapters need beside the public methods. `storeOf` gives it.
 */
export class MetricStore {
  readonly registry: Registry;
  readonly queries: QueryCounts;
  readonly exemplars: ExemplarSource;
  /** Failures of what the application has metrics read from. */
  readonly collectErrors: Counter;
  /** Aborted when endpoints need not keep the process running any more: the database whose metrics these are is closed. */
  readonly released: AbortController = new AbortController();
  readonly #settings: MetricsSettings;

  constructor(settings: MetricsSettings) {
    this.#settings = settings;
    const { prefix, maxLabelSets, constLabels, clock } = settings;
    let ignored: Counter | undefined;
    let overflows: CounterFamily | undefined;
    this.registry = new Registry(
      { prefix, maxLabelSets, constLabels, wallTime: () => clock.wallTime() },
      { ignored: () => ignored?.inc(), overflowed: (metric) => overflows?.labels({ metric }).inc() },
    );
    for (const definition of METRIC_DEFINITIONS) if (definition.onDemand !== true) this.define(definition);
    ignored = this.counter("metrics_ignored_values_total").labels();
    overflows = this.counter("metrics_label_overflows_total");
    this.collectErrors = this.counter("metrics_collect_errors_total").labels();
    this.exemplars = new ExemplarSource(() => this.collectErrors.inc(1));
    this.queries = new QueryCounts(
      {
        total: this.counter("query_total").labels(),
        latency: this.gauge("query_latency_ms").labels(),
        counts: this.counter("queries_by_operation_total"),
        durations: this.histogram("query_duration_seconds"),
      },
      this.exemplars,
      maxLabelSets,
    );
  }

  /** Milliseconds by the store's clock; only differences mean something. */
  now(): number {
    return this.#settings.clock.now();
  }

  counter(name: CounterName): CounterFamily {
    return this.#own(name) as CounterFamily;
  }

  gauge(name: GaugeName): GaugeFamily {
    return this.#own(name) as GaugeFamily;
  }

  histogram(name: HistogramName): HistogramFamily {
    return this.#own(name) as HistogramFamily;
  }

  /** What was recorded and is not counted yet: settled before anything is read. */
  get backlog(): Backlog {
    return this.registry.backlog;
  }

  /** Upper bounds in seconds of FormDB's own durations. */
  get durationBuckets(): readonly number[] {
    return this.#settings.buckets;
  }

  /** Makes a metric, or gives the one that is there. Throws `FORMDB_CONFIG`. */
  define(definition: MetricDefinition): AnyFamily {
    const own =
      definition.buckets === DURATION_BUCKETS
        ? { ...definition, buckets: this.#settings.buckets }
        : definition;
    // The series that count overflows are as many as there are metrics, which have a limit of their own.
    return this.registry.define(own, definition.name === "metrics_label_overflows_total");
  }

  /** Reads everything that is read at export. */
  collect(): void {
    this.registry.collect(() => this.collectErrors.inc(1));
  }

  /** An export in pieces of about 64 KiB. */
  pieces(format: ExportFormat): Generator<string> {
    if (format !== "prometheus" && format !== "openmetrics") {
      throw configError(`Metrics can be exported as "prometheus" or "openmetrics", not as ${show(format)}`);
    }
    this.collect();
    return exposition(this.registry.families, { format, created: this.#settings.created });
  }

  /** One of FormDB's own metrics, defined now if it is exported on demand only. */
  #own(name: CounterName | GaugeName | HistogramName): AnyFamily {
    const definition = BY_NAME.get(name)!;
    const present = this.registry.get(name);
    return present?.type === definition.type ? present : this.define(definition);
  }
}
