import type { Plan } from "./plan.ts";

const compiled = new WeakSet<object>();

/** Marks a plan as made by the compiler, and gives it back. */
export function markCompiled(plan: Plan): Plan {
  compiled.add(plan);
  return plan;
}

/** Whether `compile` made it: only such a plan may be run. */
export function isCompiled(plan: unknown): plan is Plan {
  return typeof plan === "object" && plan !== null && compiled.has(plan);
}
