import type { ExportFormat } from "../exposition.ts";
import { boundText, escapeHelp, labelText, numberText } from "../label-text.ts";
import type { Exporter, ListenOptions, ScrapeEndpoint } from "../listen.ts";
import { type Metrics, storeOf } from "../metrics.ts";
import {
  isIncluded,
  type PromClientExemplar,
  type PromClientMetric,
  type PromClientRegistry,
  type PromClientValue,
} from "./prom-client.ts";

/** A store's metrics and those of `prom-client` registries in one exposition, in either format. */
export interface CombinedExporter extends Exporter {
  /** The metrics of both, as one text. */
  exportAsync(format?: ExportFormat): Promise<string>;
  /** Serves both, as `metrics.listen` serves one. */
  listen(options?: ListenOptions): Promise<ScrapeEndpoint>;
}

const TYPES: ReadonlySet<string> = new Set(["counter", "gauge", "histogram", "summary"]);

/**
 * Includes the metrics of `prom-client` registries in our exposition. They are read as data and written by us, so
 * that one scrape endpoint speaks both formats whatever the registry's own content type is. A metric of
 * theirs whose name is taken is left out, and a registry that fails likewise; both count as
 * `formdb_metrics_collect_errors_total`. Metrics that `addToPromClient` put there are not written twice.
 */
export function withPromClient(
  metrics: Metrics,
  ...registries: readonly PromClientRegistry[]
): CombinedExporter {
  const failures = storeOf(metrics).collectErrors;
  const combined: CombinedExporter & Pick<Metrics, "watchEventLoop"> = {
    async exportAsync(format = "prometheus") {
      const theirs = await Promise.all(registries.map((registry) => read(registry, () => failures.inc(1))));
      const own = await metrics.exportAsync(format);
      const writer = new Writer(format, namesIn(own));
      for (const metric of theirs.flat()) if (!writer.add(metric)) failures.inc(1);
      return format === "openmetrics"
        ? `${own.slice(0, -END.length)}${writer.text}${END}`
        : own + writer.text;
    },
    async listen(options = {}) {
      const { listen } = await import("../listen.ts");
      return listen(combined, options, storeOf(metrics).released.signal);
    },
    watchEventLoop: () => metrics.watchEventLoop(),
  };
  return combined;
}

const END = "# EOF\n";

async function read(registry: PromClientRegistry, failed: () => void): Promise<readonly PromClientMetric[]> {
  try {
    const all = (await registry.getMetricsAsJSON()) as readonly PromClientMetric[];
    return all
      .map((metric) => underItsName(metric, registry))
      .filter(({ name }) => !isIncluded(registry.getSingleMetric(name)));
  } catch {
    // One of its collect functions threw: what it would have said is lost, ours is not.
    failed();
    return [];
  }
}

/** Once a registry has written OpenMetrics, its counters call themselves by their family, without `_total`. */
function underItsName(metric: PromClientMetric, registry: PromClientRegistry): PromClientMetric {
  const name = `${metric.name}_total`;
  const renamed =
    registry.getSingleMetric(metric.name) === undefined && registry.getSingleMetric(name) !== undefined;
  return renamed ? { ...metric, name } : metric;
}

/** The names of all families and samples in an export. */
function namesIn(text: string): Set<string> {
  return new Set(Array.from(text.matchAll(/^(?:# TYPE )?([a-zA-Z_:][a-zA-Z0-9_:]*)/gm), ([, name]) => name!));
}

/** Writes metrics of `prom-client`, each name once. */
class Writer {
  text = "";
  readonly #openMetrics: boolean;
  readonly #taken: Set<string>;

  constructor(format: ExportFormat, taken: Set<string>) {
    this.#openMetrics = format === "openmetrics";
    this.#taken = taken;
  }

  /** False where a name is taken or the metric is of no known type: then nothing of it is written. */
  add(metric: PromClientMetric): boolean {
    const type = String(metric.type);
    if (!TYPES.has(type)) return false;
    const family = this.#familyName(metric.name, type);
    const lines: string[] = [];
    const names = new Set([family]);
    const series = new Set<string>();
    for (const sample of metric.values ?? []) {
      const name = this.#sampleName(sample.metricName ?? metric.name, type);
      const labelled = this.#labelled(name, sample);
      if (series.has(labelled)) return false;
      series.add(labelled);
      names.add(name);
      lines.push(`${labelled} ${numberText(sample.value)}${this.#exemplar(sample.exemplar)}\n`);
    }
    if ([...names].some((name) => this.#taken.has(name))) return false;
    for (const name of names) this.#taken.add(name);
    const help = escapeHelp(metric.help, this.#openMetrics);
    this.text += `# HELP ${family} ${help}\n# TYPE ${family} ${type}\n${lines.join("")}`;
    return true;
  }

  #familyName(name: string, type: string): string {
    return this.#openMetrics && type === "counter" ? name.replace(/_total$/, "") : name;
  }

  #sampleName(name: string, type: string): string {
    return this.#openMetrics && type === "counter" ? `${name.replace(/_total$/, "")}_total` : name;
  }

  #labelled(name: string, { labels }: PromClientValue): string {
    const entries = Object.entries(labels).filter(([, value]) => value !== undefined);
    if (entries.length === 0) return name;
    const values = entries.map(([label, value]) => this.#labelValue(label, value).toWellFormed());
    return `${name}{${labelText(
      entries.map(([label]) => label),
      values,
    )}}`;
  }

  #labelValue(label: string, value: string | number): string {
    if (typeof value !== "number") return String(value);
    const bound = label === "le" || label === "quantile";
    return bound ? boundText(value, this.#openMetrics) : numberText(value);
  }

  #exemplar(exemplar: PromClientExemplar | null | undefined): string {
    if (!this.#openMetrics || exemplar === null || exemplar === undefined) return "";
    const { labelSet, value, timestamp } = exemplar;
    const entries = Object.entries(labelSet);
    if (entries.length === 0 || value === null) return "";
    const text = labelText(
      entries.map(([label]) => label),
      entries.map(([, given]) => String(given).toWellFormed()),
    );
    return ` # {${text}} ${numberText(value)}${timestamp === null ? "" : ` ${numberText(timestamp)}`}`;
  }
}
