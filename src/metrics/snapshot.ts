import type { GaugeAggregation, MetricDefinition, MetricType } from "./definitions.ts";
import type { AnyFamily } from "./instruments.ts";

/** One series as data. Counters and gauges have `value`, histograms the rest. */
export interface SeriesSnapshot {
  /** Label values, in the order of the family's labels. */
  readonly labels: readonly string[];
  readonly value?: number;
  /** How many values lie in each bucket alone, `+Inf` last. */
  readonly counts?: readonly number[];
  readonly sum?: number;
  /** The largest value, absent before the first. */
  readonly max?: number;
}

/** One metric as data. */
export interface FamilySnapshot {
  /** With the prefix. */
  readonly name: string;
  readonly type: MetricType;
  readonly help: string;
  readonly unit?: string;
  readonly labels: readonly string[];
  readonly buckets?: readonly number[];
  /** How values of several processes become one, for gauges. */
  readonly aggregate?: GaugeAggregation;
  readonly series: readonly SeriesSnapshot[];
}

/** All metrics of a process at one moment: plain data that JSON and `structuredClone` carry. */
export interface MetricsSnapshot {
  /** Labels that every series has. */
  readonly constLabels?: Readonly<Record<string, string>>;
  readonly families: readonly FamilySnapshot[];
}

export function snapshotOf(
  families: Iterable<AnyFamily>,
  constLabels: Readonly<Record<string, string>>,
): MetricsSnapshot {
  return { constLabels: { ...constLabels }, families: Array.from(families, familySnapshot) };
}

function familySnapshot(family: AnyFamily): FamilySnapshot {
  const { help, unit, aggregate } = family.definition;
  const base: Omit<FamilySnapshot, "series"> = {
    name: family.name,
    type: family.type,
    help,
    labels: [...family.labelNames],
    ...(unit === undefined ? {} : { unit }),
  };
  if (family.type === "histogram") {
    const series = family.series.map(({ labelValues, counts, sum, max }) => ({
      labels: [...labelValues],
      counts: Array.from(counts),
      sum,
      ...(max === -Infinity ? {} : { max }),
    }));
    return { ...base, buckets: [...family.bounds], series };
  }
  const series = family.series.map(({ labelValues, value }) => ({ labels: [...labelValues], value }));
  return family.type === "gauge" ? { ...base, aggregate: aggregate ?? "sum", series } : { ...base, series };
}

/** The definition that a family was made from, but with its full name. */
export function definitionOf(family: FamilySnapshot): MetricDefinition {
  const { name, type, help, unit, labels, buckets, aggregate } = family;
  return {
    name,
    type,
    help,
    labels,
    ...(unit === undefined ? {} : { unit }),
    ...(buckets === undefined ? {} : { buckets }),
    ...(aggregate === undefined ? {} : { aggregate }),
  };
}
