import { didYouMean } from "../../base/nearest.ts";
import { configError, show } from "../../base/options.ts";

/** Understood by libpq, and of no concern to this client. */
const IGNORED = [
  "gssencmode",
  "keepalives",
  "keepalives_idle",
  "keepalives_interval",
  "keepalives_count",
  "client_encoding",
];
const KNOWN = [
  "host",
  "port",
  "user",
  "password",
  "dbname",
  "sslmode",
  "sslrootcert",
  "sslcert",
  "sslkey",
  "sslnegotiation",
  "channel_binding",
  "target_session_attrs",
  "load_balance_hosts",
  "application_name",
  "fallback_application_name",
  "connect_timeout",
  "statement_timeout",
  "pgbouncer",
  "options",
  ...IGNORED,
];

/** The parameters behind a URL's `?`, by name. Throws `FORMDB_CONFIG` for one that is not known. */
export function readParameters(search: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(search)) {
    if (!KNOWN.includes(name)) {
      throw configError(
        `A PostgreSQL URL has no parameter ${show(name)}${didYouMean(name, KNOWN)} Its parameters are ${KNOWN.join(", ")}`,
        name,
      );
    }
    parameters.set(name, value);
  }
  return parameters;
}

export function oneOf<T extends string>(
  parameters: ReadonlyMap<string, string>,
  name: string,
  accepted: readonly T[],
): T | undefined {
  const value = parameters.get(name);
  if (value === undefined || value === "") return undefined;
  if ((accepted as readonly string[]).includes(value)) return value as T;
  throw configError(`${name} must be one of ${accepted.join(", ")}, not ${show(value)}`, name, value);
}

export function truth(parameters: ReadonlyMap<string, string>, name: string): boolean | undefined {
  const value = oneOf(parameters, name, ["true", "false", "1", "0"]);
  return value === undefined ? undefined : value === "true" || value === "1";
}

export function whole(parameters: ReadonlyMap<string, string>, name: string): number | undefined {
  const value = parameters.get(name);
  if (value === undefined || value === "") return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value);
  throw configError(`${name} must be a whole number, not ${show(value)}`, name, value);
}

export function seconds(parameters: ReadonlyMap<string, string>, name: string): number | undefined {
  const value = whole(parameters, name);
  return value === undefined || value === 0 ? undefined : value * 1_000;
}

/** A part of a URL without its percent-encoding. */
export function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw configError(`The ${what} of a PostgreSQL URL must be percent-encoded`);
  }
}
