import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { measure } from "../../src/demo/measure.ts";

const never = new AbortController().signal;

describe("a measurement", () => {
  it("counts every operation of every caller once, warm-up apart", async () => {
    let calls = 0;
    const found = await measure(
      async () => {
        calls++;
        await setImmediate();
        return 10;
      },
      8,
      50,
      never,
    );
    const warmUp = calls - found.operations / 10;
    expect(warmUp).toBeGreaterThan(0);
    expect(warmUp).toBeLessThan(calls / 2);
    expect(found.p99Ms).toBeGreaterThanOrEqual(found.p50Ms);
  });

  it("ends with its signal", async () => {
    const controller = new AbortController();
    const work = async (): Promise<number> => {
      controller.abort();
      await setImmediate();
      return 1;
    };
    await expect(measure(work, 2, Number.POSITIVE_INFINITY, controller.signal)).rejects.toThrow("aborted");
  });

  it("fails with the work", async () => {
    const broken = async (): Promise<number> => {
      throw new Error("no such collection");
    };
    await expect(measure(broken, 2, 1_000, never)).rejects.toThrow("no such collection");
  });
});
