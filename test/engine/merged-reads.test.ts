import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { FormDBError } from "../../src/base/errors.ts";
import { MAX_MERGED_CALLS, type MergedLane, MergedReads } from "../../src/engine/merged-reads.ts";
import type { QueryTimes } from "../../src/engine/reporter.ts";
import type { FormDB } from "../../src/index.ts";
import { open } from "../../src/index.ts";
import { describeConformance } from "../conformance.ts";
import { type PostgresServer, postgresVersions, startPostgres } from "../support/postgres-server.ts";

/** Statements that were not sent because another read's answered theirs too. */
function saved(db: FormDB): number {
  return db.metrics.summary().values.formdb_read_statements_saved_total ?? 0;
}

describe.each(postgresVersions())("reads of one shape from PostgreSQL (%s)", (version) => {
  let server: PostgresServer;
  let url: string;
  let db: FormDB;

  beforeAll(async () => {
    server = await startPostgres({ version });
    url = await server.createDatabase();
    db = await open(url);
    await db.batchInsert(
      "people",
      Array.from({ length: 1_000 }, (_, i) => ({ id: `p${i}`, age: i % 100, name: `Person ${i}` })),
    );
    await db.createIndex("people", ["age"]);
    for (let i = 0; i < 10; i++) await ask(db, i);
  });
  afterAll(async () => {
    await db.close();
    await server.remove();
  });

  const ask = async (on: FormDB, age: unknown): Promise<unknown[]> =>
    (await on.query("SELECT id FROM people WHERE age = $1 ORDER BY id DESC LIMIT 3", [age])).rows.map(
      ({ id }) => id,
    );
  const expected = (age: number): string[] => {
    const ids = Array.from({ length: 10 }, (_, i) => `p${age + 100 * i}`);
    return ids.sort().reverse().slice(0, 3);
  };

  it("by a hundred callers become few statements, and each has its own rows in its own order", async () => {
    // Whatever the time that they take, which a busy machine makes long.
    await using always = await open(url, { batch: { reads: "always" } });
    for (let round = 0; round < 3; round++) {
      const ages = Array.from({ length: 100 }, (_, i) => i);
      expect(await Promise.all(ages.map((age) => ask(always, age)))).toEqual(ages.map(expected));
    }
    expect(saved(always)).toBeGreaterThan(200);
  });

  it("by one caller are sent by themselves", async () => {
    await ask(db, 1);
    const before = saved(db);
    for (let age = 0; age < 20; age++) expect(await ask(db, age)).toEqual(expected(age));
    expect(saved(db)).toBe(before);
  });

  it("are not merged with batch.reads: false", async () => {
    const apart = await open(url, { batch: { reads: false } });
    for (let round = 0; round < 3; round++) {
      await Promise.all(Array.from({ length: 50 }, (_, age) => ask(apart, age)));
      await Promise.all(Array.from({ length: 50 }, (_, i) => apart.get("people", `p${i}`)));
    }
    expect(saved(apart)).toBe(0);
    await apart.close();
  });

  it("that are long are not merged", async () => {
    const slow = "SELECT COUNT(*) AS n FROM people WHERE name LIKE $1";
    const one = await open(url);
    await one.batchInsert(
      "logs",
      Array.from({ length: 20_000 }, (_, i) => ({ text: `line ${i} ${"x".repeat(200)}` })),
    );
    const text = slow.replace("people", "logs").replace("name", "text");
    for (let i = 0; i < 6; i++) await one.query(text, ["%no such%"]);
    const before = saved(one);
    await Promise.all(Array.from({ length: 12 }, (_, i) => one.query(text, [`%line ${i} %`])));
    expect(saved(one)).toBe(before);
    await one.close();
  });

  it("leave a group by their signal or time alone", async () => {
    const controller = new AbortController();
    const text = "SELECT id FROM people WHERE age = $1 ORDER BY id DESC LIMIT 3";
    const leaving = [
      db.query(text, [1], { signal: controller.signal }),
      db.query(text, [2], { timeoutMs: 0.001 }),
    ];
    const staying = Array.from({ length: 30 }, (_, age) => ask(db, age));
    controller.abort();
    const ended = await Promise.allSettled(leaving);
    expect(ended.map((end) => end.status === "rejected" && end.reason.code)).toEqual([
      "FORMDB_ABORTED",
      "FORMDB_TIMEOUT",
    ]);
    expect(await Promise.all(staying)).toEqual(Array.from({ length: 30 }, (_, age) => expected(age)));
  });

  it("see what was acknowledged before they began, by fifty callers at once", async () => {
    await db.createCollection("fresh");
    await db.createIndex("fresh", ["n"]);
    const seen = await Promise.all(
      Array.from({ length: 50 }, async (_, caller) => {
        let missed = 0;
        for (let i = 0; i < 20; i++) {
          const n = caller * 1_000 + i;
          await db.insert("fresh", { n });
          const { rowCount } = await db.query("SELECT id FROM fresh WHERE n = $1", [n]);
          if (rowCount !== 1) missed++;
        }
        return missed;
      }),
    );
    expect(seen.every((missed) => missed === 0)).toBe(true);
    expect(saved(db)).toBeGreaterThan(0);
  });

  it("settle once each when their connection is cut, and later ones are answered", async () => {
    const cut = await open(url, { pool: { minConnections: 2, maxConnections: 2 } });
    for (let i = 0; i < 10; i++) await ask(cut, i);
    let answered = 0;
    const failed: string[] = [];
    let stop = false;
    const callers = Array.from({ length: 50 }, async (_, caller) => {
      while (!stop) {
        try {
          expect(await ask(cut, caller)).toEqual(expected(caller));
          answered++;
        } catch (error) {
          failed.push((error as { code: string }).code);
        }
      }
    });
    for (let i = 0; i < 5; i++) {
      const before = answered;
      while (answered < before + 200) await new Promise((resolve) => setImmediate(resolve));
      await server.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'formdb' AND datname = $1",
        [new URL(url).pathname.slice(1)],
      );
    }
    const before = answered;
    while (answered < before + 200) await new Promise((resolve) => setImmediate(resolve));
    stop = true;
    await Promise.all(callers);
    expect(new Set(failed)).toEqual(new Set(["FORMDB_CONNECTION_LOST"]));
    await cut.close();
  });
});

