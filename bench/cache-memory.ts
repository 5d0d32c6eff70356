/**
 * Ten million distinct texts pass through a plan cache: what it holds must not grow, with either admission. Run with
 * `node --expose-gc bench/cache-memory.ts [texts]`.
 */
import { PlanCache } from "../src/cache/plan-cache.ts";
import { tabulate } from "./harness/report.ts";

const texts = Number(process.argv[2] ?? 10_000_000);
const collectGarbage = (globalThis as { gc?: () => void }).gc;
if (collectGarbage === undefined) throw new Error("This needs node --expose-gc");

const rows: (string | number)[][] = [];
for (const admission of ["always", "tinylfu"] as const) {
  const cache = new PlanCache<{ text: string }>({ maxSize: 1_000, admission });
  for (let i = 1; i <= texts; i++) {
    cache.getOrCompileSync(`SELECT name, age FROM users WHERE id = ${i}`, (text) => ({ text }));
    if (i % (texts / 5) !== 0) continue;
    collectGarbage();
    const { size, bytes } = cache.stats();
    const heap = Number((process.memoryUsage().heapUsed / 2 ** 20).toFixed(1));
    rows.push([admission, i, heap, size, bytes]);
  }
}
tabulate(
  "What a cache of 1 000 plans holds while distinct texts pass through it",
  ["admission", "texts", "heap, MiB", "plans", "their bytes"],
  rows,
);
