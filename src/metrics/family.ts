import { getOrInsert } from "../base/maps.ts";
import { didYouMean } from "../base/nearest.ts";
import { configError, show } from "../base/options.ts";
import type { MetricDefinition, MetricType } from "./definitions.ts";
import { escapeHelp, labelText, MAX_LABEL_VALUE_LENGTH, OVERFLOW_VALUE } from "./label-text.ts";
import { familyName } from "./names.ts";
import type { Series, StoreContext } from "./series.ts";

/** Values by label name. Numbers and booleans are taken as they are written. */
export type LabelValues = Readonly<Record<string, string | number | boolean>>;

/** What makes a family beside its definition. */
export interface FamilyOptions {
  /** The full name, prefix included. */
  readonly name: string;
  /** Most label sets, over the process' life, beyond those of known values. */
  readonly maxLabelSets: number;
  readonly constLabels: Readonly<Record<string, string>>;
}

const NO_LABELS: LabelValues = Object.freeze({});

/**
 * A metric with all its series. Label sets are found in nested maps, one a label, so that no two sets can
 * meet in one key. Their number is limited over the process' life; what comes later is recorded in an
 * overflow series, where labels whose values are known keep them and the others are `__other__`.
 */
export abstract class Family<S extends Series> {
  readonly name: string;
  readonly type: MetricType;
  readonly definition: MetricDefinition;
  readonly labelNames: readonly string[];
  protected readonly context: StoreContext;
  readonly #options: FamilyOptions;
  readonly #series: S[] = [];
  readonly #known: readonly (ReadonlySet<string> | undefined)[];
  readonly #root: Map<unknown, unknown> = new Map();
  #unlabelled: S | undefined;
  #counted = 0;

  constructor(context: StoreContext, definition: MetricDefinition, options: FamilyOptions) {
    this.context = context;
    this.definition = definition;
    this.name = options.name;
    this.type = definition.type;
    this.labelNames = definition.labels ?? [];
    this.#options = options;
    this.#known = this.labelNames.map((label) => {
      const values = definition.known?.[label];
      return values === undefined ? undefined : new Set(values);
    });
  }

  protected abstract make(labelValues: readonly string[], text: string): S;

  /** Makes the series that are exported as zero. Subclasses call it when they are able to make series. */
  protected begin(): void {
    if (this.labelNames.length === 0) this.#unlabelled = this.#create([]);
    else this.zero({});
  }

  /** The bound handle of a label set: every label must be given, and no other. */
  labels(values: LabelValues = NO_LABELS): S {
    const names = this.labelNames;
    let given = 0;
    for (const _ in values) given++;
    if (given !== names.length) throw this.#refuse(values);
    if (given === 0) return this.#unlabelled!;
    let node: unknown = this.#root;
    for (let i = 0; i < given; i++) {
      node = (node as Map<unknown, unknown>).get(values[names[i]!]);
      if (node === undefined) return this.#resolve(values);
    }
    return node as S;
  }

  /** In the order in which they came. */
  get series(): readonly S[] {
    this.context.backlog.settle();
    return this.#series;
  }

  /** The only series of a metric without labels. */
  protected get only(): S {
    const only = this.#unlabelled;
    if (only === undefined) throw this.#refuse(NO_LABELS);
    return only;
  }

  /** Makes the series of all known label values, where the labels that have none are given. */
  zero(given: Readonly<Record<string, string>>): void {
    let sets: string[][] = [[]];
    for (const [i, label] of this.labelNames.entries()) {
      const values = Object.hasOwn(given, label) ? [given[label]!] : this.#known[i];
      if (values === undefined) return;
      sets = sets.flatMap((set) => [...values].map((value) => [...set, value]));
    }
    for (const set of sets) this.#at(set, this.labelNames.length > 0);
  }

  /** Text that begins each export of the family. */
  header(openMetrics: boolean): string {
    const name = openMetrics ? familyName(this.name, this.type) : this.name;
    const { help, unit } = this.definition;
    const unitLine = openMetrics && unit !== undefined ? `# UNIT ${name} ${unit}\n` : "";
    return `# HELP ${name} ${escapeHelp(help, openMetrics)}\n# TYPE ${name} ${this.type}\n${unitLine}`;
  }

  /** Begins all series anew. */
  reset(): void {
    for (const series of this.series) series.reset();
  }

  #resolve(values: LabelValues): S {
    const set = this.labelNames.map((label) => {
      const value = Object.hasOwn(values, label) ? values[label] : undefined;
      if (value === undefined || value === null) throw this.#refuse(values);
      return String(value).toWellFormed();
    });
    return this.#at(set, false);
  }

  #at(set: readonly string[], exempt: boolean): S {
    const last = set.length - 1;
    let node = this.#root;
    for (const [i, value] of set.entries()) {
      const next = node.get(value);
      if (i === last && next !== undefined) return next as S;
      if (next === undefined) break;
      node = next as Map<unknown, unknown>;
    }
    if (!exempt && !this.#isKnown(set)) {
      const tooLong = set.some((value) => value.length > MAX_LABEL_VALUE_LENGTH);
      if (tooLong || this.#counted >= this.#options.maxLabelSets) return this.#overflow(set);
      this.#counted++;
    }
    return this.#create(set);
  }

  #overflow(set: readonly string[]): S {
    this.context.overflowed(this.name);
    return this.#at(
      set.map((value, i) => (this.#known[i]?.has(value) === true ? value : OVERFLOW_VALUE)),
      true,
    );
  }

  #isKnown(set: readonly string[]): boolean {
    return set.every((value, i) => this.#known[i]?.has(value) === true);
  }

  #create(set: readonly string[]): S {
    const { constLabels } = this.#options;
    const text = labelText(
      [...Object.keys(constLabels), ...this.labelNames],
      [...Object.values(constLabels), ...set],
    );
    const series = this.make(set, text);
    this.#series.push(series);
    let node = this.#root;
    for (const [i, value] of set.entries()) {
      if (i === set.length - 1) {
        node.set(value, series);
        break;
      }
      node = getOrInsert(node as Map<unknown, Map<unknown, unknown>>, value, () => new Map());
    }
    return series;
  }

  #refuse(given: LabelValues): Error {
    const values = typeof given === "object" && given !== null ? given : {};
    const wanted = this.labelNames.length === 0 ? "no labels" : `the labels ${this.labelNames.join(", ")}`;
    const names = Object.keys(values);
    const stranger = names.find((name) => !this.labelNames.includes(name));
    const hint = stranger === undefined ? "" : didYouMean(stranger, this.labelNames);
    const found = values === given && names.length === 0 ? "none" : show(given);
    return configError(`The metric ${this.name} must be given ${wanted}, not ${found}${hint}`);
  }
}
