import type { Clock } from "../base/clock.ts";
import type { CacheMissReason } from "../base/observer.ts";
import { configError, show } from "../base/options.ts";
import type { Backlog } from "./backlog.ts";
import { CATALOGUE, DURATION_BUCKETS, type MetricDefinition, type QueryOutcome } from "./catalogue.ts";
import type { Counter } from "./counter.ts";
import type { ExemplarLabels } from "./exemplar.ts";
import { type ExportFormat, exposition } from "./exposition.ts";
import type { Gauge } from "./gauge.ts";
import type { AnyFamily, CounterFamily, GaugeFamily, HistogramFamily } from "./instruments.ts";
import type { ListenOptions, ScrapeEndpoint } from "./listen.ts";
import { type MetricsOptions, metricsSettings } from "./metrics-options.ts";
import { contentTypeOf, formatFor } from "./negotiate.ts";
import { QueryRecorder } from "./query-recorder.ts";
import { Registry } from "./registry.ts";
import { type MetricsSnapshot, snapshotOf } from "./snapshot.ts";
import {
  type BatchSource,
  type CacheSource,
  type CatalogueHost,
  type PoolSource,
  Sources,
} from "./sources.ts";
import { type MetricsSummary, summarize } from "./summary.ts";

export type { MetricsOptions } from "./metrics-options.ts";

/** What a query did, for `recordQuery`. */
export interface QueryLabels {
  readonly operation?: string | undefined;
  readonly collection?: string | undefined;
  /** Default `ok`. */
  readonly outcome?: QueryOutcome | undefined;
}

/**
 * A store of metrics: FormDB's own (docs/metrics.md lists them, the seed's eight among them) and those that an
 * application adds. Numbers live in typed arrays; recording through a bound handle is an add. One store is
 * exported as Prometheus text 0.0.4 and as OpenMetrics 1.0.
 */
export class Metrics implements CatalogueHost {
  readonly prefix: string;
  readonly constLabels: Readonly<Record<string, string>>;
  readonly #clock: Clock;
  readonly #created: boolean;
  readonly #buckets: readonly number[];
  readonly #registry: Registry;
  readonly #queries: QueryRecorder;
  readonly #sources: Sources;
  readonly #total: Counter;
  readonly #latency: Gauge;
  readonly #hits: Counter;
  readonly #misses: Counter;
  readonly #missesBy: CounterFamily;
  readonly #errors: Counter;
  readonly #collectErrors: Counter;
  #loopWatchers = 0;
  #stopLoopWatch: (() => void) | undefined = undefined;
  #exemplarSource: (() => ExemplarLabels | undefined) | undefined = undefined;

