import { describe, expect, it } from "vitest";
import { hitRatioPatterns } from "../../bench/harness/workloads.ts";
import { PlanCache } from "../../src/cache/plan-cache.ts";

const SIZE = 500;
const patterns = hitRatioPatterns(SIZE);

function hitRate(admission: "always" | "tinylfu", texts: readonly string[]): number {
  const cache = new PlanCache<number>({ maxSize: SIZE, admission });
  for (const text of texts) cache.getOrCompileSync(text, () => 1);
  return cache.stats().hitRate;
}

describe("admission by TinyLFU", () => {
  it.each([
    ["loop, 1.2 times the cache", 0.6],
    ["loop, 2 times the cache", 0.35],
    ["Zipf with scans of 2 times the cache", 0.05],
    ["Zipf, half of all texts used once", 0.05],
    ["Zipf", 0.05],
  ])("beats LRU by far on: %s", (name, margin) => {
    const texts = patterns[name]!;
    expect(hitRate("tinylfu", texts)).toBeGreaterThan(hitRate("always", texts) + margin);
  });

  it.each(Object.keys(patterns).filter((name) => /drift|new popularity/.test(name)))(
    "loses at most one point to LRU on: %s",
    (name) => {
      const texts = patterns[name]!;
      expect(hitRate("tinylfu", texts)).toBeGreaterThan(hitRate("always", texts) - 0.01);
    },
  );
});
