import { disown } from "../base/callback.ts";
import { labelText } from "./label-text.ts";

/** Labels of an example of what was counted, mostly `{ trace_id, span_id }`. */
export type ExemplarLabels = Readonly<Record<string, string>>;

/** The most characters that OpenMetrics allows for the names and values of an exemplar together. */
export const MAX_EXEMPLAR_LENGTH = 128;

const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** An example of what was counted: shown in OpenMetrics beside the bucket or the counter. */
export interface Exemplar {
  /** Escaped, without the braces. */
  readonly text: string;
  readonly value: number;
  /** Milliseconds since 1970. */
  readonly wallTimeMs: number;
}

/** The exemplar, or undefined if OpenMetrics does not allow its labels: recording never fails. */
export function makeExemplar(
  labels: ExemplarLabels,
  value: number,
  wallTimeMs: number,
): Exemplar | undefined {
  // Callers without types give null for none.
  if (typeof labels !== "object" || labels === null) return undefined;
  const names: string[] = [];
  const values: string[] = [];
  let length = 0;
  for (const [name, given] of Object.entries(labels)) {
    if (typeof given !== "string" || !LABEL_NAME.test(name)) return undefined;
    names.push(name);
    values.push(given.toWellFormed());
    length += name.length + [...given].length;
  }
  if (length === 0 || length > MAX_EXEMPLAR_LENGTH) return undefined;
  return { text: labelText(names, values), value, wallTimeMs };
}

/** Gives each query the exemplar that the application has for it, if any. */
export class ExemplarSource {
  #source: (() => ExemplarLabels | undefined) | undefined = undefined;
  readonly #failed: () => void;

  /** `failed` is called if the application's function throws or gives a promise. */
  constructor(failed: () => void) {
    this.#failed = failed;
  }

  use(source: (() => ExemplarLabels | undefined) | undefined): void {
    this.#source = source;
  }

  get present(): boolean {
    return this.#source !== undefined;
  }

  /** Never throws. */
  next(): ExemplarLabels | undefined {
    if (this.#source === undefined) return undefined;
    try {
      const labels = this.#source();
      if (!disown(labels)) return labels;
    } catch {
      // Counted below.
    }
    this.#failed();
    return undefined;
  }
}
