export type {
  CacheOutcome,
  CompileOptions,
  PlanCacheEntry,
  PlanCacheOptions,
  PlanCacheStats,
  SetOptions,
} from "./cache/plan-cache.ts";
export { PlanCache } from "./cache/plan-cache.ts";
export { cachePlan, getCachedPlan, makeCache as make } from "./functions/cache.ts";
export { queryPlanCache } from "./functions/default-cache.ts";
export { stats } from "./functions/stats.ts";
