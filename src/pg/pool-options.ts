import type pg from "pg";
import type { TargetSessionAttrs } from "../backend/postgres/connection-url.ts";
import { TARGET_SESSION_ATTRS } from "../backend/postgres/connection-url.ts";
import { nearestName } from "../base/nearest.ts";
import type { PoolObserver } from "../base/observer.ts";
import {
  boolean,
  checkOptions,
  configError,
  integer,
  number,
  type OptionCheck,
  type OtherNames,
  object,
  oneOf,
  ownName,
  show,
  string,
} from "../base/options.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { CONNECTIONS } from "../pool/options.ts";
import type { AcquireOptions } from "../pool/pool.ts";

/** What FormDB's pool takes beside the options of `pg.Pool`, which keep their names, units and defaults. */
export interface PgPoolOptions extends pg.PoolConfig {
  /** Whether statements with values are prepared once their text comes again. Default true, but not behind PgBouncer. */
  readonly prepare?: boolean | undefined;
  /** Statements that each connection keeps prepared by itself. Default 200. */
  readonly maxPrepared?: number | undefined;
  /** Callers that may wait; the next one is refused with `FORMDB_POOL_QUEUE_FULL`. Default 10 000. */
  readonly maxWaiting?: number | undefined;
  /** Connections that are opened at a time. Default 2. */
  readonly maxConnecting?: number | undefined;
  /** Which of several hosts a connection may end up on. Default `any`. */
  readonly targetSessionAttrs?: TargetSessionAttrs | undefined;
  /** Remembers who holds each connection and tells it in time-out errors. A stack trace for each. Default false. */
  readonly trackHolders?: boolean | undefined;
  /** A client that is kept for more milliseconds is reported once by a process warning. Default never. */
  readonly leakThresholdMillis?: number | undefined;
  /** Milliseconds that `end()` waits for clients that are out before it closes them. Default 30 000. */
  readonly endTimeoutMillis?: number | undefined;
  /** Receives the pool's metrics under `poolName`. Default none. */
  readonly metrics?: Metrics | undefined;
  /** What the pool is called in metrics. Default `pg`. */
  readonly poolName?: string | undefined;
  /** Told of the pool's events, such as OpenTelemetry's `poolObserver(name)`. */
  readonly observer?: PoolObserver | undefined;
}

/** How one caller wants its client. */
export type ConnectOptions = Pick<AcquireOptions, "signal" | "timeoutMs" | "priority">;

const TARGET_CHECK: OptionCheck = oneOf(...TARGET_SESSION_ATTRS);

const CHECKS: Readonly<Record<string, OptionCheck>> = {
  prepare: boolean,
  maxPrepared: integer(1),
  maxWaiting: integer(0, Infinity),
  maxConnecting: integer(1),
  targetSessionAttrs: TARGET_CHECK,
  trackHolders: boolean,
  leakThresholdMillis: number(1, Infinity),
  endTimeoutMillis: number(0, Infinity),
  metrics: object,
  poolName: string,
  observer: object,
};

/** The options of `pg.Pool` and `pg.Client`, also those that their published types do not have. */
const PG_OPTIONS: readonly string[] = (
  "Client Promise allowExitOnIdle application_name binary client_encoding connectionString connectionTimeoutMillis database " +
  "enableChannelBinding encoding fallback_application_name host idle_in_transaction_session_timeout idleTimeoutMillis isDomainSocket " +
  "keepAlive keepAliveInitialDelayMillis lock_timeout log max maxLifetimeSeconds maxUses min onConnect options " +
  "parseInputDatesAsUTC password pipeline pipelining poolSize port query_timeout replication ssl sslmode sslnegotiation " +
  "statement_timeout stream types user verify"
).split(" ");

/** What other pools, FormDB's own among them, call them. */
const OTHER_NAMES: OtherNames = {
  max: ["maxconnections", "maxpoolsize", "maximumpoolsize", "connectionlimit"],
  min: ["minconnections", "minpoolsize", "minimumidle"],
  connectionTimeoutMillis: [
    "acquiretimeoutms",
    "acquiretimeout",
    "connecttimeout",
    "connecttimeoutms",
    "connectiontimeoutms",
  ],
  idleTimeoutMillis: ["idletimeoutms", "maxidletimems"],
  maxLifetimeSeconds: ["maxlifetimems", "maxlifetimemillis"],
  leakThresholdMillis: ["leakthresholdms"],
  endTimeoutMillis: ["endtimeoutms", "closetimeoutms"],
  user: ["username"],
  connectionString: ["url", "uri", "connectionuri"],
};

