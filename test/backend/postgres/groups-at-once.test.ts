import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type FormDB, open } from "../../../src/index.ts";
import { type PostgresServer, startPostgres } from "../../support/postgres-server.ts";

describe("groups of writes to PostgreSQL", () => {
  let server: PostgresServer;
  let url: string;

  beforeAll(async () => {
    server = await startPostgres();
    url = await server.createDatabase();
  });
  afterAll(() => server.remove());

  async function whileLocked(db: FormDB, work: (held: Promise<unknown>) => Promise<void>): Promise<void> {
    await db.createCollection("held");
    await db.createCollection("free");
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query("BEGIN; LOCK TABLE held");
    try {
      await work(db.batchInsert("held", [{ a: 1 }]));
    } finally {
      await client.query("COMMIT");
      await client.end();
    }
  }

  test("go two at a time: one that waits does not hold the next one up", async () => {
    await using db = await open(url);
    let held: Promise<unknown> | undefined;
    await whileLocked(db, async (first) => {
      held = first;
      expect(await db.batchInsert("free", [{ b: 2 }])).toMatchObject({ successful: 1, failed: 0 });
    });
    expect(await held).toMatchObject({ successful: 1, failed: 0 });
  });

  test("go one at a time where there is one connection", async () => {
    await using db = await open(url, { pool: { minConnections: 1, maxConnections: 1 } });
    let pair: Promise<unknown> | undefined;
    await whileLocked(db, async (first) => {
      pair = Promise.all([first, db.batchInsert("free", [{ b: 2 }])]);
      await server.query("SELECT 1");
      expect(db.stats().batch.inFlight).toBe(1);
      expect(db.stats().pool.waiting).toBe(0);
    });
    expect(await pair).toMatchObject([{ successful: 1 }, { successful: 1 }]);
  });
});
