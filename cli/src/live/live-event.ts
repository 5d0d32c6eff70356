/** Milliseconds that the queries of an interval took; zeros without queries. */
export interface Percentiles {
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

/** A connection that is lent. */
export interface LiveHolder {
  readonly connection: number;
  readonly heldMs: number;
}

/** What a pool looks like at one moment. */
export interface LivePool {
  /** `main`, `writer`, or the name that a pool of its own has in the metrics. */
  readonly name: string;
  readonly inUse: number;
  readonly idle: number;
  readonly waiting: number;
  readonly pending: number;
  readonly max: number;
  readonly oldestWaitMs: number;
  /** The longest first, 20 at most; of the pool `main` alone. */
  readonly holders: readonly LiveHolder[];
  /** Acquisitions that failed in the interval. */
  readonly failed: number;
}

/**
 * What `/v1/events` sends once a second, as data of the event `sample`. Counts are of the interval that ended with it;
 * totals are since the process began.
 */
export interface LiveEvent {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly intervalMs: number;
  /** Of the process, and absent where only its metrics are read, as `profile` and `memory`. */
  readonly uptimeMs?: number;
  readonly profile?: string;
  readonly queries: {
    readonly count: number;
    readonly errors: number;
    readonly inFlight: number;
    readonly total: number;
    readonly all: Percentiles;
    readonly waiting: Percentiles;
    readonly database: Percentiles;
    readonly decoding: Percentiles;
  };
  readonly cache: {
    readonly hits: number;
    readonly misses: number;
    readonly missesBy: Readonly<Record<string, number>>;
    /** Of the interval, misses by texts that are no queries left out; 0 without look-ups. */
    readonly hitRate: number;
    readonly size: number;
    readonly maxSize: number;
    readonly evictions: number;
    /** What it would have been in a cache of twice the size. */
    readonly doubledHitRate: number;
  };
  readonly pools: readonly LivePool[];
  /** Reads of many callers that one statement answered. */
  readonly mergedReads: {
    /** Statements that calls were merged into. */
    readonly statements: number;
    /** On the average of the interval; 0 without such statements. */
    readonly callsPerStatement: number;
    /** Statements that were not sent because another answered their calls. */
    readonly saved: number;
  };
  readonly batch: {
    readonly queued: number;
    readonly queuedBytes: number;
    readonly inFlight: number;
    readonly held: number;
    readonly waiting: number;
    readonly oldestMs: number;
    readonly flushes: number;
    /** Operations that a flush sent on the average of the interval; 0 without flushes. */
    readonly rowsPerFlush: number;
    readonly retries: number;
    readonly failed: number;
  };
  readonly eventLoop: {
    readonly meanMs: number;
    readonly p99Ms: number;
    readonly maxMs: number;
    /** The share of the interval that the loop was busy, 0 to 1. */
    readonly utilization: number;
  };
  /** Errors of the interval by code; codes without any are left out. */
  readonly errors: Readonly<Record<string, number>>;
  /** The same since the process began. */
  readonly errorTotals: Readonly<Record<string, number>>;
  readonly memory?: { readonly heapUsedBytes: number; readonly rssBytes: number };
}
