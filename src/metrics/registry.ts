import { disown } from "../base/callback.ts";
import { configError, show } from "../base/options.ts";
import { checkBounds } from "./bucket-index.ts";
import { Cells } from "./cells.ts";
import { Backlog } from "./deferred/backlog.ts";
import type { MetricDefinition } from "./definitions.ts";
import type { FamilyOptions } from "./family.ts";
import { type AnyFamily, CounterFamily, GaugeFamily, HistogramFamily } from "./instruments.ts";
import { checkLabelNames, checkMetricName, namesTakenBy } from "./names.ts";
import type { StoreContext } from "./series.ts";

/** Most metrics of one store. */
export const MAX_METRICS = 2_000;

export interface RegistryOptions {
  readonly prefix: string;
  readonly maxLabelSets: number;
  readonly constLabels: Readonly<Record<string, string>>;
  wallTime(): number;
}

/**
 * All metrics by name, and what has to be read before they are exported. A name belongs to one metric, with
 * all the names that its samples have in either format; asking for it again with the same type, labels and
 * buckets gives the same metric, and with others is refused.
 */
export class Registry {
  readonly #options: RegistryOptions;
  readonly #context: StoreContext;
  /** What was recorded and is not counted yet. */
  readonly backlog: Backlog = new Backlog();
  readonly #families: Map<string, AnyFamily> = new Map();
  readonly #taken: Map<string, string> = new Map();
  readonly #collectors: Set<() => void> = new Set();

  /** The hooks count what metrics leave out; see `StoreContext`. */
  constructor(options: RegistryOptions, hooks: Pick<StoreContext, "ignored" | "overflowed">) {
    this.#options = options;
    this.#context = { cells: new Cells(), backlog: this.backlog, wallTime: options.wallTime, ...hooks };
  }

  get families(): Iterable<AnyFamily> {
    return this.#families.values();
  }

  /** The metric of that name, prefix included or not. */
  get(name: string): AnyFamily | undefined {
    return this.#families.get(name) ?? this.#families.get(this.fullName(name));
  }

  /** The name with the prefix, unless it has it already. */
  fullName(name: string): string {
    const { prefix } = this.#options;
    return prefix === "" || name.startsWith(`${prefix}_`) ? name : `${prefix}_${name}`;
  }

  /** Makes a metric, or gives the one that is there. Throws `FORMDB_CONFIG`. */
  define(definition: MetricDefinition, unlimited = false): AnyFamily {
    const name = this.fullName(checkMetricName(definition.name));
    const labels = checkLabelNames(name, definition.type, definition.labels ?? []);
    if (typeof definition.help !== "string") {
      throw configError(`The metric ${name} must have a help text, not ${show(definition.help)}`);
    }
    const present = this.#families.get(name);
    if (present !== undefined) {
      checkSame(present, definition);
      return present;
    }
    const options: FamilyOptions = {
      name: checkMetricName(name),
      maxLabelSets: unlimited ? Infinity : this.#options.maxLabelSets,
      constLabels: this.#options.constLabels,
    };
    const clash = labels.find((label) => Object.hasOwn(options.constLabels, label));
    if (clash !== undefined) {
      throw configError(`The metric ${name} must not have the label ${clash}, which is a constant label`);
    }
    const names = namesTakenBy(name, definition.type);
    for (const taken of names) {
      const owner = this.#taken.get(taken);
      if (owner !== undefined) {
        throw configError(
          `The ${definition.type} ${name} can't be registered: its ${taken} would be taken for the metric ${owner}`,
        );
      }
    }
    if (this.#families.size >= MAX_METRICS) {
      throw configError(
        `The metric ${name} can't be registered: there may be at most ${MAX_METRICS} metrics`,
      );
    }
    const family = this.#make({ ...definition, labels }, options);
    this.#families.set(name, family);
    for (const taken of names) this.#taken.set(taken, name);
    return family;
  }

  #make(definition: MetricDefinition, options: FamilyOptions): AnyFamily {
    switch (definition.type) {
      case "counter":
        return new CounterFamily(this.#context, definition, options);
      case "gauge":
        return new GaugeFamily(this.#context, definition, options);
      case "histogram": {
        const buckets = checkBounds(options.name, definition.buckets ?? []);
        return new HistogramFamily(this.#context, { ...definition, buckets }, options);
      }
      default:
        throw configError(`The metric ${options.name} has no such type: ${definition.type satisfies never}`);
    }
  }

  /** Has `collector` called before every export. Returns what ends that. */
  onCollect(collector: () => void): () => void {
    const own = (): void => collector();
    this.#collectors.add(own);
    return () => {
      this.#collectors.delete(own);
    };
  }

  /** Reads all that is read at export. One that throws is reported and spoils nothing else. */
  collect(failed: () => void): void {
    for (const collector of this.#collectors) attempt(collector, failed);
    for (const family of this.#families.values()) {
      if (family.type !== "gauge") continue;
      for (const gauge of family.series) attempt(() => gauge.refresh(), failed);
    }
  }

  reset(): void {
    for (const family of this.#families.values()) family.reset();
  }
}

/** A promise is no answer: an export does not wait. */
function attempt(action: () => unknown, failed: () => void): void {
  try {
    if (disown(action())) failed();
  } catch {
    failed();
  }
}

function checkSame(present: AnyFamily, wanted: MetricDefinition): void {
  const { name } = present;
  if (present.type !== wanted.type) {
    throw configError(`The metric ${name} is a ${present.type} already and can't be a ${wanted.type} too`);
  }
  const labels = wanted.labels ?? [];
  const same =
    labels.length === present.labelNames.length && labels.every((l) => present.labelNames.includes(l));
  if (!same) {
    const had = present.labelNames.join(", ") || "none";
    throw configError(
      `The metric ${name} has the labels ${had} already and can't have ${labels.join(", ") || "none"}`,
    );
  }
  if (present.type === "histogram" && wanted.buckets !== undefined) {
    const bounds = present.bounds;
    if (wanted.buckets.length !== bounds.length || wanted.buckets.some((bound, i) => bound !== bounds[i])) {
      throw configError(
        `The histogram ${name} has the buckets ${bounds.join(", ")} already ` +
          `and can't have ${wanted.buckets.join(", ")}`,
      );
    }
  }
}
