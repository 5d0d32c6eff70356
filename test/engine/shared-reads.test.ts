import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EngineResult, StatementCall } from "../../src/backend/backend.ts";
import { systemClock } from "../../src/base/clock.ts";
import type { EngineStatement } from "../../src/base/engine-statement.ts";
import { FormDBError } from "../../src/base/errors.ts";
import { MAX_MERGED_CALLS, type ReadLane, SharedReads } from "../../src/engine/shared-reads.ts";
import type { FormDB } from "../../src/index.ts";
import { open } from "../../src/index.ts";
import { describeConformance } from "../conformance.ts";
import { usePostgres } from "../support/hooks.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { postgresVersions } from "../support/postgres-server.ts";
import { statement } from "../support/statements.ts";

/** Statements that were not sent because another read's answered theirs too. */
function saved(db: FormDB): number {
  return db.metrics.summary().values.formdb_read_statements_saved_total ?? 0;
}

describe.each(postgresVersions())("reads of one shape from PostgreSQL (%s)", (version) => {
  const server = usePostgres({ version });
  let url: string;
  let db: FormDB;

  beforeAll(async () => {
    url = await server.createDatabase();
    db = await open(url);
    await db.batchInsert(
      "people",
      Array.from({ length: 1_000 }, (_, i) => ({ id: `p${i}`, age: i % 100, name: `Person ${i}` })),
    );
    await db.createIndex("people", ["age"]);
    for (let i = 0; i < 10; i++) await ask(db, i);
  });
  afterAll(() => db.close());

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
    const holder = new pg.Client({ connectionString: url });
    await holder.connect();
    try {
      // So that nobody is answered before the two have left.
      await holder.query("BEGIN; LOCK TABLE people");
      const controller = new AbortController();
      const text = "SELECT id FROM people WHERE age = $1 ORDER BY id DESC LIMIT 3";
      const leaving = [
        db.query(text, [1], { signal: controller.signal }),
        db.query(text, [2], { timeoutMs: 1 }),
      ];
      const staying = Array.from({ length: 30 }, (_, age) => ask(db, age));
      controller.abort();
      const ended = await Promise.allSettled(leaving);
      expect(ended.map((end) => end.status === "rejected" && end.reason.code)).toEqual([
        "FORMDB_ABORTED",
        // On a busy machine its time may end before a connection is lent.
        expect.stringMatching(/^FORMDB_(POOL_)?TIMEOUT$/),
      ]);
      await holder.query("COMMIT");
      expect(await Promise.all(staying)).toEqual(Array.from({ length: 30 }, (_, age) => expected(age)));
    } finally {
      await holder.end();
    }
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

  it("of ten shapes by a hundred callers have their own rows", async () => {
    await using ten = await open(url, { pool: { minConnections: 2, maxConnections: 2 } });
    const askShape = async (shape: number, age: number): Promise<unknown[]> => {
      const text = `SELECT id, age AS age${shape} FROM people WHERE age = $1 ORDER BY id DESC LIMIT 3`;
      return (await ten.query(text, [age])).rows.map((row) => [row.id, row[`age${shape}`]]);
    };
    for (let shape = 0; shape < 10; shape++) {
      for (let i = 0; i < 4; i++) await askShape(shape, i);
    }
    for (let round = 0; round < 10; round++) {
      const ages = Array.from({ length: 100 }, (_, i) => i);
      expect(await Promise.all(ages.map((age) => askShape((age + (age % 7)) % 10, age)))).toEqual(
        ages.map((age) => expected(age).map((id) => [id, age])),
      );
    }
  });

  it.each([
    ["one shape", 1],
    ["ten shapes", 10],
  ])(
    "of %s settle once each when their connection is cut, and later ones are answered",
    async (_, shapes) => {
      const cut = await open(url, { pool: { minConnections: 2, maxConnections: 2 } });
      const ask = async (on: FormDB, age: number): Promise<unknown[]> => {
        const text = `SELECT id, age AS age${age % shapes} FROM people WHERE age = $1 ORDER BY id DESC LIMIT 3`;
        return (await on.query(text, [age])).rows.map(({ id }) => id);
      };
      for (let i = 0; i < 10 * shapes; i++) await ask(cut, i);
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
      // Until a cut has met a call: on a busy machine the first ones may meet none.
      for (let i = 0; i < 5 || (failed.length === 0 && i < 100); i++) {
        const before = answered;
        while (answered < before + 200) await new Promise((resolve) => setImmediate(resolve));
        await server.terminate(`datname = '${new URL(url).pathname.slice(1)}'`);
      }
      const before = answered;
      while (answered < before + 200) await new Promise((resolve) => setImmediate(resolve));
      stop = true;
      await Promise.all(callers);
      expect(new Set(failed)).toEqual(new Set(["FORMDB_CONNECTION_LOST"]));
      await cut.close();
    },
  );
});