/** The names that were told: a program that makes many pools makes the same mistake in each. */
const told: Set<string> = new Set();

/**
 * Warns once of each option that looks like a misspelled one that is not given. `pg.Pool` ignores what it does not know, and there are
 * programs that keep things of their own among its options, so none is refused.
 */
export function warnOfMisspelled(options: PgPoolOptions): void {
  const known = [...PG_OPTIONS, ...Object.keys(CHECKS)];
  for (const name of Object.keys(options)) {
    if (known.includes(name) || told.has(name)) continue;
    const meant = ownName(name, OTHER_NAMES) ?? nearestName(name, known);
    if (meant === undefined || Object.hasOwn(options, meant)) continue;
    told.add(name);
    process.emitWarning(
      `Pool has no option ${JSON.stringify(name)}, which changes nothing; did you mean ${JSON.stringify(meant)}?`,
      { code: "FORMDB_UNKNOWN_OPTION" },
    );
  }
}

/** How long opening a connection may take if `connectionTimeoutMillis` does not say. */
const DEFAULT_CONNECT_TIMEOUT_MS = 30_000;

/** The options of one pool, in the units of FormDB's pool. */
export interface PgPoolSettings {
  readonly min: number;
  readonly max: number;
  /** How long a caller waits; without `connectionTimeoutMillis` without end, as with `pg.Pool`. */
  readonly acquireTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly maxLifetimeMs: number;
  readonly maxUses: number;
  readonly endTimeoutMs: number;
  readonly poolName: string;
  /** As the option says, or the URL. */
  readonly target: TargetSessionAttrs;
}

/** Throws `FORMDB_CONFIG` for a value of FormDB's own options, or a number of `pg.Pool`'s, that can't be used. */
export function settingsOf(options: PgPoolOptions): PgPoolSettings {
  const own = Object.entries(options).filter(([name]) => Object.hasOwn(CHECKS, name));
  checkOptions("Pool", Object.fromEntries(own), CHECKS);
  const max = numberOf(options, "max");
  const min = Math.min(numberOf(options, "min"), max);
  checkOptions("Pool", { min, max }, CONNECTIONS);
  const connectionTimeoutMs = numberOf(options, "connectionTimeoutMillis");
  return {
    min,
    max,
    acquireTimeoutMs: connectionTimeoutMs || Infinity,
    connectTimeoutMs: connectionTimeoutMs || DEFAULT_CONNECT_TIMEOUT_MS,
    idleTimeoutMs: numberOf(options, "idleTimeoutMillis") || Infinity,
    maxLifetimeMs: numberOf(options, "maxLifetimeSeconds") * 1_000 || Infinity,
    maxUses: numberOf(options, "maxUses") || Infinity,
    endTimeoutMs: options.endTimeoutMillis ?? 30_000,
    poolName: options.poolName ?? "pg",
    target: targetOf(options),
  };
}

function targetOf({ connectionString, targetSessionAttrs }: PgPoolOptions): TargetSessionAttrs {
  const named = /[?&]target_session_attrs=([^&#]*)/.exec(connectionString ?? "")?.[1] || undefined;
  checkOptions("Pool", { target_session_attrs: named }, { target_session_attrs: TARGET_CHECK });
  return targetSessionAttrs ?? (named as TargetSessionAttrs | undefined) ?? "any";
}

type NumberName =
  | "max"
  | "min"
  | "connectionTimeoutMillis"
  | "idleTimeoutMillis"
  | "maxLifetimeSeconds"
  | "maxUses";

/** `pg.Pool` compares these as numbers, so that text from the environment works too. */
function numberOf(options: PgPoolOptions, name: NumberName): number {
  const value = options[name] ?? 0;
  const result = Number(value);
  if (!(result >= 0)) {
    throw configError(
      `Pool's option ${name} must be a number, zero or more, not ${show(value)}`,
      name,
      value,
    );
  }
  return result;
}
