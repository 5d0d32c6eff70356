import { readFileSync } from "node:fs";
import { userInfo } from "node:os";
import type { ConnectionOptions } from "node:tls";
import { messageOf } from "../../base/errors.ts";
import { didYouMean } from "../../base/nearest.ts";
import { configError, show } from "../../base/options.ts";

/** A server's address. A host that starts with `/` is the folder of a Unix socket. */
export interface HostAddress {
  readonly host: string;
  readonly port: number;
}

/** Which servers a connection may end up on. */
export type TargetSessionAttrs =
  | "any"
  | "read-write"
  | "read-only"
  | "primary"
  | "standby"
  | "prefer-standby";

export const TARGET_SESSION_ATTRS: readonly TargetSessionAttrs[] = [
  "any",
  "read-write",
  "read-only",
  "primary",
  "standby",
  "prefer-standby",
];

/** How a connection is encrypted: not at all, if the server can, or always. */
export interface TlsPolicy {
  readonly required: boolean;
  readonly options: ConnectionOptions;
}

/** What a URL says, with libpq's names and defaults. */
export interface ConnectionUrl {
  readonly hosts: readonly HostAddress[];
  readonly user: string;
  readonly password: string | undefined;
  readonly database: string;
  readonly tls: TlsPolicy | undefined;
  readonly directTls: boolean;
  readonly channelBinding: boolean;
  readonly target: TargetSessionAttrs | undefined;
  readonly randomOrder: boolean;
  readonly applicationName: string | undefined;
  readonly connectTimeoutMs: number | undefined;
  readonly statementTimeoutMs: number | undefined;
  readonly pgbouncer: boolean | undefined;
  /** `options` of the session, such as `-c search_path=app`. */
  readonly sessionOptions: string | undefined;
  /** The URL without its password. */
  readonly safeUrl: string;
}

const DEFAULT_PORT = 5432;
const SSL_MODES = ["disable", "prefer", "require", "no-verify", "verify-ca", "verify-full"] as const;
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

/**
 * Reads `postgres://user:password@host:port,host:port/database?name=value`. Throws `FORMDB_CONFIG`, without the
 * password, for what it does not understand.
 */
export function parseConnectionUrl(url: string): ConnectionUrl {
  const match = /^postgres(?:ql)?:\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/i.exec(url);
  if (match === null) {
    throw configError(
      `A PostgreSQL URL must look like postgres://user@host:port/database, unlike ${hide(url)}`,
    );
  }
  const [, authority = "", path = "", search = ""] = match;
  const at = authority.lastIndexOf("@");
  const [userPart = "", ...passwordParts] = at === -1 ? [] : authority.slice(0, at).split(":");
  const parameters = readParameters(search);
  const text = (name: string): string | undefined => parameters.get(name) || undefined;
  const user = text("user") ?? (decode(userPart, "user") || (process.env.PGUSER ?? systemUser()));
  const password =
    text("password") ??
    (passwordParts.length > 0 ? decode(passwordParts.join(":"), "password") : process.env.PGPASSWORD);
  const hosts = readHosts(text("host") ?? authority.slice(at + 1), text("port"));
  const database = text("dbname") ?? (decode(path, "database") || user);
  return Object.freeze({
    hosts,
    user,
    password,
    database,
    tls: readTls(parameters),
    directTls: oneOf(parameters, "sslnegotiation", ["postgres", "direct"]) === "direct",
    channelBinding: oneOf(parameters, "channel_binding", ["disable", "prefer", "require"]) === "require",
    target: oneOf(parameters, "target_session_attrs", TARGET_SESSION_ATTRS),
    randomOrder: oneOf(parameters, "load_balance_hosts", ["disable", "random"]) === "random",
    applicationName: text("application_name") ?? text("fallback_application_name"),
    connectTimeoutMs: seconds(parameters, "connect_timeout"),
    statementTimeoutMs: whole(parameters, "statement_timeout"),
    pgbouncer: truth(parameters, "pgbouncer"),
    sessionOptions: text("options"),
    safeUrl: `postgres://${encodeURIComponent(user)}@${hosts.map(showAddress).join(",")}/${encodeURIComponent(database)}`,
  });
}

