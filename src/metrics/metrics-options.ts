import { type Clock, systemClock } from "../base/clock.ts";
import { boolean, checkOptions, configError, integer, object, show } from "../base/options.ts";
import { checkBounds } from "./bucket-index.ts";
import { DURATION_BUCKETS } from "./definitions.ts";
import { checkLabelNames, checkPrefix } from "./names.ts";

/** What is measured, and how much of it. */
export interface MetricsOptions {
  /** What metric names begin with; default `formdb`. */
  readonly prefix?: string | undefined;
  /** Most label sets of a metric over the process' life; default 1000. Later ones share an overflow series. */
  readonly maxLabelSets?: number | undefined;
  /** Upper bounds in seconds of FormDB's own duration histograms. Default 19 from 10 µs to 10 s. */
  readonly buckets?: readonly number[] | undefined;
  /** Labels that every series has. Default none. */
  readonly constLabels?: Readonly<Record<string, string>> | undefined;
  /** Whether OpenMetrics exports say since when counters count; default false. */
  readonly created?: boolean | undefined;
  /** The source of time. Default the machine's. */
  readonly clock?: Clock | undefined;
}

/** Kept label sets when an application does not say. */
const DEFAULT_MAX_LABEL_SETS = 1_000;

/** The options with what stands for those that were not given. */
export interface MetricsSettings {
  readonly prefix: string;
  readonly maxLabelSets: number;
  readonly buckets: readonly number[];
  readonly constLabels: Readonly<Record<string, string>>;
  readonly created: boolean;
  readonly clock: Clock;
}

/** Throws `FORMDB_CONFIG`. */
export function metricsSettings(options: MetricsOptions): MetricsSettings {
  checkOptions("Metrics", options, {
    prefix: (value) => (typeof value === "string" ? undefined : "a string"),
    maxLabelSets: integer(1),
    buckets: (value) => (Array.isArray(value) ? undefined : "an array of numbers"),
    constLabels: object,
    created: boolean,
    clock: object,
  });
  return {
    prefix: checkPrefix(options.prefix ?? "formdb"),
    maxLabelSets: options.maxLabelSets ?? DEFAULT_MAX_LABEL_SETS,
    buckets: checkBounds("query_duration_seconds", options.buckets ?? DURATION_BUCKETS),
    constLabels: checkConstLabels(options.constLabels ?? {}),
    created: options.created ?? false,
    clock: options.clock ?? systemClock,
  };
}

function checkConstLabels(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  checkLabelNames("every metric (constLabels)", "histogram", Object.keys(labels));
  const checked: Record<string, string> = {};
  for (const [name, value] of Object.entries(labels)) {
    if (typeof value !== "string") {
      throw configError(`The constant label ${name} must have a string, not ${show(value)}`);
    }
    checked[name] = value.toWellFormed();
  }
  return Object.freeze(checked);
}
