/**
 * Each code block of the original description, in TypeScript. Run it: `node examples/seed.ts`. It works on
 * the database that `FORMDB_URL` names, else on `formdb.db` in the current folder.
 */

import {
  acquire,
  batchDelete,
  batchInsert,
  batchUpdate,
  cachePlan,
  exportPrometheus,
  flush,
  getCachedPlan,
  globalProcessor,
  queryPlanCache,
  recordCacheHit,
  recordCacheMiss,
  recordError,
  recordQuery,
  release,
  stats,
} from "@formdb/perf";
import { make as makeBatch } from "@formdb/perf/batch";
import { make as makeCache } from "@formdb/perf/cache";
import { make as makePool } from "@formdb/perf/pool";
import { compile, parseShape, shapeOf, sqliteDialect } from "@formdb/perf/query";

// Query plan cache: cache a query plan …
const { key } = shapeOf("SELECT * FROM users");
const compiledPlan = compile(parseShape(key), key, sqliteDialect);
cachePlan("SELECT * FROM users", compiledPlan);

// … get the cached plan …
const plan = getCachedPlan("SELECT * FROM users");
console.log(plan === undefined ? "compile a new plan" : "use the cached plan");

// … and get the cache's statistics.
const { size, maxSize, hitRate } = stats(queryPlanCache);
console.log({ size, maxSize, hitRate });

const cache = makeCache<string>({
  maxSize: 1000, // entries at most
  ttlMs: 300_000, // 5 minutes
});
console.log(stats(cache).maxSize);

// Connection pool: create a pool …
const pool = makePool({
  minConnections: 2,
  maxConnections: 10,
  idleTimeoutMs: 30_000,
  acquireTimeoutMs: 5_000,
});

// … acquire a connection, use it, release it …
const connection = await acquire(pool);
console.log(await connection.ping());
release(pool, connection);

// … and get the pool's statistics.
const { total, idle, inUse, waiting } = stats(pool);
console.log({ total, idle, inUse, waiting });

// Batch operations: insert, update, delete …
const [doc1, doc2, doc3] = [
  { id: "1", name: "Ada" },
  { id: "2", name: "Grace" },
  { id: "3", name: "Barbara" },
];
batchInsert("users", [doc1, doc2, doc3]);
batchUpdate("users", [
  { id: "1", document: { age: 36 } },
  { id: "2", document: { age: 45 } },
]);
batchDelete("users", ["1", "2", "3"]);

// … and flush the batch.
const result = await flush(globalProcessor);
console.log(result); // { successful: 8, failed: 0, errors: [] }

const processor = makeBatch({
  maxBatchSize: 100,
  flushIntervalMs: 100,
  retryOnFailure: true,
  maxRetries: 3,
});

// Metrics: record a query, a cache hit, a cache miss, an error …
recordQuery(5.2);
recordCacheHit();
recordCacheMiss();
recordError();

// … and export them for Prometheus.
console.log(exportPrometheus());

await processor.close();
await globalProcessor.close();
await pool.close();
