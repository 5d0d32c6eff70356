import { configError } from "../message.ts";
import type { Family } from "./interval.ts";

/** A metric by which FormDB's metrics are known, whatever their prefix is. */
const KNOWN = /^(\w+)_(?:query_total|pool_max_connections)$/;
const SAMPLE = /^([a-zA-Z_:][\w:]*)(\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})? ([^ ]+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/**
 * Reads FormDB's metrics out of a page in Prometheus' text format, by their names without the prefix. Lines that are no
 * samples are left out. Throws `FORMDB_CONFIG` when no metric of FormDB is there.
 */
export function readMetrics(text: string): ReadonlyMap<string, Family> {
  const samples = new Map<string, Sample[]>();
  for (const line of text.split("\n")) {
    const match = SAMPLE.exec(line);
    if (match === null) continue;
    const [, name, labels, value] = match as unknown as [string, string, string | undefined, string];
    const sample = { labels: labelsOf(labels ?? ""), value: numberOf(value) };
    const all = samples.get(name);
    if (all === undefined) samples.set(name, [sample]);
    else all.push(sample);
  }
  const prefix = [...samples.keys()]
    .map((name) => KNOWN.exec(name)?.[1])
    .find((found) => found !== undefined);
  if (prefix === undefined) {
    throw configError("There are no metrics of FormDB among those of this address");
  }
  const families = new Map<string, Family>();
  for (const [name, all] of samples) {
    if (!name.startsWith(`${prefix}_`)) continue;
    const short = name.slice(prefix.length + 1);
    if (short.endsWith("_bucket")) {
      const histogram = short.slice(0, -"_bucket".length);
      families.set(histogram, histogramOf(all, samples.get(`${prefix}_${histogram}_sum`) ?? []));
    } else if (!families.has(short)) {
      families.set(short, plainOf(all));
    }
  }
  return families;
}

function plainOf(samples: readonly Sample[]): Family {
  const labels = labelNames(samples);
  return {
    labels,
    series: samples.map((sample) => ({ labels: valuesOf(sample, labels), value: sample.value })),
  };
}

/** Buckets are cumulative in the text, and each bucket's own count in a family. */
function histogramOf(buckets: readonly Sample[], sums: readonly Sample[]): Family {
  const labels = labelNames(buckets).filter((name) => name !== "le");
  const bounds = [...new Set(buckets.map((sample) => numberOf(sample.labels.le ?? "")))].toSorted(
    (a, b) => a - b,
  );
  const key = (sample: Sample): string => JSON.stringify(valuesOf(sample, labels));
  const sumOf = new Map(sums.map((sample) => [key(sample), sample.value]));
  const series = [...Map.groupBy(buckets, key)].map(([of, own]) => {
    const upTo = new Map(own.map((sample) => [numberOf(sample.labels.le ?? ""), sample.value]));
    let below = 0;
    const counts = bounds.map((bound) => {
      const cumulative = upTo.get(bound) ?? below;
      const count = cumulative - below;
      below = cumulative;
      return count;
    });
    return { labels: valuesOf(own[0]!, labels), counts, sum: sumOf.get(of) ?? 0 };
  });
  return { labels, buckets: bounds.filter(Number.isFinite), series };
}

function labelNames(samples: readonly Sample[]): string[] {
  return [...new Set(samples.flatMap(({ labels }) => Object.keys(labels)))];
}

function valuesOf({ labels }: Sample, names: readonly string[]): string[] {
  return names.map((name) => labels[name] ?? "");
}

function labelsOf(text: string): Record<string, string> {
  const plain = (value: string): string =>
    value.replace(/\\(.)/g, (_, character: string) => (character === "n" ? "\n" : character));
  return Object.fromEntries([...text.matchAll(LABEL)].map(([, name, value]) => [name!, plain(value!)]));
}

function numberOf(text: string): number {
  if (text === "+Inf") return Number.POSITIVE_INFINITY;
  if (text === "-Inf") return Number.NEGATIVE_INFINITY;
  return Number(text);
}
