import { type Clock, systemClock } from "../base/clock.ts";
import type { FormDBError } from "../base/errors.ts";
import type { PoolObserver } from "../base/observer.ts";
import type { OptionCheck, OtherNames } from "../base/options.ts";
import {
  boolean,
  checkOptions,
  configError,
  func,
  integer,
  milliseconds,
  number,
  object,
  withoutUndefined,
} from "../base/options.ts";
import { type LeakReport, warnOfLeak } from "./holders.ts";

/** What a pool is made of and how it behaves. Only `create` is needed. */
export interface PoolOptions<T> {
  /**
   * Opens a resource. The signal fires when the pool no longer wants it; what still arrives then is destroyed.
   */
  readonly create: (signal: AbortSignal) => T | PromiseLike<T>;
  /** Closes a resource. Without it the resource's `Symbol.asyncDispose` or `Symbol.dispose`, if it has one. */
  readonly destroy?: ((resource: T) => unknown) | undefined;
  /** Proof that a resource still works; false or an error evicts it. */
  readonly validate?: ((resource: T) => unknown) | undefined;
  /** Cleans a resource that was given back, before anyone else gets it; false or an error evicts it. */
  readonly reset?: ((resource: T) => unknown) | undefined;
  /**
   * Whether a resource is of no use after this error. Without it every error given to `release` or
   * thrown inside `use` is fatal: a pool that can't tell assumes the worst.
   */
  readonly isFatal?: ((error: unknown) => boolean) | undefined;
  /** Whether this error says that every open resource is to be replaced, as after a failover. */
  readonly invalidates?: ((error: unknown) => boolean) | undefined;
  /** Called once for each resource; `report` tells the pool that the resource was lost, at any time. */
  readonly watch?: ((resource: T, report: (error: unknown) => void) => void) | undefined;
  /** Whether a resource already holds what `acquire({ prefer })` asks for, a prepared statement say. */
  readonly holds?: ((resource: T, key: string) => boolean) | undefined;

  /** Kept open in the background. Default 2, or `maxConnections` if that is less. */
  readonly minConnections?: number | undefined;
  /** Never more than this, opening ones included. Default 10. */
  readonly maxConnections?: number | undefined;
  /** Opening at a time. Default 2. */
  readonly maxConnecting?: number | undefined;
  /** Callers that may wait; the next one fails with `FORMDB_POOL_QUEUE_FULL`. Default 10 000. */
  readonly maxWaiting?: number | undefined;
  /** How many milliseconds a caller waits unless it says otherwise. Default 5 000. */
  readonly acquireTimeoutMs?: number | undefined;
  /** Beyond the minimum, unused for so many milliseconds, a resource is closed. Default 30 000. */
  readonly idleTimeoutMs?: number | undefined;
  /**
   * Whether the process may end while resources lie idle: a resource that has the methods `unref` and `ref` (sockets,
   * workers, `pg.Client`) is unreferenced while it is idle, and referenced again before it is used. Default true.
   */
  readonly allowExitOnIdle?: boolean | undefined;
  /** A resource is replaced at this age in milliseconds. Default 1 800 000. */
  readonly maxLifetimeMs?: number | undefined;
  /** The share of the lifetime, 0 to 1, that chance takes off it. Default 0.1. */
  readonly lifetimeJitter?: number | undefined;
  /** Idle resources are validated every so many milliseconds. Default never. */
  readonly keepaliveMs?: number | undefined;
  /** A resource idle for more milliseconds is validated before it is lent. Default 1 000. */
  readonly validateAfterIdleMs?: number | undefined;
  /** A resource is closed after being lent this often. Default without end. */
  readonly maxUses?: number | undefined;
  /** Milliseconds that `create` may take. Default 10 000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Milliseconds that `validate` and `reset` may take each. Default 2 500. */
  readonly validateTimeoutMs?: number | undefined;
  /** Milliseconds that closing the pool waits for one `destroy`. Default 5 000. */
  readonly destroyTimeoutMs?: number | undefined;
  /** Failures in a row, while nothing is open, after which all waiting callers are refused. Default 3. */
  readonly connectAttempts?: number | undefined;
  /** Milliseconds of the pause after a first failure; it doubles with each further one, and chance takes up to half off. Default 50. */
  readonly connectBackoffMs?: number | undefined;
  /** Milliseconds of the longest such pause. Default 5 000. */
  readonly connectBackoffMaxMs?: number | undefined;
  /**
   * CoDel: once every caller of a `codelIntervalMs` has waited more milliseconds than this, refuses those that have waited for
   * twice as long. Default off.
   */
  readonly codelTargetMs?: number | undefined;
  /** Milliseconds over which `codelTargetMs` looks. Default 100. */
  readonly codelIntervalMs?: number | undefined;
  /** Remembers from where each resource was acquired, for errors and warnings. Costs a stack trace each. Default false. */
  readonly trackHolders?: boolean | undefined;
  /** A lease of more milliseconds is reported once. Default never. */
  readonly leakThresholdMs?: number | undefined;
  /** Called with such a lease. Default: a process warning. */
  readonly onLeak?: ((report: LeakReport) => void) | undefined;
  /** Refuses at once a nested acquire inside `use` that can never be served. Default false. */
  readonly detectNested?: boolean | undefined;
  /** Whether the pool lends nothing before `resume()`. Default false. */
  readonly startPaused?: boolean | undefined;
  /** The source of time. Default the machine's. */
  readonly clock?: Clock | undefined;
  /** Told of every event. Default none. */
  readonly observer?: PoolObserver | undefined;
  /** Chance, from 0 to 1, for jitter. Default `Math.random`. */
  readonly random?: (() => number) | undefined;
}

