import type { QueryOutline } from "@formdb/perf/query";
import { configError } from "./message.ts";
import { parseJson } from "./read/parse-json.ts";

/**
 * The values of `--param` for a query: an array for `$1` and `?`, an object for a query with `:name`s, where each
 * is given as `name=value`. A value is JSON where it can be read as such, else the string that it is. Throws
 * `FORMDB_CONFIG`.
 */
export function parameters(
  { hasNames }: QueryOutline,
  given: readonly string[],
): unknown[] | Record<string, unknown> {
  if (!hasNames) return given.map(parameterValue);
  const values = new Map<string, unknown>();
  for (const parameter of given) {
    const [, name, value] = /^:?([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(parameter) ?? [];
    if (name === undefined || value === undefined) {
      throw configError(`--param must be name=value for a query with :name parameters, not ${parameter}`);
    }
    if (values.has(name)) throw configError(`--param gives the parameter ${name} twice`);
    values.set(name, parameterValue(value));
  }
  return Object.fromEntries(values);
}

function parameterValue(text: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    // A number that would be rounded must not turn into a string instead.
    if (/^\s*-?[1-9]\d*\s*$/.test(text)) throw error;
    return text;
  }
}
