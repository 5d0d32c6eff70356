import type { Exemplar } from "../exemplar.ts";
import { boundText } from "../label-text.ts";
import { type Metrics, storeOf } from "../metrics.ts";
import { familyName } from "../names.ts";
import type { FamilySnapshot, SeriesSnapshot } from "../snapshot.ts";

/** What is used of a `prom-client` registry (versions 14 and 15); nothing of that package is loaded. */
export interface PromClientRegistry {
  readonly contentType: string;
  /** As in prom-client. */
  registerMetric(metric: never): void;
  /** As in prom-client. */
  removeSingleMetric(name: string): void;
  /** As in prom-client. */
  getSingleMetric(name: string): unknown;
  /** As in prom-client. */
  getMetricsAsJSON(): Promise<readonly object[]>;
}

/** One sample as `prom-client` keeps it. */
export interface PromClientValue {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  /** Where it is not the metric's own name. */
  readonly metricName?: string | undefined;
  readonly exemplar?: PromClientExemplar | null | undefined;
}

export interface PromClientExemplar {
  readonly labelSet: Readonly<Record<string, string | number>>;
  readonly value: number | null;
  /** Seconds since 1970. */
  readonly timestamp: number | null;
}

/** One metric as `prom-client` hands it on. */
export interface PromClientMetric {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly values?: readonly PromClientValue[] | undefined;
  readonly aggregator?: string | undefined;
}

/**
 * Includes a store's metrics in a `prom-client` registry: they are in its `metrics()`, `getMetricsAsJSON()` and
 * `Registry.merge`, read when they are asked for. A name that the registry has already is refused by the registry, and
 * then nothing is added. Metrics that the store gets later follow at the next scrape; of those, one whose name is taken
 * is left out and counts as `formdb_metrics_collect_errors_total`. Returns what takes ours out again.
 */
export function addToPromClient(metrics: Metrics, registry: PromClientRegistry): () => void {
  const failures = storeOf(metrics).collectErrors;
  const scrape = new Scrape(metrics);
  const added = new Map<string, IncludedMetric>();
  const add = (name: string): void => {
    const metric = new IncludedMetric(name, scrape, registry);
    registry.registerMetric(metric as never);
    added.set(name, metric);
  };
  const remove = (): void => {
    scrape.refreshed = undefined;
    for (const [name, metric] of added) {
      // Whatever else has taken the name by now is not ours to remove.
      if (registry.getSingleMetric(name) === metric) registry.removeSingleMetric(name);
    }
  };
  try {
    for (const name of scrape.names()) add(name);
  } catch (error) {
    remove();
    throw error;
  }
  scrape.forget();
  scrape.refreshed = () => {
    for (const name of scrape.names()) {
      if (added.has(name)) continue;
      try {
        add(name);
      } catch {
        // A scrape does not fail because an application has made a metric twice.
        failures.inc(1);
      }
    }
  };
  return remove;
}

/** Whether a metric of a `prom-client` registry is one that `addToPromClient` put there. */
export function isIncluded(metric: unknown): boolean {
  return metric instanceof IncludedMetric;
}

/** One snapshot for all metrics that a scrape asks for in the same turn. */
class Scrape {
  readonly metrics: Metrics;
  /** Called with each new snapshot. */
  refreshed: (() => void) | undefined = undefined;
  #families: Map<string, FamilySnapshot> | undefined = undefined;

  constructor(metrics: Metrics) {
    this.metrics = metrics;
  }

  /** What was read is of the past now. */
  forget(): void {
    this.#families = undefined;
  }

  names(): Iterable<string> {
    return this.#read().keys();
  }

  family(name: string): FamilySnapshot | undefined {
    return this.#read().get(name);
  }

  #read(): Map<string, FamilySnapshot> {
    if (this.#families === undefined) {
      const families = new Map(this.metrics.snapshot().families.map((family) => [family.name, family]));
      this.#families = families;
      queueMicrotask(() => this.forget());
      this.refreshed?.();
      return families;
    }
    return this.#families;
  }
}

/** What a `prom-client` registry needs of a metric. */
class IncludedMetric {
  readonly help: string;
  readonly type: string;
  readonly aggregator: string;
  readonly #name: string;
  readonly #scrape: Scrape;
  readonly #registry: PromClientRegistry;
  #renamed = false;

