import type { ConnectionOptions } from "node:tls";
import { type Clock, systemClock } from "../../base/clock.ts";
import {
  boolean,
  checkOptions,
  configError,
  either,
  func,
  integer,
  milliseconds,
  type OtherNames,
  object,
  oneOf,
  string,
} from "../../base/options.ts";
import { type EngineProfile, PROFILES, type ProfileName } from "../../dialect/postgres/profiles.ts";
import {
  type ConnectionUrl,
  parseConnectionUrl,
  TARGET_SESSION_ATTRS,
  type TargetSessionAttrs,
} from "./connection-url.ts";
import type { TlsPolicy } from "./tls-policy.ts";

/** Which servers answer reads: the primary, any standby, or a standby that has all that was written here. */
export type ReadsFrom = "primary" | "replica" | "replica-if-fresh";

/** What can be said beside the URL. What both say, these win. */
export interface PostgresOptions {
  /** The engine; found out from the server where left out. */
  readonly profile?: ProfileName | undefined;
  /** Parts of the profile to change. Default none. */
  readonly profileOverrides?: Partial<EngineProfile> | undefined;
  /** Which servers answer reads. Default `primary`. */
  readonly reads?: ReadsFrom | undefined;
  /** With several hosts `read-write`, else `any`. */
  readonly targetSessionAttrs?: TargetSessionAttrs | undefined;
  /** Default that of the URL, else of `PGPASSWORD`. A function is called for each connection, as for tokens that expire. */
  readonly password?: string | (() => string | Promise<string>) | undefined;
  /**
   * As for `tls.connect`; `true` checks the server's certificate, `false` does not encrypt. Refused beside `sslmode` or a
   * certificate in the URL. Without either, connections are encrypted if the server can, as with `sslmode=prefer`.
   */
  readonly tls?: boolean | ConnectionOptions | undefined;
  /** Whether a server that asks for the password in clear text gets it without TLS. Default: false. */
  readonly allowCleartextPassword?: boolean | undefined;
  /**
   * Whether idle connections keep the process running, as open sockets do. Default: false, so that a program ends when its
   * work is done, whether or not it closes the database. A call that is under way always keeps it running.
   */
  readonly keepAlive?: boolean | undefined;
  /** What the server's own lists call the connections. Default that of the URL, else `formdb`. */
  readonly applicationName?: string | undefined;
  /**
   * Milliseconds after which the server ends a statement. Default that of the URL; without it, and with 0, the setting of the
   * server or role.
   */
  readonly statementTimeoutMs?: number | undefined;
  /** Milliseconds for one host, until it takes queries. Default that of the URL, else 5 000. */
  readonly connectTimeoutMs?: number | undefined;
  /**
   * For how many milliseconds a call may hear nothing from its server before that is asked, over a new connection, whether it is
   * still there.
   * If it does not answer, its connections count as lost. Default: 20 000; `Infinity` never asks.
   */
  readonly silenceMs?: number | undefined;
  /** Milliseconds that a cancelled statement may go on before its connection is closed. Default 2 000. */
  readonly cancelTimeoutMs?: number | undefined;
  /** How many statements each connection keeps prepared; 0 for none. Default 100. */
  readonly statementCacheSize?: number | undefined;
  /** PgBouncer in transaction mode stands between: nothing is kept on a connection. Found out where left out. */
  readonly pgbouncer?: boolean | undefined;
  /** The source of time. Default the machine's. */
  readonly clock?: Clock | undefined;
}

/** The options with everything filled in. */
export interface PostgresSettings {
  readonly url: ConnectionUrl;
  readonly profile: ProfileName | undefined;
  readonly profileOverrides: Partial<EngineProfile>;
  readonly reads: ReadsFrom;
  readonly target: TargetSessionAttrs;
  readonly password: string | (() => string | Promise<string>) | undefined;
  readonly tls: TlsPolicy | undefined;
  readonly allowCleartextPassword: boolean;
  readonly keepAlive: boolean;
  readonly applicationName: string;
  readonly statementTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly silenceMs: number;
  readonly cancelTimeoutMs: number;
  readonly statementCacheSize: number;
  readonly pgbouncer: boolean | undefined;
  readonly clock: Clock;
}

const DEFAULT_CONNECT_TIMEOUT_MS = 5_000;
const DEFAULT_SILENCE_MS = 20_000;
const DEFAULT_CANCEL_TIMEOUT_MS = 2_000;
const DEFAULT_STATEMENT_CACHE_SIZE = 100;
const MAX_TIMEOUT_MS = 2_147_483_647;

