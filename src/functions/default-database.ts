import type { Engine } from "../engine/engine.ts";
import type { FormDB } from "../engine/form-db.ts";

/**
 * The database that the functions work on. It opens when something first needs it, from `FORMDB_URL`. What opens it is
 * loaded then, so that a program that uses one of the parts alone loads no engine.
 */

let current: FormDB | undefined;
let opening: Promise<FormDB> | undefined;
/** The database that was opened here. */
let ours: FormDB | undefined;

/**
 * Makes `db` what the functions work on. The previous one stays open; whoever opened it closes it. Writes that are queued and not
 * yet sent go to the new one.
 */
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
  const [{ engineOf }, db] = await Promise.all([import("../engine/form-db.ts"), defaultDatabase()]);
  return engineOf(db);
}

async function openDefault(): Promise<FormDB> {
  try {
    const [{ open }, { queryPlanCache: cache }, { defaultMetrics: metrics }] = await Promise.all([
      import("../engine/open.ts"),
      import("./default-cache.ts"),
      import("./default-metrics.ts"),
    ]);
    const db = await open(undefined, { cache, metrics });
    // Another one may have been set meanwhile.
    if (current !== undefined) await db.close();
    else current = ours = db;
    return current;
  } catch (error) {
    opening = undefined;
    throw error;
  }
}