/** Lanes of an engine with `idle` connections, which answers each value by itself and refuses one of them. */
function lanes(
  trips: string[][],
  options: { idle?: number; always?: boolean; oneByOne?: boolean; sizes?: number[]; merged?: number[] } = {},
): (name: string) => ReadLane {
  const answer = ({ text }: EngineStatement, values: readonly unknown[]): EngineResult => {
    const asked = [values[0]].flat();
    options.sizes?.push(asked.length);
    if (asked.includes("bad")) {
      throw new FormDBError("FORMDB_INVALID_DOCUMENT", "no", { details: { sqlstate: "22021" } });
    }
    const rows = text.startsWith("many") ? asked.map((value, i) => [value, i + 1]) : [asked];
    return { rows, rowCount: rows.length };
  };
  const connection = {
    execute: async (called: EngineStatement, values: readonly unknown[]) => {
      trips.push([called.text]);
      return answer(called, values);
    },
    executeTogether: options.oneByOne
      ? undefined
      : async (calls: readonly StatementCall[]) => {
          trips.push(calls.map(({ statement }) => statement.text));
          return Promise.allSettled(calls.map(async (call) => answer(call.statement, call.values)));
        },
  };
  const reads = new SharedReads({
    connections: {
      read: { idle: options.idle ?? 2 },
      use: async (_: string, __: object, work: (on: unknown) => unknown) => work(connection),
    } as never,
    clock: systemClock,
    report: (calls) => options.merged?.push(calls),
    always: options.always ?? false,
  });
  return (name) =>
    reads.laneOf({
      statement: statement(name),
      values: [],
      merged: () => (name === "x" ? undefined : statement(`many ${name}`)),
    })!;
}

/** Calls of a lane that have a connection each, one after the other. */
function alone(lane: ReadLane, calls: number, rows: number): void {
  for (let i = 0; i < calls; i++) {
    lane.begin();
    lane.end(0.1, rows);
  }
}

const join = (lane: ReadLane, value: string): Promise<unknown> =>
  lane.join([value], {}, { waitMs: 0, databaseMs: 0, decodeMs: 0 }).then(({ rows }) => rows[0]![0]);

