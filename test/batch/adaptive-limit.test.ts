import { describe, expect, it } from "vitest";
import { AdaptiveLimit } from "../../src/batch/adaptive-limit.ts";
import { BatchProcessor } from "../../src/batch/batch-processor.ts";
import { ManualClock } from "../support/manual-clock.ts";

describe("an adaptive limit", () => {
  it("begins at the most and halves with each flush beyond the target, down to the least", () => {
    const limit = new AdaptiveLimit(10, 100, 50);
    expect(limit.limit).toBe(100);
    const seen = Array.from({ length: 5 }, () => {
      limit.record(limit.limit, 51);
      return limit.limit;
    });
    expect(seen).toEqual([50, 25, 12, 10, 10]);
  });

  it("halves what was sent where a group that was not full took too long", () => {
    const limit = new AdaptiveLimit(1, 100, 50);
    limit.record(30, 80);
    expect(limit.limit).toBe(15);
  });

  it("grows by a twentieth of its range with each full group within the target, up to the most", () => {
    const limit = new AdaptiveLimit(20, 100, 50);
    for (let i = 0; i < 3; i++) limit.record(limit.limit, 1_000);
    expect(limit.limit).toBe(20);
    limit.record(20, 50);
    expect(limit.limit).toBe(24);
    for (let i = 0; i < 100; i++) limit.record(limit.limit, 1);
    expect(limit.limit).toBe(100);
  });

  it("learns nothing from a quick group that was not full", () => {
    const limit = new AdaptiveLimit(10, 100, 50);
    limit.record(100, 60);
    limit.record(49, 1);
    expect(limit.limit).toBe(50);
  });

  it("always moves, however small its range", () => {
    const limit = new AdaptiveLimit(1, 2, 50);
    limit.record(2, 60);
    expect(limit.limit).toBe(1);
    limit.record(1, 1);
    expect(limit.limit).toBe(2);
  });
});

describe("a processor with an adaptive limit", () => {
  it("settles about the size that its database takes in the target's time", async () => {
    const clock = new ManualClock();
    const sizes: number[] = [];
    let msEach = 2;
    const processor = new BatchProcessor(
      ({ operations }) => {
        sizes.push(operations.length);
        return new Promise<void>((resolve) => {
          clock.schedule(resolve, operations.length * msEach);
        });
      },
      { clock, maxBatchSize: 100, adaptive: { targetMs: 100, minBatchSize: 5 }, maxQueued: 100_000 },
    );
    const run = async (): Promise<number[]> => {
      sizes.length = 0;
      let done = false;
      const call = processor
        .submitAll(
          "insert",
          "c",
          Array.from({ length: 3_000 }, () => ({})),
        )
        .then(() => {
          done = true;
        });
      while (!done) await clock.advance(50);
      await call;
      return sizes.slice(sizes.length >> 1, -1);
    };
    // 50 operations take 100 ms: between half of that and a step above it.
    for (const size of await run()) {
      expect(size).toBeGreaterThanOrEqual(25);
      expect(size).toBeLessThanOrEqual(54);
    }
    msEach = 0.5;
    expect((await run()).at(-1)).toBe(100);
    expect(processor.stats().batchLimit).toBe(100);
  });
});
