import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PlanCache } from "../../src/cache/plan-cache.ts";
import { ManualClock } from "../support/manual-clock.ts";

const TTL_MS = 50;

interface ModelEntry {
  readonly text: string;
  readonly plan: number;
  readonly bytes: number;
  readonly tag: string;
  readonly writtenAt: number;
  stale: boolean;
}

/** The plan cache as one would write it without a thought for speed: an array, most recently used first. */
class Model {
  entries: ModelEntry[] = [];
  gone: ModelEntry[] = [];
  now = 0;
  readonly counts = { hit: 0, cold: 0, expired: 0, evicted: 0, stale: 0 };
  readonly #maxSize: number;
  readonly #maxBytes: number;

  constructor(maxSize: number, maxBytes: number) {
    this.#maxSize = maxSize;
    this.#maxBytes = maxBytes;
  }

  get(text: string): number | undefined {
    const entry = this.entries.find((e) => e.text === text);
    const ghost = this.gone.find((e) => e.text === text);
    const known = entry ?? ghost;
    const outcome =
      known === undefined
        ? "cold"
        : this.now - known.writtenAt >= TTL_MS
          ? "expired"
          : known.stale
            ? "stale"
            : entry === undefined
              ? "evicted"
              : "hit";
    this.counts[outcome]++;
    this.entries = this.entries.filter((e) => e !== entry);
    if (ghost !== undefined) this.gone = [ghost, ...this.gone.filter((e) => e !== ghost)];
    if (outcome !== "hit") return undefined;
    this.entries.unshift(entry!);
    return entry!.plan;
  }

  set(text: string, plan: number, bytes: number, tag: string): void {
    this.entries = this.entries.filter((e) => e.text !== text);
    if (bytes > this.#maxBytes) return;
    this.gone = this.gone.filter((e) => e.text !== text);
    this.entries.unshift({ text, plan, bytes, tag, writtenAt: this.now, stale: false });
    while (this.entries.length > this.#maxSize || this.bytes > this.#maxBytes)
      this.gone.unshift(this.entries.pop()!);
    this.gone.length = Math.min(this.gone.length, this.#maxSize);
  }

  get bytes(): number {
    return this.entries.reduce((sum, e) => sum + e.bytes, 0);
  }
}

const text = fc.integer({ min: 0, max: 9 }).map((i) => `text ${i}`);
const tag = fc.constantFrom("t0", "t1");
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant("get" as const), text }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("set" as const),
      text,
      tag,
      bytes: fc.integer({ min: 0, max: 40 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("delete" as const), text }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("invalidate" as const), tag }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 30 }) }),
  },
);

describe("a plan cache and a naive model of it", () => {
  it("give the same plans, order, bytes and reasons for misses", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.constantFrom(30, 100, Number.POSITIVE_INFINITY),
        fc.array(step, { maxLength: 80 }),
        async (maxSize, maxBytes, steps) => {
          const clock = new ManualClock();
          const cache = new PlanCache<number>({ maxSize, maxBytes, ttlMs: TTL_MS, clock });
          const model = new Model(maxSize, maxBytes);
          for (const [i, s] of steps.entries()) {
            switch (s.do) {
              case "get":
                expect(cache.get(s.text)).toBe(model.get(s.text));
                break;
              case "set":
                cache.set(s.text, i, { tags: [s.tag], bytes: s.bytes });
                model.set(s.text, i, s.bytes, s.tag);
                break;
              case "delete":
                cache.delete(s.text);
                model.entries = model.entries.filter((e) => e.text !== s.text);
                break;
              case "invalidate":
                cache.invalidate(s.tag);
                for (const e of [...model.entries, ...model.gone]) if (e.tag === s.tag) e.stale = true;
                break;
              case "wait":
                await clock.advance(s.ms);
                model.now += s.ms;
                break;
            }
            expect(cache.entries().map((e) => e.text)).toEqual(model.entries.map((e) => e.text));
          }
          const { hits, missesBy, bytes } = cache.stats();
          const { hit, ...misses } = model.counts;
          expect({ hits, bytes }).toEqual({ hits: hit, bytes: model.bytes });
          expect(missesBy).toEqual({ ...misses, bypassed: 0, invalid: 0 });
        },
      ),
      { numRuns: 400 },
    );
  });

  it("agree with a cache of twice the size on what its hit rate would be", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.array(fc.nat(24), { maxLength: 300 }),
        (maxSize, keys) => {
          const single = new PlanCache<number>({ maxSize });
          const double = new PlanCache<number>({ maxSize: 2 * maxSize });
          for (const key of keys) {
            single.getOrCompileSync(`text ${key}`, () => key);
            double.getOrCompileSync(`text ${key}`, () => key);
          }
          expect(single.stats().hitRateAtDoubleSize).toBe(double.stats().hitRate);
        },
      ),
    );
  });

  it("never hold more than the limits, with TinyLFU too, and give only what was put in", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.nat(60), { maxLength: 400 }),
        (maxSize, keys) => {
          const cache = new PlanCache<string>({ maxSize, maxBytes: 100, admission: "tinylfu" });
          for (const key of keys) {
            const text = `text ${key}`;
            expect(cache.getOrCompileSync(text, () => text, { bytes: key % 7 })).toBe(text);
            const entries = cache.entries();
            const { size, bytes } = cache.stats();
            expect(entries).toHaveLength(size);
            expect(entries.reduce((sum, e) => sum + e.bytes, 0)).toBe(bytes);
            expect(size).toBeLessThanOrEqual(maxSize);
            expect(bytes).toBeLessThanOrEqual(100);
          }
        },
      ),
    );
  });
});
