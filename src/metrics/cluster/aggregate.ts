import { getOrInsert } from "../../base/maps.ts";
import { configError } from "../../base/options.ts";
import { type ExportFormat, exposition } from "../exposition.ts";
import { Registry } from "../registry.ts";
import { definitionOf, type FamilySnapshot, type MetricsSnapshot, type SeriesSnapshot } from "../snapshot.ts";

/**
 * The metrics of several processes or threads as one. Counters and histograms are added. Gauges are added, or their
 * largest or mean value is taken, as `aggregate` in their definition says. A metric that two snapshots define differently
 * is refused by name (`FORMDB_CONFIG`); with `onConflict` the first definition stands and the others are left out.
 */
export function mergeSnapshots(
  snapshots: readonly MetricsSnapshot[],
  onConflict?: (name: string, error: Error) => void,
): MetricsSnapshot {
  const families = new Map<string, Merging>();
  for (const { families: own } of snapshots) {
    for (const family of own) {
      const merging = getOrInsert(families, family.name, () => ({ family, series: new Map() }));
      const conflict = conflictOf(merging.family, family);
      if (conflict !== undefined) {
        if (onConflict === undefined) throw conflict;
        onConflict(family.name, conflict);
        continue;
      }
      for (const series of family.series) add(merging, series);
    }
  }
  return { constLabels: commonLabels(snapshots), families: Array.from(families.values(), finish) };
}

/** The constant labels that all snapshots agree on: another would be wrong of the sum. */
function commonLabels(snapshots: readonly MetricsSnapshot[]): Record<string, string> {
  const [first, ...others] = snapshots
    .filter(({ families }) => families.length > 0)
    .map(({ constLabels }) => constLabels ?? {});
  return Object.fromEntries(
    Object.entries(first ?? {}).filter(([name, value]) => others.every((labels) => labels[name] === value)),
  );
}

/** Only what adds up over a process' life: what stays of one that has ended. */
export function totalsOf({ constLabels, families }: MetricsSnapshot): MetricsSnapshot {
  return { constLabels: constLabels ?? {}, families: families.filter(({ type }) => type !== "gauge") };
}

/** A snapshot as exposition text. Numbers that JSON turned into null become NaN. */
export function exportSnapshot(snapshot: MetricsSnapshot, format: ExportFormat = "prometheus"): string {
  const registry = new Registry(
    { prefix: "", maxLabelSets: Infinity, constLabels: snapshot.constLabels ?? {}, wallTime: () => 0 },
    { ignored: () => {}, overflowed: () => {} },
  );
  for (const family of snapshot.families) {
    const made = registry.define(definitionOf(family));
    for (const series of family.series) {
      const labels = Object.fromEntries(family.labels.map((name, i) => [name, series.labels[i] ?? ""]));
      if (made.type === "histogram") {
        made.labels(labels).add(series.counts ?? [], numberOf(series.sum), series.max ?? -Infinity);
      } else if (made.type === "gauge") made.labels(labels).set(numberOf(series.value));
      else made.labels(labels).inc(numberOf(series.value));
    }
  }
  return [...exposition(registry.families, { format, created: false })].join("");
}

interface MergingSeries {
  readonly labels: readonly string[];
  readonly counts: number[];
  value: number;
  sum: number;
  max: number;
  /** How many snapshots had it. */
  seen: number;
}

interface Merging {
  readonly family: FamilySnapshot;
  readonly series: Map<string, MergingSeries>;
}

function add({ family, series }: Merging, from: SeriesSnapshot): void {
  const into = getOrInsert(series, JSON.stringify(from.labels), () => {
    const counts = new Array<number>((family.buckets?.length ?? -1) + 1).fill(0);
    return { labels: from.labels, counts, value: 0, sum: 0, max: -Infinity, seen: 0 };
  });
  into.seen++;
  for (let i = 0; i < into.counts.length; i++) into.counts[i]! += from.counts?.[i] ?? 0;
  if (family.type === "histogram") into.sum += numberOf(from.sum);
  if (from.max !== undefined && from.max !== null) into.max = Math.max(into.max, from.max);
  if (family.type === "histogram") return;
  const value = numberOf(from.value);
  if (family.type === "gauge" && family.aggregate === "max") {
    into.value = into.seen === 1 ? value : Math.max(into.value, value);
  } else into.value += value;
}

function finish({ family, series }: Merging): FamilySnapshot {
  const all = Array.from(series.values(), ({ labels, counts, value, sum, max, seen }): SeriesSnapshot => {
    if (family.type === "histogram") return { labels, counts, sum, ...(max === -Infinity ? {} : { max }) };
    return { labels, value: family.aggregate === "mean" ? value / seen : value };
  });
  return { ...family, series: all };
}

function conflictOf(one: FamilySnapshot, other: FamilySnapshot): Error | undefined {
  const shape = ({ type, labels, buckets }: FamilySnapshot): string =>
    JSON.stringify([type, labels, buckets]);
  if (shape(one) === shape(other)) return undefined;
  return configError(
    `The metric ${one.name} can't be merged: it must have the same type, labels and buckets everywhere, ` +
      `but is ${shape(one)} and ${shape(other)}`,
  );
}

function numberOf(value: number | null | undefined): number {
  return typeof value === "number" ? value : Number.NaN;
}