  constructor(name: string, scrape: Scrape, registry: PromClientRegistry) {
    const family = scrape.family(name)!;
    this.#name = name;
    this.help = family.help;
    this.type = family.type;
    this.aggregator = AGGREGATORS[family.aggregate ?? "sum"];
    this.#scrape = scrape;
    this.#registry = registry;
  }

  get name(): string {
    return this.#name;
  }

  /**
   * A registry that writes OpenMetrics takes `_total` off a counter's name right before it asks for the values, and
   * puts it behind every sample. Our name stays what it is; it is only told apart what the next reader expects.
   */
  set name(name: string) {
    this.#renamed = name !== this.#name;
  }

  /** For JSON. */
  async get(): Promise<PromClientMetric> {
    return this.#read(this.#name, false);
  }

  /** For text, in the format that the registry writes. */
  async getForPromString(): Promise<PromClientMetric> {
    const openMetrics = this.#renamed || this.#registry.contentType.startsWith("application/openmetrics");
    this.#renamed = false;
    return this.#read(openMetrics ? familyName(this.#name, this.#scrapeType()) : this.#name, openMetrics);
  }

  reset(): void {
    this.#scrape.metrics.get(this.#name)?.reset();
  }

  #scrapeType(): FamilySnapshot["type"] {
    return this.#scrape.family(this.#name)!.type;
  }

  #read(name: string, openMetrics: boolean): PromClientMetric {
    const { metrics } = this.#scrape;
    const family = this.#scrape.family(this.#name)!;
    const exemplars = openMetrics ? exemplarsOf(metrics, this.#name) : NO_EXEMPLARS;
    const values = family.series.flatMap((series, i): PromClientValue[] => {
      const labels: Record<string, string> = { ...metrics.constLabels };
      for (const [j, label] of family.labels.entries()) labels[label] = series.labels[j]!;
      const found = exemplars(i);
      if (family.type === "histogram") return histogramValues(family, series, labels, openMetrics, found);
      return [{ value: series.value!, labels, exemplar: promExemplar(found?.[0]) }];
    });
    return { name, help: this.help, type: this.type, values, aggregator: this.aggregator };
  }
}

const AGGREGATORS = Object.freeze({ sum: "sum", max: "max", mean: "average" });

function histogramValues(
  { name, buckets = [] }: FamilySnapshot,
  { counts = [], sum = 0 }: SeriesSnapshot,
  labels: Readonly<Record<string, string>>,
  openMetrics: boolean,
  exemplars: readonly (Exemplar | undefined)[] | undefined,
): PromClientValue[] {
  let count = 0;
  const values: PromClientValue[] = [...buckets, Infinity].map((bound, i) => {
    count += counts[i]!;
    return {
      metricName: `${name}_bucket`,
      labels: { ...labels, le: boundText(bound, openMetrics) },
      value: count,
      exemplar: promExemplar(exemplars?.[i]),
    };
  });
  values.push({ metricName: `${name}_sum`, labels, value: sum });
  values.push({ metricName: `${name}_count`, labels, value: count });
  return values;
}

const NO_EXEMPLARS = (): undefined => undefined;

function exemplarsOf(
  metrics: Metrics,
  name: string,
): (index: number) => readonly (Exemplar | undefined)[] | undefined {
  const family = metrics.get(name);
  switch (family?.type) {
    case "counter":
      return (i) => [family.series[i]?.exemplar];
    case "histogram":
      return (i) => family.series[i]?.exemplars;
    default:
      return NO_EXEMPLARS;
  }
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n" };

function promExemplar(exemplar: Exemplar | undefined): PromClientExemplar | undefined {
  if (exemplar === undefined) return undefined;
  const labelSet: Record<string, string> = {};
  for (const [, name, value] of exemplar.text.matchAll(/([a-zA-Z0-9_]+)="((?:[^"\\]|\\.)*)"/gs)) {
    labelSet[name!] = value!.replace(/\\(.)/gs, (_, char: string) => ESCAPES[char] ?? char);
  }
  return { labelSet, value: exemplar.value, timestamp: exemplar.wallTimeMs / 1_000 };
}
