import pg from "pg";
import { beforeAll, describe, expect, test } from "vitest";
import { type FormDB, open } from "../../../src/index.ts";
import { usePostgres } from "../../support/hooks.ts";

describe("groups of writes to PostgreSQL", () => {
  const server = usePostgres();
  let url: string;

  beforeAll(async () => {
    url = await server.createDatabase();
  });

  /** Calls `work` with groups that wait for a lock, each in a collection of its own. */
  async function whileLocked(
    db: FormDB,
    count: number,
    work: (held: Promise<unknown>[]) => Promise<void>,
  ): Promise<void> {
    const names = Array.from({ length: count }, (_, i) => `held_${i}`);
    for (const name of [...names, "free"]) await db.createCollection(name);
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(`BEGIN; LOCK TABLE ${names.join(", ")}`);
    try {
      await work(names.map((name) => db.batchInsert(name, [{ a: 1 }])));
    } finally {
      await client.query("COMMIT");
      await client.end();
    }
  }

  test("go three at a time: two that wait do not hold the next one up", async () => {
    await using db = await open(url);
    let held: Promise<unknown>[] = [];
    await whileLocked(db, 2, async (groups) => {
      held = groups;
      expect(await db.batchInsert("free", [{ b: 2 }])).toMatchObject({ successful: 1, failed: 0 });
      expect(db.stats().batch.inFlight).toBe(2);
    });
    expect(await Promise.all(held)).toMatchObject([{ successful: 1 }, { successful: 1 }]);
  });

  test("go one at a time where there is one connection", async () => {
    await using db = await open(url, { pool: { minConnections: 1, maxConnections: 1 } });
    let pair: Promise<unknown> | undefined;
    await whileLocked(db, 1, async ([first]) => {
      pair = Promise.all([first, db.batchInsert("free", [{ b: 2 }])]);
      await server.query("SELECT 1");
      expect(db.stats().batch.inFlight).toBe(1);
      expect(db.stats().pool.waiting).toBe(0);
    });
    expect(await pair).toMatchObject([{ successful: 1 }, { successful: 1 }]);
  });
});
