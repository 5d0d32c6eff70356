import { MAX_DELAY_MS } from "../../base/clock.ts";
import { didYouMean } from "../../base/nearest.ts";
import { configError } from "../../base/options.ts";

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
  "allow_cleartext_password",
  "options",
  ...IGNORED,
];

/** What other clients call something that libpq says otherwise. */
const INSTEAD: ReadonlyMap<string, string> = new Map([
  ["ssl", "; say sslmode=require, or sslmode=disable."],
  ["schema", "; say options=-c%20search_path%3Dapp."],
  ["connection_limit", "; say open(url, { pool: { maxConnections } })."],
  ["pool_timeout", "; say open(url, { pool: { acquireTimeoutMs } })."],
  ["max", "; say open(url, { pool: { maxConnections } })."],
  ["pool_size", "; say open(url, { pool: { maxConnections } })."],
]);

/**
 * The parameters after a URL's `?`, by name. Throws `FORMDB_CONFIG` for one that is not known. Errors quote no name and no
 * value, since either may be a piece of a password.
 */
export function readParameters(search: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  let position = 0;
  for (const [name, value] of new URLSearchParams(search)) {
    position++;
    if (!KNOWN.includes(name)) {
      throw configError(
        `A PostgreSQL URL's parameter number ${position} is not known${INSTEAD.get(name) ?? (didYouMean(name, KNOWN) || ".")} ` +
          `The parameters are ${KNOWN.join(", ")}`,
        "url",
      );
    }
    if (/;\s*[a-z_]+=/i.test(value)) {
      throw configError(
        `A PostgreSQL URL's parameters must be separated by &, but ${name} has a ; in it`,
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
  throw configError(
    `A PostgreSQL URL's ${name} must be one of ${accepted.join(", ")}${didYouMean(value, accepted)}`,
    name,
  );
}

export function truth(parameters: ReadonlyMap<string, string>, name: string): boolean | undefined {
  const value = oneOf(parameters, name, ["true", "false", "1", "0"]);
  return value === undefined ? undefined : value === "true" || value === "1";
}

/** A whole number of `what`, such as milliseconds. */
export function whole(
  parameters: ReadonlyMap<string, string>,
  name: string,
  what: string,
): number | undefined {
  const value = parameters.get(name);
  if (value === undefined || value === "") return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value);
  throw configError(
    `A PostgreSQL URL's ${name} must be a number of ${what} in at most nine digits, without a unit`,
    name,
  );
}

/** Milliseconds of a time in seconds, and the longest that a timer takes for a longer one. */
export function seconds(parameters: ReadonlyMap<string, string>, name: string): number | undefined {
  const value = whole(parameters, name, "seconds");
  return value === undefined || value === 0 ? undefined : Math.min(value * 1_000, MAX_DELAY_MS);
}

/** A part of a URL without its percent-encoding. */
export function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw configError(`The ${what} of a PostgreSQL URL must be percent-encoded`);
  }
}
