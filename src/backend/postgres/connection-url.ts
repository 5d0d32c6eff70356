import { userInfo } from "node:os";
import { shownName } from "../../base/database-url.ts";
import { configError } from "../../base/options.ts";
import { type HostAddress, readHosts, showAddress } from "./host-address.ts";
import { readTls, type TlsPolicy } from "./tls-policy.ts";
import { decode, oneOf, readParameters, seconds, truth, whole } from "./url-parameters.ts";

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

/** What a URL says, with libpq's names and defaults. */
export interface ConnectionUrl {
  readonly hosts: readonly HostAddress[];
  readonly user: string;
  readonly password: string | undefined;
  readonly database: string;
  readonly tls: TlsPolicy | undefined;
  /** Whether the URL itself says how to encrypt. */
  readonly tlsGiven: boolean;
  readonly directTls: boolean;
  readonly allowCleartextPassword: boolean | undefined;
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

/**
 * Reads `postgres://user:password@host:port,host:port/database?name=value`. Throws `FORMDB_CONFIG` for what it does not
 * understand. A password with `/`, `?` or `#` in it moves to any other part of the URL, so no such error quotes the URL.
 */
export function parseConnectionUrl(url: string): ConnectionUrl {
  const match = /^postgres(?:ql)?:\/\/([^/?#\s]*)(?:\/([^?#\s@:;&="'`]*))?(?:\?([^#\s;"'`]*))?$/i.exec(url);
  const [, authority = "", path = "", search = ""] = match ?? [];
  const at = authority.lastIndexOf("@");
  const [userPart = "", ...passwordParts] = at === -1 ? [] : authority.slice(0, at).split(":");
  // An @ that comes later belongs to a user and password that an unescaped character has cut short.
  if (match === null || /[;&="'`@]/.test(userPart) || (at === -1 && search.includes("@"))) {
    throw configError(
      "A PostgreSQL URL must look like postgres://user:password@host:port/database?name=value, with each of the " +
        "characters : / ? # @ % and blank inside a part written as % and two hexadecimal digits. " +
        "Percent-encode the password: encodeURIComponent() does so",
      "url",
    );
  }
  const parameters = readParameters(search);
  const text = (name: string): string | undefined => parameters.get(name) || undefined;
  const user = text("user") ?? (decode(userPart, "user") || (process.env.PGUSER ?? systemUser()));
  const password =
    text("password") ??
    (passwordParts.length > 0 ? decode(passwordParts.join(":"), "password") : process.env.PGPASSWORD);
  const hosts = readHosts(text("host") ?? authority.slice(at + 1), text("port"));
  const database = text("dbname") ?? (decode(path, "database") || user);
  const shown = (name: string): string => encodeURIComponent(shownName(name));
  return Object.freeze({
    hosts,
    user,
    password,
    database,
    tls: readTls(parameters),
    tlsGiven: ["sslmode", "sslrootcert", "sslcert", "sslkey"].some((name) => text(name) !== undefined),
    allowCleartextPassword: truth(parameters, "allow_cleartext_password"),
    directTls: oneOf(parameters, "sslnegotiation", ["postgres", "direct"]) === "direct",
    channelBinding: oneOf(parameters, "channel_binding", ["disable", "prefer", "require"]) === "require",
    target: oneOf(parameters, "target_session_attrs", TARGET_SESSION_ATTRS),
    randomOrder: oneOf(parameters, "load_balance_hosts", ["disable", "random"]) === "random",
    applicationName: text("application_name") ?? text("fallback_application_name"),
    connectTimeoutMs: seconds(parameters, "connect_timeout"),
    statementTimeoutMs: whole(parameters, "statement_timeout", "milliseconds"),
    pgbouncer: truth(parameters, "pgbouncer"),
    sessionOptions: text("options"),
    safeUrl: `postgres://${shown(user)}@${hosts.map(showAddress).join(",")}/${shown(database)}`,
  });
}

function systemUser(): string {
  try {
    return userInfo().username;
  } catch {
    return "postgres";
  }
}
