import { describe, expect, it } from "vitest";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import type { FormDB } from "../../src/engine/form-db.ts";
import { open } from "../../src/engine/open.ts";
import { usePostgres } from "../support/hooks.ts";
import { postgresVersions } from "../support/postgres-server.ts";

class HastyClock implements Clock {
  #ahead = 0;
  readonly #stepMs: number;

  constructor(stepMs: number) {
    this.#stepMs = stepMs;
  }

  now(): number {
    this.#ahead += this.#stepMs;
    return systemClock.now() + this.#ahead;
  }

  wallTime = (): number => systemClock.wallTime();
  schedule: Clock["schedule"] = (...given) => systemClock.schedule(...given);

  pass(ms: number): void {
    this.#ahead += ms;
  }
}

describe.each(postgresVersions())("statements for PostgreSQL (%s)", (version) => {
  const server = usePostgres({ version });

  /** Whether the statement says what an index would hold of the path `n`. */
  async function asksForIndex(db: FormDB, condition = "n = 'five'"): Promise<boolean> {
    const { statement } = await db.explain(`SELECT * FROM things WHERE ${condition}`);
    return statement!.includes("left(");
  }

  it("name what an index holds only where there is one", async () => {
    await using db = await open(await server.createDatabase());
    await db.insert("things", { id: "1", n: "five", m: 5 });
    expect(await asksForIndex(db)).toBe(false);
    await db.createIndex("things", ["m", "n"]);
    expect(await asksForIndex(db)).toBe(true);
    await db.createIndex("things", "n", { name: "second" });
    await db.dropIndex("things", "by_m_and_n");
    expect(await asksForIndex(db)).toBe(true);
    expect(await asksForIndex(db, "m = 5")).toBe(false);
    await db.dropIndex("things", "second");
    expect(await asksForIndex(db)).toBe(false);
    await db.createIndex("things", "n");
    await db.dropCollection("things");
    await db.insert("things", { id: "1", n: "five" });
    expect(await asksForIndex(db)).toBe(false);
    expect((await db.query("SELECT id FROM things WHERE n = 'five'")).rows).toEqual([{ id: "1" }]);
  });

  it("may be worked on in parallel where values are taken out once, in a query within the query", async () => {
    const url = await server.createDatabase();
    const setting = (text: string): string => `&options=${encodeURIComponent(`-c ${text}`)}`;
    await using db = await open(
      `${url}?application_name=parallel${setting("parallel_setup_cost=0 -c parallel_tuple_cost=0 -c min_parallel_table_scan_size=0")}`,
    );
    await db.batchInsert(
      "things",
      Array.from({ length: 2_000 }, (_, n) => ({ id: String(n), n, of: n % 3 })),
    );
    for (const text of [
      "SELECT id FROM things ORDER BY n DESC LIMIT 10",
      "SELECT of, COUNT(*) AS count, AVG(n) AS mean FROM things GROUP BY of",
    ]) {
      const { enginePlan } = await db.explain(text);
      expect(enginePlan!.join("\n")).toMatch(/Gather.*(Sort|Aggregate).*Parallel Seq Scan/s);
    }
  });

  it("are planned once where no value can change the plan", async () => {
    await using db = await open(await server.createDatabase(), {
      pool: { minConnections: 1, maxConnections: 1 },
    });
    await db.import(
      "things",
      Array.from({ length: 5_000 }, (_, i) => ({ id: `${i}`, n: i, m: i % 50, s: `s${i}` })),
    );
    await db.createIndex("things", "n");
    await db.createIndex("things", "s");
    await db.sql("ANALYZE things");
    const queries: readonly [string, readonly unknown[], first: unknown][] = [
      ["SELECT id FROM things LIMIT 7", [], "0"],
      ["SELECT id FROM things ORDER BY id LIMIT 7", [], "0"],
      ["SELECT id FROM things WHERE id > $1 AND id < $2 ORDER BY id LIMIT 7", ["1", "2"], "10"],
      ["SELECT id, m FROM things ORDER BY n DESC LIMIT 7", [], "4999"],
      ["SELECT id FROM things WHERE n >= $1 ORDER BY n LIMIT 7", [4_990], "4990"],
      ["SELECT id FROM things WHERE s >= $1 ORDER BY s LIMIT 7", ["s99"], "99"],
      ["SELECT id FROM things ORDER BY m LIMIT 7", [], "0"],
    ];
    for (const [text, values, first] of queries) {
      for (let i = 0; i < 12; i++) {
        const { rows } = await db.query(text, values);
        expect(rows).toHaveLength(7);
        expect(rows[0]!.id).toBe(first);
      }
    }
    const { rows } = await db.sql(
      "SELECT statement, custom_plans::int AS custom FROM pg_prepared_statements WHERE generic_plans + custom_plans = 12",
    );
    expect(rows).toHaveLength(queries.length);
    expect(rows.filter(({ custom }) => (custom as number) > 5)).toEqual([]);
  });

  it("know the indexes of a collection that another process has made meanwhile", async () => {
    const url = await server.createDatabase();
    await using db = await open(url);
    await using other = await open(url);
    await other.insert("things", { id: "1", n: "five" });
    await other.createIndex("things", "n");
    // The first plan is made before the collection is known.
    await db.query("SELECT * FROM things WHERE n = 'five'");
    expect(await asksForIndex(db)).toBe(true);
  });

  it("are spelled anew once one was slow and another process has made an index", async () => {
    const url = await server.createDatabase();
    const clock = new HastyClock(30);
    await using db = await open(url, { clock });
    await using other = await open(url);
    await db.insert("things", { id: "1", n: "five" });
    const { cache } = db;
    const slow = () => db.query("SELECT id FROM things WHERE n = $1", ["five"]);
    await slow();
    await other.createIndex("things", "n");
    await slow();
    clock.pass(10_000);
    const before = cache.stats().misses;
    const deadline = Date.now() + 20_000;
    // The look is taken in the background.
    while (cache.stats().misses === before && Date.now() < deadline) {
      expect((await slow()).rows).toEqual([{ id: "1" }]);
    }
    expect(cache.stats().misses).toBe(before + 1);
    expect(await asksForIndex(db)).toBe(true);
  });
});
