import { FormDBError } from "./errors.ts";
import { didYouMean } from "./nearest.ts";

/** Checks one option's value: returns what is accepted when the value is not, else undefined. */
export type OptionCheck = (value: unknown) => string | undefined;

/** A whole number within bounds. `Infinity` passes only where `max` is `Infinity`. */
export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER): OptionCheck {
  return (value) =>
    (Number.isSafeInteger(value) || (value === Infinity && max === Infinity)) &&
    (value as number) >= min &&
    (value as number) <= max
      ? undefined
      : `a whole number ${range(min, max)}`;
}

/** A number within bounds, not NaN. `Infinity` passes only where `max` is `Infinity`. */
export function number(min: number, max: number = Number.MAX_VALUE): OptionCheck {
  return (value) =>
    typeof value === "number" && value >= min && value <= max ? undefined : `a number ${range(min, max)}`;
}

/** A time in milliseconds, zero or more; `Infinity` means without end. */
export const milliseconds: OptionCheck = (value) =>
  typeof value === "number" && value >= 0 ? undefined : "a number of milliseconds, zero or more";

export const boolean: OptionCheck = (value) => (typeof value === "boolean" ? undefined : "true or false");
export const string: OptionCheck = (value) =>
  typeof value === "string" && value !== "" ? undefined : "a string that is not empty";
export const func: OptionCheck = (value) => (typeof value === "function" ? undefined : "a function");
export const object: OptionCheck = (value) => (isObject(value) ? undefined : "an object");

/** What tells of an abort: an `AbortSignal`, of whatever realm. The controller that it belongs to is none. */
export const abortSignal: OptionCheck = (value) => {
  const signal = value as Partial<AbortSignal> | null;
  return typeof signal === "object" &&
    signal !== null &&
    typeof signal.aborted === "boolean" &&
    typeof signal.addEventListener === "function"
    ? undefined
    : "an AbortSignal";
};

/** The bounds of a call, as `CallOptions` has them. */
export const CALL_BOUNDS: Readonly<Record<"signal" | "timeoutMs", OptionCheck>> = Object.freeze({
  signal: abortSignal,
  timeoutMs: milliseconds,
});

/** One of a few strings. */
export function oneOf(...accepted: readonly string[]): OptionCheck {
  return (value) =>
    typeof value === "string" && accepted.includes(value)
      ? undefined
      : `one of ${accepted.map((name) => JSON.stringify(name)).join(", ")}`;
}

/** Passes when any of the checks does. */
export function either(...checks: readonly OptionCheck[]): OptionCheck {
  return (value) => {
    const wanted = checks.map((check) => check(value));
    return wanted.includes(undefined) ? undefined : wanted.join(" or ");
  };
}

/** By an option's name what other libraries call it, in lower case and without underscores. */
export type OtherNames = Readonly<Record<string, readonly string[]>>;

/** Refuses what can't be options at all. Throws `FORMDB_CONFIG`. */
export function checkAreOptions(what: string, options: unknown): void {
  if (isObject(options)) return;
  throw configError(`${what}'s options must be an object, not ${show(options)}`);
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Refuses unknown option names and values that an option does not accept, each by name. Options whose
 * value is `undefined` count as not given. Throws `FORMDB_CONFIG`.
 */
export function checkOptions(
  what: string,
  options: object,
  checks: Readonly<Record<string, OptionCheck>>,
  others: OtherNames = {},
): void {
  checkAreOptions(what, options);
  for (const name of Object.keys(options)) {
    const value = options[name as keyof typeof options] as unknown;
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
    if (check === undefined) {
      throw configError(
        `${what} has no option ${JSON.stringify(name)}${hint(name, Object.keys(checks), others)} ` +
          `Its options are ${Object.keys(checks).join(", ")}`,
        name,
      );
    }
    const wanted = value === undefined ? undefined : check(value);
    if (wanted !== undefined) {
      throw configError(`${what}'s option ${name} must be ${wanted}, not ${show(value)}`, name, value);
    }
  }
}

/** The same for options that are checked often: gives the error, and costs little where there is none. */
export function wrongOption(
  what: string,
  options: object,
  checks: Readonly<Record<string, OptionCheck>>,
): FormDBError | undefined {
  if (isObject(options)) {
    let right = true;
    for (const name in options) {
      const value = (options as Record<string, unknown>)[name];
      if (!Object.hasOwn(checks, name) || (value !== undefined && checks[name]!(value) !== undefined)) {
        right = false;
      }
    }
    if (right) return undefined;
  }
  try {
    checkOptions(what, options, checks);
  } catch (error) {
    return error as FormDBError;
  }
  return undefined;
}

/** Options without those that are `undefined`, which count as not given. */
export function withoutUndefined<T extends object>(
  options: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

/** The option that a name of other libraries means. */
export function ownName(name: string, others: OtherNames): string | undefined {
  const plain = name.toLowerCase().replaceAll("_", "");
  return Object.keys(others).find((own) => others[own]!.includes(plain));
}

function hint(name: string, known: readonly string[], others: OtherNames): string {
  const meant = ownName(name, others);
  return meant === undefined ? didYouMean(name, known) || "." : `; did you mean ${JSON.stringify(meant)}?`;
}

/** The error for an option that can't be used. */
export function configError(message: string, option?: string, value?: unknown): FormDBError {
  return new FormDBError("FORMDB_CONFIG", message, { details: { option, value: loggable(value) } });
}

/** Errors are written as JSON: what may have none, such as a BigInt or a circular object, is told as in the message. */
function loggable(value: unknown): unknown {
  if (typeof value === "string") return withoutSecrets(value);
  return typeof value === "bigint" || (typeof value === "object" && value !== null) ? show(value) : value;
}

/** A value as people write it, cut where it is long. */
export function show(value: unknown): string {
  if (typeof value === "function") return "a function";
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "number" || typeof value === "symbol" || value === undefined) return String(value);
  let text: string;
  try {
    text = JSON.stringify(value) ?? String(value);
  } catch {
    text = Object.prototype.toString.call(value);
  }
  text = withoutSecrets(text);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** A URL or a connection string may stand where something else is asked for: what may be its password is hidden. */
function withoutSecrets(text: string): string {
  return text
    .replace(/\/\/.*@/gs, "//***@")
    .replace(/((?:password|passwd|pwd|apikey)"?\s*[=:]).*/is, "$1***");
}

function range(min: number, max: number): string {
  if (max === Infinity) return `of at least ${min}, or Infinity`;
  if (max >= Number.MAX_SAFE_INTEGER) return `of at least ${min}`;
  return `from ${min} to ${max}`;
}
