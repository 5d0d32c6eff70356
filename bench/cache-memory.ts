/**
 * Ten million distinct texts pass through a plan cache: what it holds must not grow, with either admission. Run with
 * `node --expose-gc bench/cache-memory.ts [texts]`.
 */
import { PlanCache } from "../src/cache/plan-cache.ts";

const texts = Number(process.argv[2] ?? 10_000_000);
const collectGarbage = (globalThis as { gc?: () => void }).gc;
if (collectGarbage === undefined) throw new Error("This needs node --expose-gc");

for (const admission of ["always", "tinylfu"] as const) {
  const cache = new PlanCache<{ text: string }>({ maxSize: 1_000, admission });
  const start = performance.now();
  for (let i = 1; i <= texts; i++) {
    cache.getOrCompileSync(`SELECT name, age FROM users WHERE id = ${i}`, (text) => ({ text }));
    if (i % (texts / 5) !== 0) continue;
    collectGarbage();
    const { heapUsed } = process.memoryUsage();
    const { size, bytes } = cache.stats();
    console.log(
      `${admission.padEnd(8)} after ${i.toLocaleString("en")} texts: heap ${(heapUsed / 2 ** 20).toFixed(1)} MiB, ` +
        `${size} plans, ${bytes} bytes`,
    );
  }
  console.log(`${admission.padEnd(8)} ${((1e6 * (performance.now() - start)) / texts).toFixed(0)} ns a text`);
}
