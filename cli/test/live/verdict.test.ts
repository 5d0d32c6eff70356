import { describe, expect, test } from "vitest";
import type { LiveEvent } from "../../src/live/live-event.ts";
import { type VerdictState, verdictOf } from "../../src/live/verdict.ts";
import { CALM, POOL } from "./live-events.ts";

const LATE: LiveEvent = { ...CALM, eventLoop: { meanMs: 90, p99Ms: 400, maxMs: 412, utilization: 1 } };
const DRY: LiveEvent = { ...CALM, pools: [{ ...POOL, inUse: 4, idle: 0, waiting: 7, oldestWaitMs: 350 }] };
const SLOW: LiveEvent = {
  ...CALM,
  queries: { ...CALM.queries, database: { p50Ms: 80, p95Ms: 240, p99Ms: 400 } },
};
const FULL: LiveEvent = { ...CALM, batch: { ...CALM.batch, queued: 12_000, waiting: 3, oldestMs: 900 } };
const SMALL: LiveEvent = {
  ...CALM,
  cache: { ...CALM.cache, hits: 60, misses: 40, hitRate: 0.6, maxSize: 100, doubledHitRate: 0.92 },
};

describe("a verdict names what is wrong, with the figure that says so", () => {
  const cases: readonly (readonly [VerdictState, LiveEvent, string])[] = [
    ["healthy", CALM, "100 queries a second, 95% of them within 2.0 ms"],
    [
      "event loop blocked",
      LATE,
      "The event loop was late by 412 ms; while it is, the process answers nobody",
    ],
    [
      "pool dry",
      DRY,
      "4 of 4 connections of the pool main are in use and 7 callers wait, the first for 350 ms",
    ],
    ["database slow", SLOW, "5% of the queries took 240 ms or more in the database"],
    [
      "queue filling",
      FULL,
      "12 000 writes are queued and 3 callers wait for room; the oldest has waited 900 ms",
    ],
    [
      "queue filling",
      { ...CALM, batch: { ...CALM.batch, queued: 40, oldestMs: 2_500 } },
      "40 writes are queued; the oldest has waited 2 500 ms",
    ],
    [
      "cache too small",
      SMALL,
      "60% of the look-ups found their plan in a cache of 100; with twice the size, 92% would",
    ],
  ];
  test.each(cases)("%s", (state, event, because) => {
    expect(verdictOf([event, event, event])).toEqual({ state, because });
  });
});

describe("nothing is wrong", () => {
  const cases: readonly (readonly [string, LiveEvent])[] = [
    ["with all connections in use and nobody waiting", { ...CALM, pools: [{ ...POOL, inUse: 4, idle: 0 }] }],
    [
      "with callers who wait for a short time",
      { ...CALM, pools: [{ ...POOL, inUse: 4, waiting: 2, oldestWaitMs: 5 }] },
    ],
    [
      "with a cache of twice the size better after few look-ups",
      { ...CALM, cache: { ...SMALL.cache, hits: 2, misses: 2 } },
    ],
    ["with a slow database that was not asked", { ...SLOW, queries: { ...SLOW.queries, count: 0 } }],
    ["with a busy event loop that is on time", { ...CALM, eventLoop: { ...CALM.eventLoop, utilization: 1 } }],
  ];
  test.each(cases)("%s", (_name, event) => {
    expect(verdictOf([event]).state).toBe("healthy");
  });
});

test("a single bad second among good ones is no fault, and three of five are", () => {
  expect(verdictOf([CALM, CALM, LATE, CALM, CALM]).state).toBe("healthy");
  expect(verdictOf([LATE, CALM, LATE, CALM, LATE]).state).toBe("event loop blocked");
  expect(verdictOf([LATE, LATE, LATE, CALM, CALM, CALM, CALM, CALM]).state).toBe("healthy");
});

test("callers who get no connection make a pool dry, however short they waited", () => {
  const refused: LiveEvent = { ...CALM, pools: [{ ...POOL, inUse: 4, idle: 0, waiting: 1, failed: 20 }] };
  expect(verdictOf([refused]).state).toBe("pool dry");
});

test("the cause comes before what it causes", () => {
  expect(verdictOf([{ ...DRY, eventLoop: LATE.eventLoop }]).state).toBe("event loop blocked");
  expect(verdictOf([{ ...DRY, queries: SLOW.queries }]).state).toBe("pool dry");
});

test("a database that nobody asks is healthy, and the verdict says that nobody asks", () => {
  const idle: LiveEvent = { ...CALM, queries: { ...CALM.queries, count: 0 } };
  expect(verdictOf([idle])).toEqual({
    state: "healthy",
    because: "No queries were run in the last seconds",
  });
  expect(verdictOf([]).state).toBe("healthy");
});
