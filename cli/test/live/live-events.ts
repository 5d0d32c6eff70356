import type { LiveEvent, LivePool, Percentiles } from "../../src/live/live-event.ts";

const NONE: Percentiles = { p50Ms: 0, p95Ms: 0, p99Ms: 0 };

export const POOL: LivePool = {
  name: "main",
  inUse: 2,
  idle: 2,
  waiting: 0,
  pending: 0,
  max: 4,
  oldestWaitMs: 0,
  holders: [],
  failed: 0,
};

/** An event of a database that does well. */
export const CALM: LiveEvent = {
  time: 1_700_000_000_000,
  intervalMs: 1_000,
  uptimeMs: 60_000,
  profile: "default",
  queries: {
    count: 100,
    errors: 0,
    inFlight: 1,
    total: 6_000,
    all: { p50Ms: 1, p95Ms: 2, p99Ms: 3 },
    waiting: NONE,
    database: { p50Ms: 0.8, p95Ms: 1.5, p99Ms: 2.5 },
    decoding: NONE,
  },
  cache: {
    hits: 99,
    misses: 1,
    missesBy: { cold: 1 },
    hitRate: 0.99,
    size: 20,
    maxSize: 1_000,
    evictions: 0,
    doubledHitRate: 0.99,
  },
  pools: [POOL],
  mergedReads: { statements: 0, callsPerStatement: 0, saved: 0 },
  batch: {
    queued: 0,
    queuedBytes: 0,
    inFlight: 0,
    held: 0,
    waiting: 0,
    oldestMs: 0,
    flushes: 2,
    rowsPerFlush: 10,
    retries: 0,
    failed: 0,
  },
  eventLoop: { meanMs: 0.5, p99Ms: 3, maxMs: 5, utilization: 0.4 },
  errors: {},
  errorTotals: {},
  memory: { heapUsedBytes: 30_000_000, rssBytes: 90_000_000 },
};