/** Least and most connections. */
export interface PoolSize {
  readonly min: number;
  readonly max: number;
}

/** What a pool's least and most number of connections may be. */
export const CONNECTIONS: Readonly<Record<keyof PoolSize, OptionCheck>> = {
  min: integer(0, 100_000),
  max: integer(1, 100_000),
};

const CHECKS: Readonly<Record<keyof PoolOptions<unknown>, OptionCheck>> = {
  create: func,
  destroy: func,
  validate: func,
  reset: func,
  isFatal: func,
  invalidates: func,
  watch: func,
  holds: func,
  minConnections: CONNECTIONS.min,
  maxConnections: CONNECTIONS.max,
  maxConnecting: integer(1),
  maxWaiting: integer(0, Infinity),
  acquireTimeoutMs: milliseconds,
  idleTimeoutMs: milliseconds,
  allowExitOnIdle: boolean,
  maxLifetimeMs: number(1, Infinity),
  lifetimeJitter: number(0, 1),
  keepaliveMs: number(1, Infinity),
  validateAfterIdleMs: milliseconds,
  maxUses: integer(1, Infinity),
  connectTimeoutMs: number(1, Infinity),
  validateTimeoutMs: number(1, Infinity),
  destroyTimeoutMs: milliseconds,
  connectAttempts: integer(1, Infinity),
  connectBackoffMs: number(1),
  connectBackoffMaxMs: number(1),
  codelTargetMs: number(0),
  codelIntervalMs: number(1),
  trackHolders: boolean,
  leakThresholdMs: number(1, Infinity),
  onLeak: func,
  detectNested: boolean,
  startPaused: boolean,
  clock: object,
  observer: object,
  random: func,
};

/** What other pools call them: those of pg, postgres.js, MongoDB, mysql2, Knex, HikariCP and Prisma. */
export const POOL_OTHER_NAMES: OtherNames = {
  maxConnections: [
    "max",
    "maxpoolsize",
    "maximumpoolsize",
    "poolsize",
    "poolmax",
    "connectionlimit",
    "maxconns",
    "size",
  ],
  minConnections: ["min", "minpoolsize", "minimumidle", "poolmin", "minconns", "minidle"],
  acquireTimeoutMs: [
    "connectiontimeoutmillis",
    "connectiontimeout",
    "connectiontimeoutms",
    "acquiretimeoutmillis",
    "acquiretimeout",
    "waitqueuetimeoutms",
    "pooltimeout",
  ],
  connectTimeoutMs: ["createtimeoutmillis", "connecttimeout"],
  idleTimeoutMs: ["idletimeoutmillis", "idletimeout", "maxidletimems", "maxconnidletime"],
  maxLifetimeMs: ["maxlifetimeseconds", "maxlifetime", "maxconnlifetime"],
  keepaliveMs: ["keepalivetime", "keepalive"],
  maxWaiting: ["queuelimit", "maxwaitingclients", "maxqueue"],
  leakThresholdMs: ["leakdetectionthreshold"],
  validateTimeoutMs: ["validationtimeout"],
  destroy: ["close", "dispose"],
  validate: ["check", "testonborrow"],
};

/** The options that have a default of their own. Those of the sizes depend on each other: see `sizeOf`. */
type DefaultName = Exclude<
  keyof PoolOptions<unknown>,
  | "create"
  | "validate"
  | "reset"
  | "invalidates"
  | "watch"
  | "holds"
  | "minConnections"
  | "maxConnections"
  | "codelTargetMs"
  | "observer"