describe("a group of reads", () => {
  it("of which one is refused for its values fails in that one only", async () => {
    const trips: string[][] = [];
    const merged: number[] = [];
    const reads = lanes(trips, { always: true, oneByOne: true, merged })("one");
    const ended = await Promise.allSettled(["a", "bad", "b"].map((value) => join(reads, value)));
    expect(ended.map((end) => (end.status === "fulfilled" ? end.value : end.reason.sqlstate))).toEqual([
      "a",
      "22021",
      "b",
    ]);
    expect(trips).toEqual([["many one"], ["one"], ["one"], ["one"]]);
    expect(merged, "statements that answered several calls").toEqual([]);
    await Promise.all(["a", "b"].map((value) => join(reads, value)));
    expect(merged).toEqual([2]);
  });

  it("begin again once a call of many rows is four calls ago", () => {
    const reads = lanes([])("one");
    alone(reads, 4, 3);
    expect(reads.isShared).toBe(true);
    alone(reads, 1, 101);
    alone(reads, 3, 3);
    expect(reads.isShared).toBe(false);
    alone(reads, 1, 3);
    expect(reads.isShared).toBe(true);
  });

  it("has all that begin in one turn of the event loop, in whatever callback", async () => {
    const trips: string[][] = [];
    const reads = lanes(trips, { always: true })("one");
    const asked: Promise<unknown>[] = [];
    const ask = (value: string): unknown => asked.push(join(reads, value));
    setImmediate(() => {
      ask("a");
      process.nextTick(() => {
        ask("b");
        void Promise.resolve().then(() => process.nextTick(() => ask("c")));
      });
    });
    while (asked.length < 3) await new Promise((resolve) => setImmediate(resolve));
    expect(await Promise.all(asked)).toEqual(["a", "b", "c"]);
    expect(trips).toEqual([["many one"]]);
  });

  it("is the last for a while if it took longer than its calls would have one after the other", () => {
    const reads = lanes([])("one");
    alone(reads, 4, 3);
    reads.learnOfGroup(80, 60);
    reads.learnOfGroup(45, 2);
    expect(reads.isShared).toBe(true);
    reads.learnOfGroup(80, 20);
    expect(reads.isShared).toBe(false);
  });

  it("that waits for a connection takes no calls that would end with it though they have not waited as long", async () => {
    const clock = new ManualClock();
    const trips: PromiseWithResolvers<never>[] = [];
    const reads = new SharedReads({
      connections: {
        read: { idle: 0 },
        use: () => {
          const trip = Promise.withResolvers<never>();
          trips.push(trip);
          return trip.promise;
        },
      } as never,
      clock,
      report: () => {},
      always: true,
    });
    const one = { statement: statement("one"), values: [], merged: () => statement("many one") };
    const ended: string[] = [];
    const ask = async (name: string): Promise<void> => {
      join(reads.laneOf(one)!, name).catch((error) => ended.push(`${name}: ${error.message}`));
      await new Promise((resolve) => setImmediate(resolve));
    };
    await ask("a");
    await clock.advance(90);
    await ask("b");
    await clock.advance(4_900);
    await ask("c");
    trips[0]!.reject(new FormDBError("FORMDB_POOL_TIMEOUT", "after 5 s"));
    await clock.advance(10);
    expect(ended).toEqual(["a: after 5 s", "b: after 5 s"]);
    expect(trips).toHaveLength(2);
  });

  it("tells each of its calls how long it waited and was with the engine itself, however it ended", async () => {
    const clock = new ManualClock();
    const free = Promise.withResolvers<void>();
    const after = (ms: number): Promise<void> => new Promise((resolve) => void clock.schedule(resolve, ms));
    const connection = {
      execute: async () => {
        await after(30);
        return { rows: [], rowCount: 0 };
      },
    };
    const reads = new SharedReads({
      connections: {
        read: { idle: 0 },
        use: (_: string, __: object, work: (on: unknown) => unknown) =>
          free.promise.then(() => work(connection)),
      } as never,
      clock,
      report: () => {},
      always: true,
    });
    const one = { statement: statement("one"), values: [], merged: () => statement("many one") };
    const ask = async (timeoutMs?: number): Promise<string> => {
      const times = { waitMs: 0, databaseMs: 0, decodeMs: 0 };
      const call = reads.laneOf(one)!.join(["a"], { timeoutMs }, times);
      const [{ status }] = await Promise.allSettled([call]);
      return `${status}: waited ${times.waitMs}, in the database ${times.databaseMs}`;
    };
    const ended = [ask()];
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(90);
    ended.push(ask(), ask(20), ask(50));
    await clock.advance(30);
    free.resolve();
    await clock.advance(40);
    expect(await Promise.all(ended)).toEqual([
      "fulfilled: waited 120, in the database 30",
      "fulfilled: waited 30, in the database 30",
      "rejected: waited 20, in the database 0",
      "rejected: waited 30, in the database 20",
    ]);
  });

  it("is bounded", async () => {
    const sizes: number[] = [];
    const reads = lanes([], { always: true, sizes })("one");
    const values = Array.from({ length: 2 * MAX_MERGED_CALLS + 1 }, (_, i) => `v${i}`);
    expect(await Promise.all(values.map((value) => join(reads, value)))).toEqual(values);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(MAX_MERGED_CALLS);
    expect(sizes.reduce((sum, size) => sum + size)).toBe(values.length);
  });
});

