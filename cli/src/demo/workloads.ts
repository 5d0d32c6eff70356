import type { FormDB } from "@formdb/perf";
import type { City } from "./cities.ts";
import type { Work } from "./measure.ts";

/** The collection of the cities, and the one that the demo writes to and drops at its end. */
export const CITIES = "cities";
export const VISITS = "demo_visits";

/** Documents in one call of a batched write. */
export const BATCH_SIZE = 100;

/** Walks through the sample in an order without a pattern, the same in every run. */
export function picker(sample: readonly City[]): () => City {
  let at = 0;
  return () => {
    at = (at + 7_919) % sample.length;
    return sample[at]!;
  };
}

/** Calls, each with the next city of the sample. */
export function forEach(sample: readonly City[], call: (city: City) => Promise<number>): Work {
  const next = picker(sample);
  return () => call(next());
}

/** Look-ups by the index, each with other values in its text: what a plan cache keyed by text would never hit. */
export function lookUps(db: FormDB, sample: readonly City[]): Work {
  return forEach(sample, async ({ name, country }) => {
    await db.query(
      `SELECT name, country, lat, lng FROM ${CITIES} WHERE country = ${quoted(country)} AND name = ${quoted(name)} ` +
        "ORDER BY name LIMIT 10",
    );
    return 1;
  });
}

/** Counts that look into thousands of documents: what keeps a connection, and a core, busy for long. */
export function scans(db: FormDB, sample: readonly City[]): Work {
  return forEach(sample, async ({ lat }) => {
    await db.query(`SELECT COUNT(*) FROM ${CITIES} WHERE country = 'DE' AND lat > $1`, [lat]);
    return 1;
  });
}

/** Counts over a part of the index. */
function counts(db: FormDB, sample: readonly City[]): Work {
  return forEach(sample, async ({ name, country }) => {
    const start = `${name.slice(0, 1)}%`;
    await db.query(`SELECT COUNT(*) FROM ${CITIES} WHERE country = $1 AND name LIKE $2`, [country, start]);
    return 1;
  });
}

export function singleWrites(db: FormDB, sample: readonly City[]): Work {
  return forEach(sample, async (city) => {
    await db.insert(VISITS, visit(city));
    return 1;
  });
}

export function batchedWrites(db: FormDB, sample: readonly City[]): Work {
  const next = picker(sample);
  return async () => {
    const { successful } = await db.batchInsert(
      VISITS,
      Array.from({ length: BATCH_SIZE }, () => visit(next())),
    );
    return successful;
  };
}

export function mixed(db: FormDB, sample: readonly City[], ids: readonly string[]): Work {
  const get = (id: string): Promise<unknown> => db.get(CITIES, id);
  return mix(
    { lookUp: lookUps(db, sample), count: counts(db, sample), get, write: singleWrites(db, sample) },
    ids,
  );
}

/** The calls that a mixed load is made of. */
interface Calls {
  readonly lookUp: Work;
  readonly count: Work;
  readonly get: (id: string) => Promise<unknown>;
  readonly write: Work;
}

/** What a service does: of ten calls seven look-ups, one count, one read by id and one write. */
export function mix({ lookUp, count, get, write }: Calls, ids: readonly string[]): Work {
  let calls = 0;
  return async () => {
    const call = calls++;
    switch (call % 10) {
      case 3:
        return count();
      case 6:
        await get(ids[(call * 31) % ids.length]!);
        return 1;
      case 9:
        return write();
      default:
        return lookUp();
    }
  };
}

export function visit({ name, country }: City): Record<string, unknown> {
  return { city: name, country, at: Date.now() };
}

/** A string as the query language spells it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
