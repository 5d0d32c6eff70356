export type {
  CacheOutcome,
  CompileOptions,
  PlanCacheEntry,
  PlanCacheOptions,
  PlanCacheStats,
  SetOptions,
} from "./cache/plan-cache.ts";
export { PlanCache } from "./cache/plan-cache.ts";
export { queryPlanCache } from "./defaults.ts";
export { cachePlan, getCachedPlan, makeCache as make, stats } from "./functions.ts";
