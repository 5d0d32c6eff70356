/** Label values of more UTF-16 units go to the overflow series. */
export const MAX_LABEL_VALUE_LENGTH = 1_024;

/** The label value of series beyond a limit. */
export const OVERFLOW_VALUE = "__other__";

/**
 * `name="value",…` for names and values side by side. Exposition text is UTF-8, which can't hold lone
 * surrogates: values are well-formed before they become keys, so that two sets never become one here.
 */
export function labelText(names: readonly string[], values: readonly string[]): string {
  let text = "";
  for (let i = 0; i < names.length; i++) {
    text += `${i === 0 ? "" : ","}${names[i]}="${escapeLabelValue(values[i]!)}"`;
  }
  return text;
}

/** A value as it stands between the quotes, in both formats. */
export function escapeLabelValue(value: string): string {
  return /[\\"\n]/.test(value)
    ? value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")
    : value;
}

/** HELP text; only OpenMetrics wants quotes escaped. */
export function escapeHelp(help: string, openMetrics: boolean): string {
  const text = help.toWellFormed().replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  return openMetrics ? text.replaceAll('"', '\\"') : text;
}

/** What the format calls a number: `+Inf`, `-Inf`, `NaN`, or its shortest decimal form. */
export function numberText(value: number): string {
  if (value - value === 0) return `${value}`;
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : "NaN";
}

/**
 * A bucket's bound, which is a label's value and so has to be spelled in one way: as Go's `%g` has it and OpenMetrics
 * asks, with an exponent below 0.0001 and from a million on. OpenMetrics writes other whole bounds with `.0`.
 */
export function boundText(bound: number, openMetrics: boolean): string {
  const size = Math.abs(bound);
  if (size !== 0 && size < Infinity && (size < 1e-4 || size >= 1e6)) {
    return bound.toExponential().replace(/\d+$/, (exponent) => exponent.padStart(2, "0"));
  }
  const text = numberText(bound);
  return openMetrics && /^-?\d+$/.test(text) ? `${text}.0` : text;
}
