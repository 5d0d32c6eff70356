import { PlanCache } from "./cache/plan-cache.ts";
import type { Engine } from "./engine/engine.ts";
import type { FormDB } from "./engine/form-db.ts";
import { Metrics } from "./metrics/metrics.ts";

/**
 * The process-wide defaults of the compatibility API (`functions.ts`): one plan cache, one store of metrics and one
 * database. The database opens when something first needs it, from `FORMDB_URL`.
 */

/** The plan cache that the default database uses. */
export const queryPlanCache: PlanCache<unknown> = new PlanCache<unknown>();

/** The metrics that the default database reports to. */
export const defaultMetrics: Metrics = new Metrics();

let current: FormDB | undefined;
let opening: Promise<FormDB> | undefined;
/** The database that was opened here. */
let ours: FormDB | undefined;

/** Makes `db` what the functions work on. The previous one stays open; whoever opened it closes it. */
export function setDefaultDatabase(db: FormDB | undefined): void {
  current = db;
  opening = undefined;
}

/** The default database where one is open or was set. */
export function currentDatabase(): FormDB | undefined {
  // A database that was set stays until another is set, even closed: no write then goes to a database nobody meant.
  if (current?.closed && current === ours) current = opening = ours = undefined;
  return current;
}

/** The default database, opened from `FORMDB_URL` if none was set. */
export async function defaultDatabase(): Promise<FormDB> {
  const open = currentDatabase();
  if (open !== undefined) return open;
  opening ??= openDefault();
  return opening;
}

/** The parts of the default database. */
export async function defaultEngine(): Promise<Engine> {
  const [{ engineOf }, db] = await Promise.all([import("./engine/form-db.ts"), defaultDatabase()]);
  return engineOf(db);
}

async function openDefault(): Promise<FormDB> {
  try {
    // Loaded late, so that a program that uses only one of the parts loads no engine.
    const { open } = await import("./engine/open.ts");
    const db = await open(undefined, { cache: queryPlanCache, metrics: defaultMetrics });
    // Another one may have been set meanwhile.
    if (current !== undefined) await db.close();
    else current = ours = db;
    return current;
  } catch (error) {
    opening = undefined;
    throw error;
  }
}