describe("a group of reads", () => {
  const statement = { text: "one", name: "one", prepare: true, cost: "scan", returnsRows: true } as const;
  const merged = { ...statement, text: "many", name: "many" };
  const times = (): QueryTimes => ({ waitMs: 0, databaseMs: 0, decodeMs: 0 });

  /** An engine that answers each value by itself, and refuses one of them. */
  function lane(sent: string[], always: boolean = true): MergedLane {
    const connection = {
      execute: async ({ text }: { text: string }, values: readonly unknown[]) => {
        sent.push(text);
        if ([values[0]].flat().includes("bad")) {
          throw new FormDBError("FORMDB_INVALID_DOCUMENT", "no", { details: { sqlstate: "22021" } });
        }
        const rows =
          text === "one" ? [[values[0]]] : (values[0] as string[]).map((value, i) => [value, i + 1]);
        return { rows, rowCount: rows.length };
      },
    };
    const connections = {
      use: async (_: string, __: object, work: (on: unknown) => unknown) => work(connection),
    };
    return new MergedReads({
      connections: connections as never,
      clock: systemClock,
      report: () => {},
      always,
    }).laneOf({ statement, values: [], merged: () => merged })!;
  }

  it("of which one is refused for its values fails in that one only", async () => {
    const sent: string[] = [];
    const reads = lane(sent);
    const ended = await Promise.allSettled(
      ["a", "bad", "b"].map((value) => reads.join([value], {}, times())),
    );
    expect(
      ended.map((end) => (end.status === "fulfilled" ? end.value.rows[0]![0] : end.reason.sqlstate)),
    ).toEqual(["a", "22021", "b"]);
    expect(sent).toEqual(["many", "one", "one", "one"]);
  });

  it("begin again once a call of many rows is four calls ago", () => {
    const reads = lane([], false);
    const alone = (rows: number): void => {
      reads.begin();
      reads.end(0.1, rows);
    };
    for (let i = 0; i < 4; i++) alone(3);
    expect(reads.isShared).toBe(true);
    alone(101);
    for (let i = 0; i < 3; i++) alone(3);
    expect(reads.isShared).toBe(false);
    alone(3);
    expect(reads.isShared).toBe(true);
  });

  it("is bounded", async () => {
    const sent: string[] = [];
    const reads = lane(sent);
    const values = Array.from({ length: MAX_MERGED_CALLS + 1 }, (_, i) => `v${i}`);
    const results = await Promise.all(values.map((value) => reads.join([value], {}, times())));
    expect(results.map(({ rows }) => rows[0]![0])).toEqual(values);
    // The full group in two halves, since nothing else was under way, and the one that found no place in it.
    expect(sent).toEqual(["many", "many", "many"]);
  });
});

describe("with every read merged that can be", () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.remove());
  describeConformance("PostgreSQL", async () =>
    open(await server.createDatabase(), { batch: { reads: "always" } }),
  );
});
