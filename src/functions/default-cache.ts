import { PlanCache } from "../cache/plan-cache.ts";

/** The plan cache that the default database uses. */
export const queryPlanCache: PlanCache<unknown> = new PlanCache<unknown>();