>;

const DEFAULTS: { readonly [Name in DefaultName]: NonNullable<PoolOptions<unknown>[Name]> } = Object.freeze({
  destroy: dispose,
  isFatal: (): boolean => true,
  maxConnecting: 2,
  maxWaiting: 10_000,
  acquireTimeoutMs: 5_000,
  idleTimeoutMs: 30_000,
  allowExitOnIdle: true,
  maxLifetimeMs: 1_800_000,
  lifetimeJitter: 0.1,
  keepaliveMs: Infinity,
  validateAfterIdleMs: 1_000,
  maxUses: Infinity,
  connectTimeoutMs: 10_000,
  validateTimeoutMs: 2_500,
  destroyTimeoutMs: 5_000,
  connectAttempts: 3,
  connectBackoffMs: 50,
  connectBackoffMaxMs: 5_000,
  codelIntervalMs: 100,
  trackHolders: false,
  leakThresholdMs: Infinity,
  onLeak: warnOfLeak,
  detectNested: false,
  startPaused: false,
  clock: systemClock,
  random: Math.random,
});

/** Options with every such default filled in. */
export type PoolSettings<T> = Omit<PoolOptions<T>, DefaultName> & {
  readonly [Name in DefaultName]: NonNullable<PoolOptions<T>[Name]>;
};

/** Checks the options and fills in the defaults. Throws `FORMDB_CONFIG`. */
export function settingsOf<T>(options: PoolOptions<T>): PoolSettings<T> {
  checkOptions("Pool", options, CHECKS, POOL_OTHER_NAMES);
  if (options.create === undefined) throw configError("A pool needs the option create", "create");
  const settings: PoolSettings<T> = { ...DEFAULTS, create: options.create, ...withoutUndefined(options) };
  const { keepaliveMs, validate, connectBackoffMs, connectBackoffMaxMs } = settings;
  if (keepaliveMs !== Infinity && validate === undefined) {
    throw configError("Pool's option keepaliveMs needs the option validate", "keepaliveMs", keepaliveMs);
  }
  if (connectBackoffMs > connectBackoffMaxMs) {
    throw configError(
      `Pool's option connectBackoffMs must be at most connectBackoffMaxMs, which is ${connectBackoffMaxMs}, ` +
        `not ${connectBackoffMs}`,
      "connectBackoffMs",
      connectBackoffMs,
    );
  }
  return Object.freeze(settings);
}

/** Checks what a user says of a pool whose maker gives it the options `without`, sizes included. Throws `FORMDB_CONFIG`. */
export function checkPoolOptions(
  options: Omit<PoolOptions<unknown>, "create">,
  without: readonly string[],
): void {
  const taken = <T>(names: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(names).filter(([name]) => !without.includes(name)));
  checkOptions("Pool", options, taken(CHECKS), taken(POOL_OTHER_NAMES));
  sizeOf(options);
}

const DEFAULT_SIZE: PoolSize = Object.freeze({ min: 2, max: 10 });

/** The sizes to start with: a default gives way to the one that was given. Throws `FORMDB_CONFIG`. */
export function sizeOf(
  { minConnections, maxConnections }: Pick<PoolOptions<unknown>, "minConnections" | "maxConnections">,
  usual: PoolSize = DEFAULT_SIZE,
): PoolSize {
  const max = maxConnections ?? Math.max(usual.max, minConnections ?? 0);
  const min = minConnections ?? Math.min(usual.min, max);
  if (min > max) throw outOfOrder("Pool's option minConnections", min, "maxConnections", max);
  return Object.freeze({ min, max });
}

/** The sizes after a change of one or both. Throws `FORMDB_CONFIG`. */
export function resized(size: PoolSize, change: Partial<PoolSize>): PoolSize {
  checkOptions("Pool.resize", change, CONNECTIONS);
  const { min = size.min, max = size.max } = change;
  if (min > max) throw outOfOrder("Pool.resize's min (minConnections)", min, "max (maxConnections)", max);
  return Object.freeze({ min, max });
}

function outOfOrder(less: string, min: number, more: string, max: number): FormDBError {
  return configError(`${less} must be at most ${more}, which is ${max}, not ${min}`, "minConnections", min);
}

function dispose(resource: unknown): unknown {
  if (typeof resource !== "object" || resource === null) return undefined;
  const { [Symbol.asyncDispose]: end, [Symbol.dispose]: endNow } = resource as Partial<
    AsyncDisposable & Disposable
  >;
  return (end ?? endNow)?.call(resource);
}
