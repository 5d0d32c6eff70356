import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { FormDB } from "../../src/engine/form-db.ts";
import { open } from "../../src/engine/open.ts";
import { useFolder } from "../support/hooks.ts";

const folder = useFolder();
let db: FormDB;
let files = 0;

afterEach(() => db.close());

async function openWith(documents: number): Promise<void> {
  db = await open(`sqlite:${join(folder, `${++files}.db`)}`, { durability: "normal" });
  await db.batchInsert(
    "users",
    Array.from({ length: documents }, (_, n) => ({ id: String(n), n, name: `name ${n}` })),
  );
}

describe("the plan cache of a database", () => {
  it("compiles once for a thousand literals of one shape", async () => {
    await openWith(1_000);
    for (let n = 0; n < 1_000; n++) {
      const { rows } = await db.query(`SELECT n FROM users WHERE n = ${n} AND name = 'name ${n}'`);
      expect(rows).toEqual([{ n }]);
    }
    const { compiles, hits, misses, hitRate } = db.cache.stats();
    expect({ compiles, hits, misses }).toEqual({ compiles: 1, hits: 999, misses: 1 });
    expect(hitRate).toBeGreaterThanOrEqual(0.999);
  });

  it("compiles once for a hundred first callers at once", async () => {
    await openWith(10);
    const results = await Promise.all(
      Array.from({ length: 100 }, (_, n) => db.query("SELECT n FROM users WHERE n = $1", [n % 10])),
    );
    expect(results.map(({ rows }) => rows)).toEqual(Array.from({ length: 100 }, (_, n) => [{ n: n % 10 }]));
    expect(db.cache.stats().compiles).toBe(1);
  });

  it("counts IN lists of every length as one shape", async () => {
    await openWith(50);
    for (let length = 1; length <= 50; length++) {
      const list = Array.from({ length }, (_, n) => n).join(", ");
      expect((await db.query(`SELECT COUNT(*) AS n FROM users WHERE n IN (${list})`)).rows).toEqual([
        { n: length },
      ]);
    }
    expect(db.cache.stats().compiles).toBe(1);
  });

  it("never serves a stale plan while the collection is dropped, made and indexed under load", async () => {
    await openWith(0);
    await db.createCollection("moving");
    let stop = false;
    let generation = 0;
    let reads = 0;
    const problems: unknown[] = [];
    async function reader(): Promise<void> {
      while (!stop) {
        const atLeast = generation;
        try {
          const { rows } = await db.query("SELECT generation FROM moving WHERE kind = 'x'");
          reads++;
          for (const row of rows) if ((row.generation as number) < atLeast) problems.push(row);
        } catch (error) {
          // Between the drop and the making there is no collection, and the error must say so.
          if ((error as { code?: string }).code !== "FORMDB_UNKNOWN_COLLECTION") problems.push(error);
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    const readers = Array.from({ length: 8 }, reader);
    for (let round = 1; round <= 30; round++) {
      await db.dropCollection("moving");
      generation = round;
      await db.createCollection("moving");
      if (round % 2 === 0) await db.createIndex("moving", "kind");
      await db.insert("moving", { id: "1", kind: "x", generation: round });
      expect((await db.query("SELECT generation FROM moving WHERE kind = 'x'")).rows).toEqual([
        { generation: round },
      ]);
      expect((await db.explain("SELECT generation FROM moving WHERE kind = 'x'")).index).toBe(
        round % 2 === 0 ? "by_kind" : undefined,
      );
    }
    stop = true;
    await Promise.all(readers);
    expect(problems).toEqual([]);
    expect(reads).toBeGreaterThan(30);
  });

  it("uses no plan that somebody else put into the shared cache", async () => {
    await openWith(1);
    db.cache.set("SELECT * FROM users", { anything: true } as never);
    expect((await db.query("SELECT * FROM users")).rows).toEqual([{ id: "0", n: 0, name: "name 0" }]);
    expect(db.cache.stats().missesBy.bypassed).toBe(1);
  });

  it("points a syntax error into the caller's text", async () => {
    await openWith(0);
    await expect(db.query("SELECT *\nFORM users")).rejects.toMatchObject({
      code: "FORMDB_SYNTAX",
      line: 2,
      column: 1,
      message: expect.stringContaining("FROM"),
    });
  });
});
