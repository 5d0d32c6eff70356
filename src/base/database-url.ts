import { nearestName } from "./nearest.ts";
import { configError } from "./options.ts";

/** The engines that a URL may name. */
export type DatabaseKind = "sqlite" | "postgres";

const SCHEMES: ReadonlyMap<string, DatabaseKind> = new Map([
  ["sqlite", "sqlite"],
  ["file", "sqlite"],
  ["postgres", "postgres"],
  ["postgresql", "postgres"],
]);

/** Schemes that may be shown. Any other text before a colon may be the beginning of a secret. */
const OTHER_SCHEMES: ReadonlySet<string> = new Set([
  "cockroachdb",
  "jdbc",
  "libsql",
  "mariadb",
  "mongodb",
  "mongodb+srv",
  "mssql",
  "mysql",
  "oracle",
  "redis",
  "rediss",
  "sqlserver",
]);

/** libpq's other form, `host=… password=…`, also with `;` between its parts and with other clients' names. */
const KEYWORDS =
  /(?:^|[\s;&?"'])(?:pg)?(?:host|hostaddr|server|port|dbname|database|user|username|user id|pass|passfile|passwd|password|pwd|service|sslmode|options|application_name)\s*=/i;

/**
 * Which engine a database's URL means; a path means SQLite. Throws `FORMDB_CONFIG` for what looks like the address of
 * a server but is no URL, so that no file gets such a name. The message holds nothing of the text but a known scheme:
 * a password may stand anywhere in a text that can't be taken apart.
 */
export function databaseKind(url: string): DatabaseKind {
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(url)?.[1]?.toLowerCase();
  const kind = scheme === undefined ? undefined : SCHEMES.get(scheme);
  if (kind === "postgres") return kind;
  const path = kind === undefined ? url : url.slice(scheme!.length + 1);
  if (kind === undefined && /^[\s"'`]/.test(url)) {
    throw refusal("it begins with a blank or a quote; remove it, or write sqlite: before such a path");
  }
  if (kind === undefined && scheme !== undefined) throw refusal(describeScheme(scheme));
  if (path.includes("://")) throw refusal("it holds the address of something else");
  // With `sqlite:` before it, only the signs of a password are refused: all else was meant as a path.
  if (kind === undefined && KEYWORDS.test(path)) {
    throw refusal("it looks like a connection string; write it as postgres://user@host:port/database");
  }
  if (/(?<!^[a-z]):.*@/is.test(path) || /(?:password|passwd|pwd)\s*=/i.test(path)) {
    throw refusal(
      "it looks like the address of a server, with a password, and does not begin with postgres://",
    );
  }
  return "sqlite";
}

function describeScheme(scheme: string): string {
  if (scheme === "http" || scheme === "https") {
    return `${scheme}: must go on with //host:port, which open() takes for a server of FormDB`;
  }
  if (OTHER_SCHEMES.has(scheme)) return `${scheme}: is none of these`;
  const near = nearestName(scheme, SCHEMES.keys());
  return near === undefined ? "it begins with another scheme" : `did you mean ${near}:?`;
}

function refusal(reason: string): Error {
  return configError(
    `A database's URL must begin with sqlite:, file:, postgres:, postgresql:, http: or https:, or be a path; ${reason}`,
    "url",
  );
}

/** A name of a user, a database or a host as it may be shown: one with unusual characters may hold a secret. */
export function shownName(name: string): string {
  return /^[\p{L}\p{N}_.+ -]*$/u.test(name) ? name : "***";
}
