import type { Counter } from "./counter.ts";
import type { Exemplar } from "./exemplar.ts";
import type { Gauge } from "./gauge.ts";
import type { Histogram } from "./histogram.ts";
import type { AnyFamily, HistogramFamily } from "./instruments.ts";
import { boundText, numberText } from "./label-text.ts";
import { familyName } from "./names.ts";

/** Prometheus' text format 0.0.4, or OpenMetrics 1.0. */
export type ExportFormat = "prometheus" | "openmetrics";

export interface ExpositionOptions {
  readonly format: ExportFormat;
  /** Whether OpenMetrics says since when counters count. */
  readonly created: boolean;
}

/** A piece of an export ends after the series that brings it to this length. */
const PIECE_LENGTH = 64 * 1_024;

/**
 * Writes families in either format, in pieces of about 64 KiB, so that the writer may let others run
 * between them. A series is never cut: the samples of a histogram are of one moment.
 */
export function* exposition(families: Iterable<AnyFamily>, options: ExpositionOptions): Generator<string> {
  const openMetrics = options.format === "openmetrics";
  let text = "";
  for (const family of families) {
    text += family.header(openMetrics);
    const write = seriesWriter(family, options);
    // A family can get series while others run: those have their turn as well.
    for (let i = 0; i < family.series.length; i++) {
      text += write(i);
      if (text.length >= PIECE_LENGTH) {
        yield text;
        text = "";
      }
    }
  }
  yield openMetrics ? `${text}# EOF\n` : text;
}

function seriesWriter(family: AnyFamily, options: ExpositionOptions): (index: number) => string {
  const openMetrics = options.format === "openmetrics";
  switch (family.type) {
    case "counter": {
      const base = familyName(family.name, "counter");
      const name = openMetrics ? `${base}_total` : family.name;
      return openMetrics
        ? (i) => openMetricsCounter(name, base, family.series[i]!, options.created)
        : (i) => sample(name, family.series[i]!);
    }
    case "gauge":
      return (i) => sample(family.name, family.series[i]!);
    case "histogram":
      return histogramWriter(family, options);
    default:
      return family satisfies never;
  }
}

function sample(name: string, series: Counter | Gauge): string {
  return `${named(name, series.text)} ${numberText(series.value)}\n`;
}

function named(name: string, labels: string): string {
  return labels === "" ? name : `${name}{${labels}}`;
}

function openMetricsCounter(name: string, base: string, series: Counter, created: boolean): string {
  const line = `${named(name, series.text)} ${numberText(series.value)}${exemplarText(series.exemplar)}\n`;
  return created ? line + createdLine(base, series) : line;
}

function createdLine(base: string, series: Counter | Histogram): string {
  return `${named(`${base}_created`, series.text)} ${numberText(series.createdMs / 1_000)}\n`;
}

function exemplarText(exemplar: Exemplar | undefined): string {
  if (exemplar === undefined) return "";
  return ` # {${exemplar.text}} ${numberText(exemplar.value)} ${numberText(exemplar.wallTimeMs / 1_000)}`;
}

function histogramWriter(
  family: HistogramFamily,
  { format, created }: ExpositionOptions,
): (index: number) => string {
  const openMetrics = format === "openmetrics";
  const { name } = family;
  const ends = [...family.bounds, Infinity].map((bound) => `le="${boundText(bound, openMetrics)}"} `);
  // OpenMetrics leaves sum and count out if values may be negative: the sum could fall.
  const summed = !openMetrics || family.bounds[0]! >= 0;
  return (i) => {
    const series = family.series[i]!;
    const labels = series.text;
    const start = labels === "" ? `${name}_bucket{` : `${name}_bucket{${labels},`;
    const counts = series.counts;
    const exemplars = openMetrics ? series.exemplars : undefined;
    let text = "";
    let count = 0;
    for (let bucket = 0; bucket < ends.length; bucket++) {
      count += counts[bucket]!;
      text += `${start}${ends[bucket]}${count}${exemplarText(exemplars?.[bucket])}\n`;
    }
    if (summed) {
      text += `${named(`${name}_sum`, labels)} ${numberText(series.sum)}\n`;
      text += `${named(`${name}_count`, labels)} ${count}\n`;
    }
    return openMetrics && created ? text + createdLine(name, series) : text;
  };
}
