import { configError, show } from "../base/options.ts";
import { PlanCache, type PlanCacheOptions } from "../cache/plan-cache.ts";
import { isCompiled } from "../plan/compiled.ts";
import type { Plan } from "../plan/plan.ts";
import { shapeOf } from "../query/shape.ts";
import { queryPlanCache } from "./default-cache.ts";
import { currentDatabase } from "./default-database.ts";

/**
 * Puts a plan into the cache that the default database uses, under the text's shape. The plan must be one that
 * `compile` of `@formdb/perf/query` made from a text of that shape: any other is refused (`FORMDB_CONFIG`).
 */
export function cachePlan(text: string, plan: Plan): void {
  if (!isCompiled(plan)) {
    throw configError(`cachePlan takes a plan made by compile() of @formdb/perf/query, not ${show(plan)}`);
  }
  const key = keyOf(text);
  if (plan.shape !== key) {
    throw configError(`The plan for ${key} must be compiled from that shape, not from ${plan.shape}`);
  }
  sharedCache().set(key, plan, { tags: plan.collections });
}

/** The plan for a text of the same shape, from the cache that the default database uses. */
export function getCachedPlan(text: string): unknown {
  return sharedCache().get(keyOf(text));
}

function sharedCache(): PlanCache<unknown> {
  return (currentDatabase()?.cache as PlanCache<unknown> | undefined) ?? queryPlanCache;
}

/** The key that the database itself would look under; a text that is no query is its own key. */
function keyOf(text: string): string {
  try {
    return shapeOf(text).key;
  } catch {
    return text;
  }
}

/** A plan cache of its own. */
export function makeCache<P>(options?: PlanCacheOptions<P>): PlanCache<P> {
  return new PlanCache<P>(options);
}