describe("groups of reads of different shapes", () => {
  /** Lanes that have learnt that their calls are short. */
  function shortLanes(trips: string[][], idle: number): (name: string) => ReadLane {
    const lane = lanes(trips, { idle });
    const known = new Map<string, ReadLane>();
    return (name) => {
      const found = known.get(name) ?? lane(name);
      if (!known.has(name)) alone(found, 4, 1);
      known.set(name, found);
      return found;
    };
  }

  it("share a round trip, each shape as one statement", async () => {
    const trips: string[][] = [];
    const lane = shortLanes(trips, 1);
    const asked = ["a1", "b1", "c1", "a2", "c2", "a3"];
    expect(await Promise.all(asked.map((value) => join(lane(value[0]!), value)))).toEqual(asked);
    expect(trips).toEqual([["many a", "b", "many c"]]);
  });

  it("go in two halves where eight or more begin while none is under way, and in parts of a millisecond", async () => {
    const trips: string[][] = [];
    const lane = shortLanes(trips, 10);
    await Promise.all([..."abcdefgh"].map((value) => join(lane(value), value)));
    expect(trips.splice(0)).toEqual([
      ["a", "b", "c", "d"],
      ["e", "f", "g", "h"],
    ]);
    // Twenty-six of a tenth of a millisecond each.
    await Promise.all([..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"].map((value) => join(lane(value), value)));
    expect(trips.map(({ length }) => length)).toEqual([8, 9, 9]);
  });

  it("are at most sixteen a round trip where no connection is idle", async () => {
    const trips: string[][] = [];
    const lane = shortLanes(trips, 0);
    await Promise.all([..."abcdefghijklmnopqrstuvwxyz"].map((value) => join(lane(value), value)));
    expect(trips.map(({ length }) => length).sort()).toEqual([10, 16]);
  });

  it("have a statement each where a shape has no merged form", async () => {
    const trips: string[][] = [];
    const lane = shortLanes(trips, 1);
    const asked = ["a1", "x1", "a2", "x2"];
    expect(await Promise.all(asked.map((value) => join(lane(value[0]!), value)))).toEqual(asked);
    expect(trips).toEqual([["many a", "x", "x"]]);
  });

  it("of which one holds values that are refused fail in that call only", async () => {
    const trips: string[][] = [];
    const lane = shortLanes(trips, 1);
    const asked: [string, string][] = [
      ["a", "one"],
      ["b", "two"],
      ["a", "bad"],
      ["a", "three"],
    ];
    const ended = await Promise.allSettled(asked.map(([name, value]) => join(lane(name), value)));
    expect(ended.map((end) => (end.status === "fulfilled" ? end.value : end.reason.sqlstate))).toEqual([
      "one",
      "two",
      "22021",
      "three",
    ]);
    expect(trips).toEqual([
      ["many a", "b"],
      ["a", "a", "a"],
    ]);
  });
});

describe("with every read merged that can be", () => {
  const server = usePostgres();
  describeConformance("PostgreSQL", async () =>
    open(await server.createDatabase(), { batch: { reads: "always" } }),
  );
});
