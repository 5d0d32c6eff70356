import type { CacheMissReason } from "../base/observer.ts";
import { configError, show } from "../base/options.ts";
import type { Counter } from "./counter.ts";
import type { ExemplarLabels } from "./exemplar.ts";
import type { ExportFormat } from "./exposition.ts";
import type { AnyFamily, CounterFamily, GaugeFamily, HistogramFamily } from "./instruments.ts";
import type { QueryOutcome } from "./label-values.ts";
import type { ListenOptions, ScrapeEndpoint } from "./listen.ts";
import { type MetricsOptions, metricsSettings } from "./metrics-options.ts";
import { contentTypeOf, formatFor } from "./negotiate.ts";
import { type MetricsSnapshot, snapshotOf } from "./snapshot.ts";
import { type BatchSource, type CacheSource, type PoolSource, Sources } from "./sources.ts";
import { MetricStore } from "./store.ts";
import { type MetricsSummary, summarize } from "./summary.ts";

export type { MetricsOptions } from "./metrics-options.ts";

/** What a query did, for `recordQuery`. */
export interface QueryLabels {
  readonly operation?: string | undefined;
  readonly collection?: string | undefined;
  /** Default `ok`. */
  readonly outcome?: QueryOutcome | undefined;
}

const stores = new WeakMap<Metrics, MetricStore>();

/** What is behind a `Metrics`, for FormDB's own recorders and adapters. */
export function storeOf(metrics: Metrics): MetricStore {
  const store = stores.get(metrics);
  if (store === undefined)
    throw configError(`Metrics must be made by new Metrics(), unlike ${show(metrics)}`);
  return store;
}

/**
 * A store of metrics: FormDB's own (docs/metrics.md lists them) and those that an application adds. Numbers live in
 * typed arrays; recording through a bound handle is an add. One store is exported as Prometheus text 0.0.4 and as
 * OpenMetrics 1.0.
 */
export class Metrics {
  readonly prefix: string;
  readonly constLabels: Readonly<Record<string, string>>;
  readonly #store: MetricStore;
  readonly #sources: Sources;
  readonly #hits: Counter;
  readonly #misses: Counter;
  readonly #missesBy: CounterFamily;
  readonly #errors: Counter;
  readonly #errorsByCode: CounterFamily;
  readonly #errorsByClass: CounterFamily;
  #loopWatchers = 0;
  #stopLoopWatch: (() => void) | undefined = undefined;

  constructor(options: MetricsOptions = {}) {
    const settings = metricsSettings(options);
    const store = new MetricStore(settings);
    stores.set(this, store);
    this.#store = store;
    this.prefix = settings.prefix;
    this.constLabels = settings.constLabels;
    this.#hits = store.counter("cache_hits_total").labels();
    this.#misses = store.counter("cache_misses_total").labels();
    this.#missesBy = store.counter("cache_misses_by_reason_total");
    this.#errors = store.counter("errors_total").labels();
    this.#errorsByCode = store.counter("errors_by_code_total");
    this.#errorsByClass = store.counter("errors_by_sqlstate_class_total");
    this.#sources = new Sources(store);
  }

  /** Counts a query and its latency in milliseconds. A latency that is negative or no number is left out. */
  recordQuery(latencyMs: number, labels?: QueryLabels): void {
    // The last query is the one whose latency is shown: those before it come first.
    this.#store.backlog.settle();
    const { operation = "other", collection = "", outcome = "ok" } = labels ?? NO_LABELS;
    this.#store.queries.record(operation, collection, outcome, latencyMs);
  }

  /** Counts a plan that was found. */
  recordCacheHit(): void {
    this.#hits.inc(1);
  }

  /** Counts a plan that was not found, and why. */
  recordCacheMiss(reason: CacheMissReason = "cold"): void {
    this.#misses.inc(1);
    this.#missesBy.labels({ reason }).inc(1);
  }

  /** Counts an error, by its code and by the class of its SQLSTATE where given. */
  recordError(code = "other", sqlstate = ""): void {
    this.#errors.inc(1);
    this.#errorsByCode.labels({ code }).inc(1);
    if (/^[0-9A-Z]{5}$/.test(sqlstate)) {
      this.#errorsByClass.labels({ sqlstate_class: sqlstate.slice(0, 2) }).inc(1);
    }
  }

  /** Makes a counter, or gives the one that is there. The name gets the prefix unless it has it. */
  counter(name: string, help: string, labelNames: readonly string[] = []): CounterFamily {
    return this.#store.define({ name, type: "counter", help, labels: labelNames }) as CounterFamily;
  }

  /** Registers a gauge of your own, or gives the one of that name. */
  gauge(name: string, help: string, labelNames: readonly string[] = []): GaugeFamily {
    return this.#store.define({ name, type: "gauge", help, labels: labelNames }) as GaugeFamily;
  }

  /** `buckets` are upper bounds, ascending; without them, those of FormDB's durations in seconds. */
  histogram(
    name: string,
    help: string,
    buckets?: readonly number[],
    labelNames: readonly string[] = [],
  ): HistogramFamily {
    const present = this.#store.registry.get(name);
    const bounds = buckets ?? (present?.type === "histogram" ? present.bounds : this.#store.durationBuckets);
    return this.#store.define({
      name,
      type: "histogram",
      help,
      labels: labelNames,
      buckets: bounds,
    }) as HistogramFamily;
  }

  /** The metric of that name, with or without the prefix. */
  get(name: string): AnyFamily | undefined {
    return this.#store.registry.get(name);
  }

  /** Has `collector` called before every export, to set gauges. Returns what ends that. */
  onCollect(collector: () => void): () => void {
    return this.#store.registry.onCollect(collector);
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
    this.#store.backlog.settle();
    this.#store.exemplars.use(source);
  }

  /** Prometheus' text format 0.0.4. */
  exportPrometheus(): string {
    return this.export("prometheus");
  }

  /** All metrics as text in a format of Prometheus or OpenMetrics. */
  export(format: ExportFormat = "prometheus"): string {
    return [...this.#store.pieces(format)].join("");
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
    for (const piece of this.#store.pieces(format)) {
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
    this.#store.collect();
    return summarize(this.#store.registry.families, (name) => this.#store.registry.get(name));
  }

  /** All metrics as plain data, for other processes and formats. */
  snapshot(): MetricsSnapshot {
    this.#store.collect();
    return snapshotOf(this.#store.registry.families, this.constLabels);
  }

  /** Everything back to zero, except gauges that are moved up and down. Handles stay good. */
  reset(): void {
    this.#store.registry.reset();
  }

  /**
   * Measures the event loop's delay. Each call returns a function; measuring ends when all of them were called. It does
   * not keep the process running.
   */
  async watchEventLoop(): Promise<() => void> {
    const { watchEventLoop } = await import("./event-loop.ts");
    if (this.#loopWatchers === 0) this.#stopLoopWatch = watchEventLoop(this.#store);
    this.#loopWatchers++;
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      if (--this.#loopWatchers === 0) this.#stopLoopWatch?.();
    };
  }

  /**
   * Serves the metrics over HTTP, for services that have no server of their own. Those of a database that made them for
   * itself are served after its `close()` too, but no longer keep the process running.
   */
  async listen(options: ListenOptions = {}): Promise<ScrapeEndpoint> {
    const { listen } = await import("./listen.ts");
    return listen(this, options, this.#store.released.signal);
  }
}

const NO_LABELS: QueryLabels = Object.freeze({});
