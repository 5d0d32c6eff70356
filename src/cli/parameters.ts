import { FormDBError } from "../base/errors.ts";
import { parseJson } from "../base/parse-json.ts";
import { TOKEN } from "../query/token.ts";
import { Tokenizer } from "../query/tokenizer.ts";

/** What the command line must know of a query before the database sees it. */
export interface QueryOutline {
  /** Its first word in upper case, such as `SELECT`; empty where the text is no query. */
  readonly verb: string;
  /** Whether its parameters have names. */
  readonly hasNames: boolean;
}

/** Looks a query's tokens through. A text that is no query has no outline; the database says what is wrong. */
export function outlineOf(text: string): QueryOutline {
  let verb = "";
  try {
    const tokens = new Tokenizer(text);
    let kind = tokens.next();
    if (kind === TOKEN.keyword) verb = tokens.text;
    for (; kind !== TOKEN.end; kind = tokens.next()) {
      if (kind === TOKEN.named) return { verb, hasNames: true };
    }
  } catch (error) {
    if (!(error instanceof FormDBError)) throw error;
  }
  return { verb, hasNames: false };
}

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

function configError(message: string): FormDBError {
  return new FormDBError("FORMDB_CONFIG", message);
}
