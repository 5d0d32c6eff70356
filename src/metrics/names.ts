import { configError, show } from "../base/options.ts";
import type { MetricType } from "./definitions.ts";

const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** Longest metric or label name. */
export const MAX_NAME_LENGTH = 200;
/** Most labels of a metric. */
export const MAX_LABELS = 16;

/** Returns a prefix that metric names may begin with; it may be empty. Throws `FORMDB_CONFIG`. */
export function checkPrefix(prefix: string): string {
  return prefix === "" ? prefix : checkMetricName(prefix);
}

/** Returns the name if a metric may have it. Throws `FORMDB_CONFIG`. */
export function checkMetricName(name: unknown): string {
  if (typeof name !== "string" || !METRIC_NAME.test(name) || name.length > MAX_NAME_LENGTH) {
    throw configError(
      `A metric's name must consist of letters, digits, underscores and colons, not start with a digit ` +
        `and have at most ${MAX_NAME_LENGTH} characters, unlike ${show(name)}`,
    );
  }
  return name;
}

/** Returns the label names if a metric may have them. Throws `FORMDB_CONFIG`. */
export function checkLabelNames(
  metric: string,
  type: MetricType,
  names: readonly string[],
): readonly string[] {
  if (!Array.isArray(names) || names.length > MAX_LABELS) {
    throw configError(
      `The metric ${metric} must have at most ${MAX_LABELS} label names in an array, not ${show(names)}`,
    );
  }
  for (const name of names) {
    if (typeof name !== "string" || !LABEL_NAME.test(name) || name.length > MAX_NAME_LENGTH) {
      throw configError(
        `The label names of ${metric} must consist of letters, digits and underscores and not start with ` +
          `a digit, unlike ${show(name)}`,
      );
    }
    if (name.startsWith("__")) {
      throw configError(
        `The label names of ${metric} must not start with two underscores, unlike ${show(name)}`,
      );
    }
    if (name === "le" && type === "histogram") {
      throw configError(`The histogram ${metric} must not have a label le, which says its buckets`);
    }
  }
  if (new Set(names).size !== names.length) {
    throw configError(`The label names of ${metric} must differ from each other, unlike ${names.join(", ")}`);
  }
  return Object.freeze([...names]);
}

/** A counter's name without `_total`: its family in OpenMetrics. Other types keep their name. */
export function familyName(name: string, type: MetricType): string {
  return type === "counter" && name.endsWith("_total") ? name.slice(0, -"_total".length) : name;
}

/** All names under which a metric's samples and family appear in either exposition format. */
export function namesTakenBy(name: string, type: MetricType): readonly string[] {
  const family = familyName(name, type);
  switch (type) {
    case "counter":
      return [family, `${family}_total`, `${family}_created`];
    case "gauge":
      return [family];
    case "histogram":
      return [family, `${family}_bucket`, `${family}_sum`, `${family}_count`, `${family}_created`];
    default:
      throw configError(`The metric ${name} can't be a ${show(type satisfies never)}`);
  }
}