  constructor(options: MetricsOptions = {}) {
    const { prefix, maxLabelSets, buckets, constLabels, created, clock } = metricsSettings(options);
    this.prefix = prefix;
    this.constLabels = constLabels;
    this.#clock = clock;
    this.#created = created;
    this.#buckets = buckets;
    let ignored: Counter | undefined;
    let overflows: CounterFamily | undefined;
    this.#registry = new Registry(
      {
        prefix,
        maxLabelSets,
        constLabels,
        wallTime: () => clock.wallTime(),
      },
      { ignored: () => ignored?.inc(), overflowed: (metric) => overflows?.labels({ metric }).inc() },
    );
    for (const definition of CATALOGUE) if (definition.onDemand !== true) this.#define(definition);
    ignored = this.counterOf("metrics_ignored_values_total").labels();
    overflows = this.counterOf("metrics_label_overflows_total");
    this.#total = this.counterOf("query_total").labels();
    this.#latency = this.gaugeOf("query_latency_ms").labels();
    this.#hits = this.counterOf("cache_hits_total").labels();
    this.#misses = this.counterOf("cache_misses_total").labels();
    this.#missesBy = this.counterOf("cache_misses_by_reason_total");
    this.#errors = this.counterOf("errors_total").labels();
    this.#collectErrors = this.counterOf("metrics_collect_errors_total").labels();
    this.#queries = new QueryRecorder(
      this.counterOf("queries_by_operation_total"),
      this.histogramOf("query_duration_seconds"),
      maxLabelSets,
    );
    this.#sources = new Sources(this);
  }

  /** Milliseconds by the store's clock; only differences mean something. */
  now(): number {
    return this.#clock.now();
  }

  /** Counts a query and its latency in milliseconds. A latency that is no such number is left out. */
  recordQuery(latencyMs: number, labels?: QueryLabels): void {
    // The last query is the one whose latency is shown: those before it come first.
    this.backlog.settle();
    if (typeof labels !== "object" || labels === null) this.recordQueryAs("other", "", "ok", latencyMs);
    else {
      this.recordQueryAs(
        labels.operation ?? "other",
        labels.collection ?? "",
        labels.outcome ?? "ok",
        latencyMs,
      );
    }
  }

  /** `recordQuery` without an object for the labels. */
  recordQueryAs(operation: string, collection: string, outcome: QueryOutcome, latencyMs: number): void {
    this.#total.inc(1);
    if (latencyMs >= 0 && latencyMs < Infinity) this.#latency.set(latencyMs);
    const exemplar = this.#exemplarSource === undefined ? undefined : this.#exemplar();
    const { count, duration } = this.#queries.seriesOf(operation, collection, outcome);
    count.inc(1);
    duration.observe(latencyMs / 1_000, exemplar);
  }

  /** `recordQueryAs` for several: their latencies are every `step`th of `values` from `start` to `end`. */
  recordQueriesAs(
    operation: string,
    collection: string,
    outcome: QueryOutcome,
    values: Float64Array,
    start: number,
    end: number,
    step: number,
  ): void {
    const queries = (end - start) / step;
    this.#total.inc(queries);
    for (let i = end - step; i >= start; i -= step) {
      if (!(values[i]! >= 0 && values[i]! < Infinity)) continue;
      this.#latency.set(values[i]!);
      break;
    }
    const { count, duration } = this.#queries.seriesOf(operation, collection, outcome);
    count.inc(queries);
    if (this.#exemplarSource === undefined) duration.observeEach(values, start, end, step, 1_000);
    else for (let i = start; i < end; i += step) duration.observe(values[i]! / 1_000, this.#exemplar());
  }

  recordCacheHit(): void {
    this.#hits.inc(1);
  }

  recordCacheMiss(reason: CacheMissReason = "cold"): void {
    this.#misses.inc(1);
    this.#missesBy.labels({ reason }).inc(1);
  }

  /** Counts an error, by its code and by the class of its SQLSTATE where given. */
  recordError(code = "other", sqlstate = ""): void {
    this.#errors.inc(1);
    this.counterOf("errors_by_code_total").labels({ code }).inc(1);
    if (/^[0-9A-Z]{5}$/.test(sqlstate)) {
      this.counterOf("errors_by_sqlstate_class_total")
        .labels({ sqlstate_class: sqlstate.slice(0, 2) })
        .inc(1);
    }
  }

  /** Makes a counter, or gives the one that is there. The name gets the prefix unless it has it. */
  counter(name: string, help: string, labelNames: readonly string[] = []): CounterFamily {
    return this.#define({ name, type: "counter", help, labels: labelNames }) as CounterFamily;
  }

  gauge(name: string, help: string, labelNames: readonly string[] = []): GaugeFamily {
    return this.#define({ name, type: "gauge", help, labels: labelNames }) as GaugeFamily;
  }

  /** `buckets` are upper bounds, ascending; without them, those of FormDB's durations in seconds. */
  histogram(
    name: string,
    help: string,
    buckets?: readonly number[],
    labelNames: readonly string[] = [],
  ): HistogramFamily {
    const present = this.#registry.get(name);
    const bounds = buckets ?? (present?.type === "histogram" ? present.bounds : this.#buckets);
    return this.#define({
      name,
      type: "histogram",
      help,
      labels: labelNames,
      buckets: bounds,
    }) as HistogramFamily;
  }

  /** The metric of that name, with or without the prefix. */
  get(name: string): AnyFamily | undefined {
    return this.#registry.get(name);
  }

  /** A counter of the catalogue. */
  counterOf(name: string): CounterFamily {
    return this.#catalogued(name, "counter") as CounterFamily;
  }

  /** A gauge of the catalogue. */
  gaugeOf(name: string): GaugeFamily {
    return this.#catalogued(name, "gauge") as GaugeFamily;
  }

  /** A histogram of the catalogue. */
  histogramOf(name: string): HistogramFamily {
    return this.#catalogued(name, "histogram") as HistogramFamily;
  }

  /** What was recorded and is not counted yet: settled before anything is read. */
  get backlog(): Backlog {
    return this.#registry.backlog;
  }

  /** Whether queries have exemplars. */
  get hasExemplars(): boolean {
    return this.#exemplarSource !== undefined;
  }

  /** Has `collector` called before every export, to set gauges. Returns what ends that. */
  onCollect(collector: () => void): () => void {
    return this.#registry.onCollect(collector);
  }

  /** Has a pool's gauges read at export. Returns what ends that. */
  observePool(name: string, read: () => PoolSource): () => void {
    return this.#sources.addPool(name, read);
  }

  /** Has the plan cache's gauges read at export. Returns what ends that. */
  observeCache(read: () => CacheSource): () => void {
    return this.#sources.addCache(read);
  }

  /** Has the batch queue's gauges read at export. Returns what ends that. */
  observeBatch(read: () => BatchSource): () => void {
    return this.#sources.addBatch(read);
  }

  /** Where the exemplars of query durations come from, such as `() => ({ trace_id })`; called for each query. */
  exemplarsFrom(source: (() => ExemplarLabels | undefined) | undefined): void {
    this.backlog.settle();
    this.#exemplarSource = source;
  }

  /** Prometheus' text format 0.0.4. */
  exportPrometheus(): string {
    return this.export("prometheus");
  }

  export(format: ExportFormat = "prometheus"): string {
    return [...this.#pieces(format)].join("");
  }

  /** The same text; other work may run while a large one is written. */
  async exportAsync(format: ExportFormat = "prometheus"): Promise<string> {
    const pieces: string[] = [];
    for await (const piece of this.exportPieces(format)) pieces.push(piece);
    return pieces.join("");
  }

  /** The same text in pieces of about 64 KiB, with a turn of the event loop between two. */
  async *exportPieces(format: ExportFormat = "prometheus"): AsyncGenerator<string> {
    let first = true;
    for (const piece of this.#pieces(format)) {
      if (!first) await new Promise<void>((resolve) => setImmediate(resolve));
      first = false;
      yield piece;
    }
  }

  /** The `Content-Type` of what an `Accept` header asks for; `formatFor` gives the format. */
  contentType(accept?: string): string {
    return contentTypeOf(formatFor(accept));
  }

  /** The format that an `Accept` header asks for. */
  formatFor(accept?: string): ExportFormat {
    return formatFor(accept);
  }

  /** Values and percentiles as data. */
  summary(): MetricsSummary {
    this.#collect();
    return summarize(this.#registry.families, (name) => this.#registry.get(name));
  }

  /** All metrics as plain data, for other processes and formats. */
  snapshot(): MetricsSnapshot {
    this.#collect();
    return snapshotOf(this.#registry.families, this.constLabels);
  }

  /** Everything back to zero, except gauges that are moved up and down. Handles stay good. */
  reset(): void {
    this.#registry.reset();
  }

  /**
   * Measures the event loop's delay until what it returns was called, as often as this was; it does not
   * keep the process alive.
   */
  async watchEventLoop(): Promise<() => void> {
    const { watchEventLoop } = await import("./event-loop.ts");
    if (this.#loopWatchers === 0) this.#stopLoopWatch = watchEventLoop(this, this.#clock);
    this.#loopWatchers++;
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      if (--this.#loopWatchers === 0) this.#stopLoopWatch?.();
    };
  }

  /** Serves the metrics over HTTP, for services that have no server of their own. */
  async listen(options: ListenOptions = {}): Promise<ScrapeEndpoint> {
    const { listen } = await import("./listen.ts");
    return listen(this, options);
  }

  #pieces(format: ExportFormat): Generator<string> {
    if (format !== "prometheus" && format !== "openmetrics") {
      throw configError(`Metrics can be exported as "prometheus" or "openmetrics", not as ${show(format)}`);
    }
    this.#collect();
    return exposition(this.#registry.families, { format, created: this.#created });
  }

  #exemplar(): ExemplarLabels | undefined {
    try {
      return this.#exemplarSource?.();
    } catch {
      this.#collectErrors.inc(1);
      return undefined;
    }
  }

  #collect(): void {
    this.#registry.collect(() => this.#collectErrors.inc(1));
  }

  #catalogued(name: string, type: MetricDefinition["type"]): AnyFamily {
    const present = this.#registry.get(name);
    if (present?.type === type) return present;
    const definition = CATALOGUE.find((one) => one.name === name && one.type === type);
    if (definition === undefined)
      throw configError(`The catalogue must have a ${type} ${show(name)}, and has none`);
    return this.#define(definition);
  }

  #define(definition: MetricDefinition): AnyFamily {
    const own =
      definition.buckets === DURATION_BUCKETS ? { ...definition, buckets: this.#buckets } : definition;
    // The series that count overflows are as many as there are metrics, which have a limit of their own.
    return this.#registry.define(own, definition.name === "metrics_label_overflows_total");
  }
}
