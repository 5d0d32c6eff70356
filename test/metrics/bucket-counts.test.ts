import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BucketCounts } from "../../src/metrics/bucket-counts.ts";
import { BucketIndex } from "../../src/metrics/bucket-index.ts";

const BOUNDS = [0.001, 0.01, 0.1, 1];

describe("BucketCounts", () => {
  test("counts, adds up and keeps the largest, whenever it is asked", () => {
    const step = fc.record({
      value: fc.oneof(fc.constantFrom(0, ...BOUNDS), fc.double({ min: 0, max: 2, noNaN: true })),
      next: fc.constantFrom("nothing", "nothing", "nothing", "read", "add", "reset"),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const index = new BucketIndex(BOUNDS);
        // In the middle of cells that are others'.
        const values = new Float64Array(BucketCounts.cellsFor(index) + 4).fill(7);
        values.fill(0, 2, -2);
        const counts = new BucketCounts(index, { values, slot: 2 });
        let expected = { counts: [0, 0, 0, 0, 0], sum: 0, max: -Infinity };
        for (const { value, next } of steps) {
          counts.put(value);
          const bucket = BOUNDS.findIndex((bound) => value <= bound);
          expected.counts[bucket === -1 ? BOUNDS.length : bucket]! += 1;
          expected.sum += value;
          expected.max = Math.max(expected.max, value);
          if (next === "read") expect(counts.sum).toBe(expected.sum);
          if (next === "add") {
            counts.add([1, 0, 0, 0, 2], 4, 2);
            expected.counts[0]! += 1;
            expected.counts[4]! += 2;
            expected.sum += 4;
            expected.max = Math.max(expected.max, 2);
          }
          if (next === "reset") {
            counts.reset();
            expected = { counts: [0, 0, 0, 0, 0], sum: 0, max: -Infinity };
          }
        }
        expect([...counts.counts]).toEqual(expected.counts);
        expect(counts.count).toBe(expected.counts.reduce((a, b) => a + b));
        expect(counts.sum).toBe(expected.sum);
        expect(counts.max).toBe(expected.max);
        expect([...values.subarray(0, 2), ...values.subarray(-2)]).toEqual([7, 7, 7, 7]);
      }),
      { numRuns: 300 },
    );
  });
});
