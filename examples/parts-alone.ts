/**
 * Each part works without the others and without a database: a pool of anything, a cache of any plans, batches of
 * any writes, metrics of anything.
 */
import { BatchProcessor } from "@formdb/perf/batch";
import { PlanCache } from "@formdb/perf/cache";
import { Metrics } from "@formdb/perf/metrics";
import { Pool } from "@formdb/perf/pool";

const cache = new PlanCache<RegExp>({ maxSize: 100 });
let compiled = 0;
const compile = (text: string): RegExp => {
  compiled++;
  return new RegExp(text);
};
for (const text of ["a+", "b+", "a+", "a+"]) await cache.getOrCompile(text, async () => compile(text));
console.log(`${compiled} compiled, hit rate ${cache.stats().hitRate}`);

let opened = 0;
const pool = new Pool<{ id: number }>({
  create: async () => ({ id: ++opened }),
  destroy: async () => {},
  maxConnections: 2,
});
await Promise.all(Array.from({ length: 10 }, () => pool.use(async ({ id }) => id)));
console.log(`10 uses, ${pool.stats().total <= 2 ? "at most 2" : "too many"} resources`);
await pool.close();

const store = new Map<string, string>();
const processor = new BatchProcessor(async (group) => {
  for (const { id, json } of group.operations) store.set(id, json);
  return undefined;
});
processor.insert("users", [
  { id: "1", name: "Ada" },
  { id: "2", name: "Grace" },
]);
const { successful } = await processor.flush();
console.log(`${successful} written, ${store.size} stored`);
await processor.close();

const metrics = new Metrics({ prefix: "shop" });
metrics.counter("shop_orders_total", "Orders placed.", ["country"]).labels({ country: "fr" }).inc();
console.log(
  metrics
    .exportPrometheus()
    .split("\n")
    .filter((line) => line.startsWith("shop_orders_total"))
    .join("\n"),
);
