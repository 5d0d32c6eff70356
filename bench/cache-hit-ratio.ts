/**
 * Hit ratios of `admission: "always"` (LRU) and `"tinylfu"` on generated patterns, and of the best that any cache could do
 * without knowing more than popularity where that is easy to say. Deterministic: no timing.
 */
import { PlanCache } from "../src/cache/plan-cache.ts";
import { tabulate } from "./harness/report.ts";
import { hitRatioPatterns } from "./harness/workloads.ts";

const SIZE = 500;

const rows = Object.entries(hitRatioPatterns(SIZE)).map(([name, texts]) => [
  name,
  percent(hitRatio("always", texts)),
  percent(hitRatio("tinylfu", texts)),
]);
tabulate(`Hit ratios of ${SIZE} plans, by what asks for them`, ["", "LRU", "W-TinyLFU"], rows);

function hitRatio(admission: "always" | "tinylfu", texts: readonly string[]): number {
  const cache = new PlanCache<number>({ maxSize: SIZE, admission });
  for (const text of texts) cache.getOrCompileSync(text, () => 1);
  return cache.stats().hitRate;
}

function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(1)} %`;
}
