import type { PostgresOptions } from "../backend/postgres/postgres-options.ts";
import type { Durability } from "../backend/sqlite/database-settings.ts";
import type { Clock } from "../base/clock.ts";
import type { Observer, PoolObserver } from "../base/observer.ts";
import {
  boolean,
  checkOptions,
  configError,
  either,
  func,
  integer,
  milliseconds,
  type OptionCheck,
  type OtherNames,
  object,
  oneOf,
  show,
  string,
} from "../base/options.ts";
import { BATCH_OTHER_NAMES, type BatchOptions, checkBatchOptions } from "../batch/batch-options.ts";
import type { PlanCache, PlanCacheOptions } from "../cache/plan-cache.ts";
import { CACHE_OTHER_NAMES } from "../cache/plan-cache-options.ts";
import type { Metrics, MetricsOptions } from "../metrics/metrics.ts";
import type { Plan } from "../plan/plan.ts";
import { POOL_OTHER_NAMES } from "../pool/options.ts";
import type { ConnectionPoolOptions } from "./connections.ts";

/** What a database gives its queue itself. A journal and a clock are options of `open()`. */
const BATCH_NOT_TAKEN = [
  "makeToken",
  "lookUpToken",
  "spill",
  "captureContext",
  "generateId",
  "clock",
] as const;

/** Options of the batch queue but those that a database gives the queue itself. */
export interface DatabaseBatchOptions extends Omit<BatchOptions, (typeof BATCH_NOT_TAKEN)[number]> {
  /**
   * Whether small reads that are under way together become one statement, if the engine is behind a network: reads by id,
   * and queries of one shape. Default true: those that have shown to be short. `"always"` merges every query that can be
   * merged, which is for tests.
   */
  readonly reads?: boolean | "always" | undefined;
}

/** How a database is opened. Each part's options are the part's own; see `PlanCache`, `Pool`, `BatchProcessor`, `Metrics`. */
export interface OpenOptions {
  /** Options of the plan cache, or a cache to share. */
  readonly cache?: PlanCacheOptions<Plan> | PlanCache<Plan> | PlanCache<unknown> | undefined;
  /** Options of the connection pool; of a SQLite file, of its readers'. */
  readonly pool?: ConnectionPoolOptions | undefined;
  /** Options of the batch queue. */
  readonly batch?: DatabaseBatchOptions | undefined;
  /** Options of the metrics, a store to share, or false for none. */
  readonly metrics?: MetricsOptions | Metrics | false | undefined;
  /**
   * A file for a durable journal of queued writes. What was accepted and not yet written when the process
   * died is written at the next start, each operation once. Default: none.
   */
  readonly spill?: string | undefined;
  /** Whether the first insert into a collection makes it. Default true. */
  readonly autoCreate?: boolean | undefined;
  /** SQLite: `full` (the default) outlives a power cut, `normal` the end of the process. */
  readonly durability?: Durability | undefined;
  /** SQLite: milliseconds to wait for another process's lock. Default 5 000. */
  readonly busyTimeoutMs?: number | undefined;
  /** SQLite: whether the file must be there already. By default it is made. A database of PostgreSQL always has to be there. */
  readonly mustExist?: boolean | undefined;
  /** PostgreSQL: options of its backend, beside what the URL says, such as `tls`, `applicationName`, `pgbouncer`, `profile`. */
  readonly postgres?: PostgresOptions | undefined;
  /** Queries that take so many milliseconds or more are written to the slow-query log. Default: none are. */
  readonly slowQueryMs?: number | undefined;
  /** Told of everything, beside the metrics, but the pool of a single writer. Default none. */
  readonly observer?: Observer | undefined;
  /** SQLite files: told of the pool of the single writer, whose connections are numbered for themselves. Default none. */
  readonly writerObserver?: PoolObserver | undefined;
  /**
   * Takes failures of `db.batch.insert` and its like, which return nothing, that no `flush` has collected before
   * `close()`. Default: a process warning.
   */
  readonly onError?: ((error: Error) => void) | undefined;
  /** The source of time. Default the machine's. */
  readonly clock?: Clock | undefined;
}

const CHECKS: Readonly<Record<keyof OpenOptions, OptionCheck>> = {
  cache: object,
  pool: object,
  batch: object,
  metrics: either(object, (value) => (value === false ? undefined : "false")),
  spill: string,
  autoCreate: boolean,
  durability: oneOf("full", "normal"),
  busyTimeoutMs: integer(0, 2 ** 31 - 1),
  mustExist: boolean,
  postgres: object,
  slowQueryMs: milliseconds,
  observer: object,
  writerObserver: object,
  onError: func,
  clock: object,
};

/** What others call the options, and those of a part that stand beside it instead of in it. */
const OTHER_NAMES: OtherNames = {
  ...inPart("pool", POOL_OTHER_NAMES),
  ...inPart("cache", CACHE_OTHER_NAMES),
  ...inPart("batch", BATCH_OTHER_NAMES),
  ...inPart("postgres", {
    tls: ["ssl"],
    applicationName: [],
    statementTimeoutMs: ["statementtimeout"],
    password: [],
  }),
  mustExist: ["filemustexist"],
  slowQueryMs: ["slowms", "slowquerythreshold", "logslowqueries"],
};

function inPart(part: string, others: OtherNames): OtherNames {
  return Object.fromEntries(
    Object.entries(others).map(([name, words]) => [`${part}.${name}`, [name.toLowerCase(), ...words]]),
  );
}

/** Refuses unknown and unusable options by name. Parts check their own; the queue's are worked with before it does. */
export function checkOpenOptions(options: OpenOptions): void {
  checkOptions("open()", options, CHECKS, OTHER_NAMES);
  const { reads, ...batch }: { reads?: unknown } & BatchOptions = options.batch ?? {};
  if (reads !== undefined && typeof reads !== "boolean" && reads !== "always") {
    throw configError(
      `open()'s option batch.reads must be true, false or "always", not ${show(reads)}`,
      "reads",
      reads,
    );
  }
  for (const name of BATCH_NOT_TAKEN) {
    if (batch[name] !== undefined) {
      throw configError(`open()'s option batch does not take ${name}: a database has its own`, name);
    }
  }
  checkBatchOptions(batch);
}
