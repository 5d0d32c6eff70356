import { afterEach, describe, expect, it } from "vitest";
import { open } from "../../src/engine/open.ts";
import { cachePlan, getCachedPlan } from "../../src/functions/cache.ts";
import { setDefaultDatabase } from "../../src/functions/default-database.ts";
import { compile, parseShape, postgresDialect, shapeOf, sqliteDialect } from "../../src/query.ts";

afterEach(() => setDefaultDatabase(undefined));

function planOf(text: string, dialect = sqliteDialect): ReturnType<typeof compile> {
  const { key } = shapeOf(text);
  return compile(parseShape(key), key, dialect);
}

describe("cachePlan", () => {
  it.each([
    ["null", null],
    ["undefined", undefined],
    ["a string", "SELECT"],
    ["an object that looks like a plan", { ...planOf("SELECT * FROM c") }],
    ["a promise of a plan", Promise.resolve(planOf("SELECT * FROM c"))],
  ])("refuses %s", async (_, plan) => {
    await using db = await open("sqlite::memory:");
    setDefaultDatabase(db);
    await db.batchInsert("c", [{ id: "1" }]);
    expect(() => cachePlan("SELECT * FROM c", plan as never)).toThrow(
      expect.objectContaining({ code: "FORMDB_CONFIG", message: expect.stringContaining("compile()") }),
    );
    expect((await db.query("SELECT * FROM c")).rowCount).toBe(1);
  });

  it("refuses the plan of another query, which would answer for this one", async () => {
    await using db = await open("sqlite::memory:");
    setDefaultDatabase(db);
    expect(() => cachePlan("SELECT * FROM c", planOf("SELECT * FROM secrets"))).toThrow(
      expect.objectContaining({ code: "FORMDB_CONFIG" }),
    );
  });

  it("takes a plan of the compiler, which the next query uses until its collection changes", async () => {
    await using db = await open("sqlite::memory:");
    setDefaultDatabase(db);
    await db.batchInsert("c", [{ id: "1", n: 5 }]);
    const plan = planOf("SELECT n FROM c WHERE n = 4");
    cachePlan("SELECT n FROM c WHERE n = 3", plan);
    expect(getCachedPlan("SELECT n FROM c WHERE n = 9")).toBe(plan);
    const { hits } = db.cache.stats();
    expect((await db.query("SELECT n FROM c WHERE n = 5")).rows).toEqual([{ n: 5 }]);
    expect(db.cache.stats().hits).toBe(hits + 1);
    await db.dropCollection("c");
    expect(getCachedPlan("SELECT n FROM c WHERE n = 9")).toBeUndefined();
  });
});

it.each([null, 5, "plan", { dialect: "sqlite" }, planOf("SELECT * FROM c", postgresDialect)])(
  "a query runs no plan that the compiler has not made for its engine: %o",
  async (plan) => {
    await using db = await open("sqlite::memory:");
    await db.batchInsert("c", [{ id: "1" }]);
    db.cache.set("SELECT * FROM c", plan as never, { bytes: 1 });
    expect((await db.query("SELECT * FROM c")).rowCount).toBe(1);
    expect(db.cache.stats().missesBy.bypassed).toBe(1);
  },
);
