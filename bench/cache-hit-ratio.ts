/**
 * Hit ratios of `admission: "always"` (LRU) and `"tinylfu"` on generated patterns, and of the best that any cache could do
 * without knowing more than popularity where that is easy to say. Deterministic: no timing.
 */
import { PlanCache } from "../src/cache/plan-cache.ts";
import { hitRatioPatterns } from "./harness/workloads.ts";

const SIZE = 500;

for (const [name, texts] of Object.entries(hitRatioPatterns(SIZE))) {
  const lru = hitRatio("always", texts);
  const tinylfu = hitRatio("tinylfu", texts);
  console.log(`${name.padEnd(38)} LRU ${percent(lru.hitRate)}  tinylfu ${percent(tinylfu.hitRate)}`);
}

function hitRatio(admission: "always" | "tinylfu", texts: readonly string[]): { hitRate: number } {
  const cache = new PlanCache<number>({ maxSize: SIZE, admission });
  for (const text of texts) cache.getOrCompileSync(text, () => 1);
  return cache.stats();
}

function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(1).padStart(5)} %`;
}