/** `host:port`, with the brackets that an IPv6 address needs. */
export function showAddress({ host, port }: HostAddress): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function readHosts(text: string, ports: string | undefined): readonly HostAddress[] {
  const portList = ports?.split(",") ?? [];
  return Object.freeze(
    text.split(",").map((part, i) => {
      const match = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d*))?$/.exec(part);
      if (match === null)
        throw configError(`A host of a PostgreSQL URL must look like name:port, unlike ${show(part)}`);
      const host = match[1] ?? (decode(match[2] ?? "", "host") || (process.env.PGHOST ?? "localhost"));
      const given = match[3] || portList[portList.length === 1 ? 0 : i] || process.env.PGPORT;
      const port = given === undefined ? DEFAULT_PORT : Number(given);
      if (!Number.isInteger(port) || port < 1 || port > 65_535) {
        throw configError(
          `The port of host ${show(host)} must be a number from 1 to 65535, not ${show(given)}`,
        );
      }
      return Object.freeze({ host, port });
    }),
  );
}

function readTls(parameters: ReadonlyMap<string, string>): TlsPolicy | undefined {
  const given = parameters.has("sslmode") ? parameters : new Map([["sslmode", process.env.PGSSLMODE ?? ""]]);
  const mode = oneOf(given, "sslmode", SSL_MODES);
  const file = (name: string): Buffer | undefined => {
    const path = parameters.get(name);
    if (path === undefined || path === "") return undefined;
    try {
      return readFileSync(path);
    } catch (error) {
      throw configError(`The file of ${name} can't be read: ${messageOf(error)}`, name, path);
    }
  };
  const ca = file("sslrootcert");
  const cert = file("sslcert");
  const key = file("sslkey");
  const certificates = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
  switch (mode ?? (ca === undefined ? "disable" : "verify-full")) {
    case "disable":
      return undefined;
    case "prefer":
      return { required: false, options: { ...certificates, rejectUnauthorized: false } };
    case "no-verify":
      return { required: true, options: { ...certificates, rejectUnauthorized: false } };
    case "require": // As in libpq: with a root certificate it is checked, without one nothing is.
      return ca === undefined
        ? { required: true, options: { ...certificates, rejectUnauthorized: false } }
        : { required: true, options: { ...certificates, checkServerIdentity: () => undefined } };
    case "verify-ca":
      return { required: true, options: { ...certificates, checkServerIdentity: () => undefined } };
    default:
      return { required: true, options: certificates };
  }
}

function readParameters(search: string): ReadonlyMap<string, string> {
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

function oneOf<T extends string>(
  parameters: ReadonlyMap<string, string>,
  name: string,
  accepted: readonly T[],
): T | undefined {
  const value = parameters.get(name);
  if (value === undefined || value === "") return undefined;
  if ((accepted as readonly string[]).includes(value)) return value as T;
  throw configError(`${name} must be one of ${accepted.join(", ")}, not ${show(value)}`, name, value);
}

function truth(parameters: ReadonlyMap<string, string>, name: string): boolean | undefined {
  const value = oneOf(parameters, name, ["true", "false", "1", "0"]);
  return value === undefined ? undefined : value === "true" || value === "1";
}

function whole(parameters: ReadonlyMap<string, string>, name: string): number | undefined {
  const value = parameters.get(name);
  if (value === undefined || value === "") return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value);
  throw configError(`${name} must be a whole number, not ${show(value)}`, name, value);
}

function seconds(parameters: ReadonlyMap<string, string>, name: string): number | undefined {
  const value = whole(parameters, name);
  return value === undefined || value === 0 ? undefined : value * 1_000;
}

function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw configError(`The ${what} of a PostgreSQL URL must be percent-encoded`);
  }
}

function systemUser(): string {
  try {
    return userInfo().username;
  } catch {
    return "postgres";
  }
}

function hide(url: string): string {
  return show(url.replace(/\/\/[^@]*@/, "//***@").replace(/(password=)[^&]*/gi, "$1***"));
}