const CHECKS = {
  profile: oneOf(...Object.keys(PROFILES)),
  profileOverrides: object,
  reads: oneOf("primary", "replica", "replica-if-fresh"),
  targetSessionAttrs: oneOf(...TARGET_SESSION_ATTRS),
  // These two hold secrets: `checkSecrets` shows nothing of them.
  password: () => undefined,
  tls: () => undefined,
  allowCleartextPassword: boolean,
  keepAlive: boolean,
  applicationName: string,
  statementTimeoutMs: integer(0, MAX_TIMEOUT_MS),
  connectTimeoutMs: integer(1, MAX_TIMEOUT_MS),
  silenceMs: integer(1, Infinity),
  cancelTimeoutMs: milliseconds,
  statementCacheSize: integer(0, 10_000),
  pgbouncer: boolean,
  clock: object,
} as const;

/** What other clients call them. */
export const POSTGRES_OTHER_NAMES: OtherNames = {
  tls: ["ssl", "sslmode"],
  applicationName: ["applicationname"],
  statementTimeoutMs: ["statementtimeout", "querytimeout"],
  connectTimeoutMs: ["connecttimeout", "connectiontimeoutmillis", "connectiontimeout"],
  targetSessionAttrs: ["targetsessionattrs"],
  statementCacheSize: ["maxprepared", "preparedstatementcachesize"],
};

/** Checks URL and options, alone and together. Throws `FORMDB_CONFIG`. */
export function postgresSettings(url: string, options: PostgresOptions): PostgresSettings {
  checkOptions("The PostgreSQL backend", options, CHECKS, POSTGRES_OTHER_NAMES);
  checkSecrets(options);
  for (const name of Object.keys(options.profileOverrides ?? {})) {
    if (!(name in PROFILES.postgres))
      throw configError(`An engine profile has no part ${JSON.stringify(name)}`, name);
  }
  const parsed = parseConnectionUrl(url);
  if (options.tls !== undefined && parsed.tlsGiven) {
    throw configError(
      "The option tls must be left out where the URL itself says how to encrypt (sslmode, sslrootcert, sslcert or sslkey)",
      "tls",
    );
  }
  const pgbouncer = options.pgbouncer ?? parsed.pgbouncer;
  const statementTimeoutMs = options.statementTimeoutMs ?? parsed.statementTimeoutMs ?? 0;
  if (pgbouncer === true && statementTimeoutMs > 0) {
    throw configError(
      "statementTimeoutMs must be left out with pgbouncer, which gives sessions no settings of their own; " +
        "bound calls with timeoutMs, or set it for the role",
      "statementTimeoutMs",
      statementTimeoutMs,
    );
  }
  if (pgbouncer === true && parsed.sessionOptions !== undefined) {
    throw configError(
      "The URL's parameter options must be left out with pgbouncer, which gives sessions no settings of their own; " +
        "set them for the role",
      "options",
    );
  }
  const target =
    options.targetSessionAttrs ?? parsed.target ?? (parsed.hosts.length > 1 ? "read-write" : "any");
  const reads = options.reads ?? "primary";
  if (reads === "replica-if-fresh" && parsed.hosts.length < 2) {
    throw configError(
      'reads must not be "replica-if-fresh" with a single host, which has no replica',
      "reads",
      reads,
    );
  }
  return Object.freeze({
    url: parsed,
    profile: options.profile,
    profileOverrides: options.profileOverrides ?? {},
    reads,
    target,
    password: options.password ?? parsed.password,
    tls: options.tls === undefined ? parsed.tls : tlsPolicy(options.tls),
    allowCleartextPassword: options.allowCleartextPassword ?? parsed.allowCleartextPassword ?? false,
    keepAlive: options.keepAlive ?? false,
    applicationName: options.applicationName ?? parsed.applicationName ?? "formdb",
    statementTimeoutMs,
    connectTimeoutMs: options.connectTimeoutMs ?? parsed.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS,
    silenceMs: options.silenceMs ?? DEFAULT_SILENCE_MS,
    cancelTimeoutMs: options.cancelTimeoutMs ?? DEFAULT_CANCEL_TIMEOUT_MS,
    statementCacheSize: options.statementCacheSize ?? DEFAULT_STATEMENT_CACHE_SIZE,
    pgbouncer,
    clock: options.clock ?? systemClock,
  });
}

function tlsPolicy(tls: boolean | ConnectionOptions): TlsPolicy | undefined {
  if (tls === false) return undefined;
  return { required: true, options: tls === true ? {} : tls };
}

/** The options that hold a password or the key of a certificate: the errors don't say what was found. */
function checkSecrets({ password, tls }: PostgresOptions): void {
  for (const [name, value, check] of [
    ["password", password, either(string, func)],
    ["tls", tls, either(boolean, object)],
  ] as const) {
    const wanted = value === undefined ? undefined : check(value);
    if (wanted !== undefined) {
      throw configError(`The PostgreSQL backend's option ${name} must be ${wanted}`, name);
    }
  }
}
