import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import type { Clock } from "../../src/base/clock.ts";
import { CoarseTime, MAX_READINGS_FROM_MEMORY } from "../../src/cache/coarse-time.ts";
import { FrequencySketch, MAX_FREQUENCY } from "../../src/cache/frequency-sketch.ts";
import { PlanCache } from "../../src/cache/plan-cache.ts";
import { MAX_REMEMBERED_TAGS, TagEpochs } from "../../src/cache/tag-epochs.ts";
import { hashText } from "../../src/cache/text-hash.ts";
import { ManualClock } from "../support/manual-clock.ts";

describe("coarse time", () => {
  /** A clock that moves by `stepMs` each time that somebody looks. */
  function movingClock(stepMs: number): Clock & { looks: number } {
    const still = new ManualClock();
    return {
      looks: 0,
      now(): number {
        return this.looks++ * stepMs;
      },
      wallTime: () => still.wallTime(),
      schedule: (callback, delayMs) => still.schedule(callback, delayMs),
    };
  }

  it("looks at the clock seldom where readings come fast", () => {
    const clock = movingClock(0.001);
    const time = new CoarseTime(clock);
    for (let i = 0; i < 10_000; i++) time.advance();
    expect(clock.looks).toBeLessThan(10_000 / MAX_READINGS_FROM_MEMORY + 20);
  });

  it("looks each time where readings come slowly, and at a clock that stands still", () => {
    for (const stepMs of [0, 1, 1_000]) {
      const clock = movingClock(stepMs);
      const time = new CoarseTime(clock);
      for (let i = 0; i < 100; i++) time.advance();
      expect(clock.looks).toBe(101);
    }
  });

  it("looks again after a pause, however many readings it could still answer from memory", async () => {
    const timers = new ManualClock();
    let now = 0;
    const time = new CoarseTime({
      now: () => now,
      wallTime: () => 0,
      schedule: (callback, delayMs) => timers.schedule(callback, delayMs),
    });
    for (let i = 0; i < 100; i++) {
      now += 0.001;
      time.advance();
    }
    now = 60_000;
    await timers.advance(1);
    time.advance();
    expect(time.latest).toBe(60_000);
    expect(timers.pending).toBe(0);
  });
});

describe("tag epochs", () => {
  it("remember a bounded number of tags and call older things stale rather than fresh", () => {
    const epochs = new TagEpochs();
    const old = epochs.current;
    epochs.invalidate("first");
    const recent = epochs.current;
    for (let i = 0; i < MAX_REMEMBERED_TAGS; i++) epochs.invalidate(`tag ${i}`);
    expect(epochs.changedSince(old, ["first"])).toBe(true);
    expect(epochs.changedSince(old, ["another"])).toBe(true);
    expect(epochs.changedSince(old, [])).toBe(false);
    expect(epochs.changedSince(recent, ["another"])).toBe(false);
    expect(epochs.changedSince(recent, [`tag ${MAX_REMEMBERED_TAGS - 1}`])).toBe(true);
  });
});

describe("the frequency sketch", () => {
  it("never says less than the truth, up to its limit, and rarely much more", () => {
    const sketch = new FrequencySketch(1_000);
    const hashes = Array.from({ length: 1_000 }, (_, i) => hashText(`text ${i}`));
    for (const [i, hash] of hashes.entries()) for (let n = 0; n < i % 10; n++) sketch.count(hash);
    const surplus = hashes.map((hash, i) => sketch.estimate(hash) - (i % 10));
    expect(Math.min(...surplus)).toBe(0);
    expect(surplus.filter((n) => n > 0).length).toBeLessThan(50);
  });

  it("counts to its limit and halves its counts as time goes by", () => {
    const sketch = new FrequencySketch(100);
    for (let i = 0; i < 50; i++) sketch.count(1);
    expect(sketch.estimate(1)).toBe(MAX_FREQUENCY);
    for (let i = 0; i < 1_000; i++) sketch.count(hashText(`other ${i}`));
    expect(sketch.estimate(1)).toBe(MAX_FREQUENCY >> 1);
  });
});

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

describe("the memory of a plan cache", () => {
  it.each(["always", "tinylfu"] as const)(
    "does not grow with the texts that pass through (%s)",
    (admission) => {
      const passing = Number(process.env.FORMDB_CACHE_PASSING_TEXTS ?? 200_000);
      const cache = new PlanCache<{ text: string }>({ maxSize: 1_000, admission });
      const heapAfter = (from: number, to: number): number => {
        for (let i = from; i < to; i++)
          cache.getOrCompileSync(`SELECT a FROM c WHERE b = ${i}`, (text) => ({ text }));
        for (let i = 0; i < 3; i++) collectGarbage();
        return process.memoryUsage().heapUsed;
      };
      const early = heapAfter(0, passing / 10);
      const late = heapAfter(passing / 10, passing);
      expect(cache.size).toBe(1_000);
      // Texts that stayed would be some 100 bytes each: 18 MB.
      expect(late - early).toBeLessThan(4e6);
    },
  );
});
