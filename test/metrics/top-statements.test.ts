import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TopStatements } from "../../src/metrics/top-statements.ts";
import { endedQuery } from "../support/ended-query.ts";

const record = (top: TopStatements, shape: string, ms: number, failed = false): void =>
  top.record(
    endedQuery({
      ...{ operation: "select", shape, totalMs: ms, rows: 2 },
      ...{ code: failed ? "FORMDB_ENGINE" : "", cacheHit: !failed },
    }),
  );

describe("TopStatements", () => {
  test("says of each shape how often it ran and what it cost, the dearest first", () => {
    const top = new TopStatements();
    for (let i = 1; i <= 100; i++) record(top, "a", i);
    record(top, "b", 9_000, true);
    const [first, second] = top.list();
    expect(first).toMatchObject({ shape: "b", calls: 1, errors: 1, rows: 2, cacheHits: 0, totalMs: 9_000 });
    expect(second).toMatchObject({
      shape: "a",
      operation: "select",
      collection: "users",
      calls: 100,
      errors: 0,
      rows: 200,
      cacheHits: 100,
      totalMs: 5_050,
      meanMs: 50.5,
      maxMs: 100,
      missedMs: 0,
    });
    expect(second!.p99Ms).toBeGreaterThan(90);
    expect(second!.p99Ms).toBeLessThanOrEqual(100);
    expect(top.list(1)).toHaveLength(1);
  });

  test("is exact while there are slots for all shapes, whatever the order", () => {
    const calls = fc.array(
      fc.tuple(fc.constantFrom(..."abcdefgh"), fc.double({ min: 0, max: 1e6, noNaN: true })),
    );
    fc.assert(
      fc.property(calls, (all) => {
        const top = new TopStatements({ slots: 8 });
        const expected = new Map<string, number>();
        for (const [shape, ms] of all) {
          record(top, shape, ms);
          expected.set(shape, (expected.get(shape) ?? 0) + ms);
        }
        expect(new Map(top.list().map(({ shape, totalMs }) => [shape, totalMs]))).toEqual(expected);
      }),
    );
  });

  test("keeps every shape that took more than the n-th part of all time, and bounds what it may have missed", () => {
    const calls = fc.array(fc.tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 100 })), {
      maxLength: 300,
    });
    fc.assert(
      fc.property(calls, fc.integer({ min: 1, max: 10 }), (all, slots) => {
        const top = new TopStatements({ slots });
        const truth = new Map<string, number>();
        let total = 0;
        for (const [n, ms] of all) {
          record(top, `s${n}`, ms);
          truth.set(`s${n}`, (truth.get(`s${n}`) ?? 0) + ms);
          total += ms;
        }
        const kept = new Map(top.list().map((entry) => [entry.shape, entry]));
        expect(kept.size).toBeLessThanOrEqual(slots);
        for (const [shape, ms] of truth) {
          if (ms > total / slots) expect(kept.has(shape), shape).toBe(true);
        }
        for (const [shape, { totalMs, missedMs }] of kept) {
          expect(totalMs).toBeLessThanOrEqual(truth.get(shape)!);
          expect(totalMs + missedMs).toBeGreaterThanOrEqual(truth.get(shape)!);
        }
      }),
      { numRuns: 300 },
    );
  });

  test("stays small however many shapes come, and however long they are", () => {
    const top = new TopStatements({ slots: 10 });
    for (let i = 0; i < 10_000; i++) record(top, `${i}${"x".repeat(5_000)}`, 1);
    expect(top.list()).toHaveLength(10);
    for (const { shape } of top.list()) expect(shape).toHaveLength(4_096);
  });

  test("counts a call whose time is no number", () => {
    const top = new TopStatements();
    record(top, "a", Number.NaN);
    record(top, "a", 3);
    expect(top.list()).toMatchObject([{ calls: 2, totalMs: 3 }]);
    top.reset();
    expect(top.list()).toEqual([]);
  });
});
