import type { BatchStats } from "../batch/batch-processor.ts";
import type { PlanCacheStats } from "../cache/plan-cache.ts";
import type { PoolStats } from "../pool/pool.ts";

/** The statistics of a cache, a pool, a processor, or of whatever else has some. */
export function stats(part: { stats(): PlanCacheStats }): PlanCacheStats;
export function stats(part: { stats(): PoolStats }): PoolStats;
export function stats(part: { stats(): BatchStats }): BatchStats;
export function stats<S>(part: { stats(): S }): S;
export function stats(part: { stats(): unknown }): unknown {
  return part.stats();
}
