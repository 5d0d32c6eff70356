import { EventEmitter } from "node:events";
import pg from "pg";
import Cursor from "pg-cursor";
import QueryStream from "pg-query-stream";
import { describe, expect, it, vi } from "vitest";
import { Pool } from "../../src/pg.ts";
import { usePostgres } from "../support/hooks.ts";

const server = usePostgres();

function newPool(options: ConstructorParameters<typeof Pool>[0] = {}): Pool {
  return new Pool({ connectionString: server.url, ...options });
}

describe("a Pool in place of pg.Pool", () => {
  it("is a pg.Pool, an EventEmitter, and called Pool", async () => {
    await using pool = newPool();
    expect(pool).toBeInstanceOf(pg.Pool);
    expect(pool).toBeInstanceOf(EventEmitter);
    expect(pool.constructor.name).toContain("Pool");
    expect("totalCount" in pool && "idleCount" in pool && "waitingCount" in pool).toBe(true);
  });

  it("has pg.Pool's options with their defaults, and hides the password", async () => {
    await using pool = newPool({ password: "secret" });
    const { max, min, idleTimeoutMillis, maxUses, allowExitOnIdle, maxLifetimeSeconds, password } =
      pool.options;
    expect({ max, min, idleTimeoutMillis, maxUses, allowExitOnIdle, maxLifetimeSeconds }).toEqual({
      max: 10,
      min: 0,
      idleTimeoutMillis: 10_000,
      maxUses: Infinity,
      allowExitOnIdle: false,
      maxLifetimeSeconds: 0,
    });
    expect(password).toBe("secret");
    expect(Object.keys(pool.options)).not.toContain("password");
  });

  it("warns once of an option that looks misspelled, and of no others", async () => {
    const told: string[] = [];
    const warn = vi.spyOn(process, "emitWarning").mockImplementation((warning) => {
      told.push(String(warning));
    });
    try {
      const odd = { maxConnections: 3, idleTimeoutMs: 5, conectionString: "", leakThresholdMilis: 1 };
      const others = { pipelining: false, statement_timeout: 5, tenant: "a", url: server.url, ssl: false };
      await using _odd = newPool(odd as object);
      await using _again = newPool(odd as object);
      await using _others = newPool(others as object);
    } finally {
      warn.mockRestore();
    }
    expect(told.map((text) => /"(\w+)".*mean "(\w+)"/.exec(text)?.slice(1))).toEqual([
      ["maxConnections", "max"],
      ["idleTimeoutMs", "idleTimeoutMillis"],
      ["leakThresholdMilis", "leakThresholdMillis"],
    ]);
  });

  it("answers every form of a query", async () => {
    await using pool = newPool();
    expect((await pool.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
    expect((await pool.query("SELECT $1::int AS n", [2])).rows).toEqual([{ n: 2 }]);
    expect((await pool.query({ text: "SELECT $1::int AS n", values: [3] })).rows).toEqual([{ n: 3 }]);
    expect((await pool.query({ text: "SELECT 4 AS n", rowMode: "array" })).rows).toEqual([[4]]);
    // The types of rows and values, as @types/pg has them.
    const typed = await pool.query<{ n: number }, [number]>("SELECT $1::int AS n", [2]);
    expect(typed.rows[0]!.n).toBe(2);
    const rowMode = "array";
    const array = await pool.query<[number], [number]>({ text: "SELECT $1::int", rowMode }, [5]);
    expect(array.rows[0]![0]).toBe(5);
    const types = { getTypeParser: () => (text: string) => `<${text}>` } as unknown as pg.CustomTypesConfig;
    expect((await pool.query({ text: "SELECT 5 AS n", types })).rows).toEqual([{ n: "<5>" }]);
    expect((await pool.query({ name: "mine", text: "SELECT $1::int AS n", values: [6] })).rows).toEqual([
      { n: 6 },
    ]);
    const several = (await pool.query("SELECT 7 AS n; SELECT 8 AS n")) as unknown as { rows: unknown[] }[];
    expect(several.map(({ rows }) => rows)).toEqual([[{ n: 7 }], [{ n: 8 }]]);
    const own = new pg.Query("SELECT 9 AS n", []) as unknown as pg.QueryConfig;
    expect((await pool.query(own)).rows).toEqual([{ n: 9 }]);
  });

  it("answers callbacks, never at once, and with pg.Pool's arguments", async () => {
    await using pool = newPool();
    const seen = await new Promise<unknown[]>((resolve) => {
      let called = false;
      const answer = pool.query("SELECT 1 AS n", (error, result) => resolve([called, error, result.rows]));
      called = answer === undefined;
    });
    expect(seen).toEqual([true, undefined, [{ n: 1 }]]);
    const failed = await new Promise<unknown[]>((resolve) => {
      pool.query("SELECT $1::int", ["x"], (...args) => resolve(args));
    });
    expect(failed).toMatchObject([{ code: "22P02" }]);
    const lent = await new Promise<unknown[]>((resolve) => {
      pool.connect((error, client, release) => {
        resolve([error, client instanceof pg.Client, pool.idleCount]);
        release();
      });
    });
    expect(lent).toEqual([undefined, true, 0]);
    expect(pool.idleCount).toBe(1);
  });

  it.each([undefined, null, false, 0, ""])(
    "takes %j for a callback that is not there, as pg does",
    async (none) => {
      await using pool = newPool({ max: 1 });
      // biome-ignore lint/suspicious/noExplicitAny: what the types do not allow
      const client: any = await pool.connect(none as never);
      const configs = [
        { text: "SELECT $1::int AS n", values: [1] },
        { text: "SELECT $1::int AS n", values: [1], callback: none },
      ];
      for (let round = 0; round < 3; round++) {
        expect((await client.query("SELECT $1::int AS n", [round], none)).rows).toEqual([{ n: round }]);
        for (const config of configs)
          expect((await client.query(config, none, none)).rows).toEqual([{ n: 1 }]);
        const named = { name: "mine", text: "SELECT $1::int AS n", values: [2] };
        const rows = await new Promise((resolve, reject) => {
          client.query(named, none, (error: Error, result: pg.QueryResult) =>
            error ? reject(error) : resolve(result.rows),
          );
        });
        expect(rows).toEqual([{ n: 2 }]);
        expect(() => client.query("SELECT $1::int AS n", [1], "none")).toThrow("callback is not a function");
      }
      client.release();
      const answer = pool.query("SELECT $1::int AS n", [3], none as never) as unknown;
      expect(await answer).toMatchObject({ rows: [{ n: 3 }] });
      await pool.end(none as never);
      expect(pool.ended).toBe(true);
    },
  );

  it("refuses a function for a text as pg.Pool does", async () => {
    await using pool = newPool();
    const error = await new Promise<Error>((resolve) => {
      (pool.query as unknown as (done: (error: Error) => void) => void)(resolve);
    });
    expect(error.message).toContain("Passing a function as the first parameter");
  });

  it("lends one client to a cursor or a stream until it has ended, and settles a promise then", async () => {
    await using pool = newPool({ max: 1 });
    const cursor = new Cursor("SELECT * FROM generate_series(1, 1000) n");
    const closed = pool.query(cursor);
    expect(await cursor.read(2)).toEqual([{ n: 1 }, { n: 2 }]);
    expect(pool.idleCount).toBe(0);
    await cursor.close();
    await closed;
    expect(pool.idleCount).toBe(1);
    const stream = new QueryStream("SELECT * FROM generate_series(1, $1::int) n", [250], { batchSize: 100 });
    const ended = pool.query(stream);
    const rows: unknown[] = [];
    for await (const row of stream) rows.push(row);
    expect(rows).toHaveLength(250);
    expect(await ended).toMatchObject({ command: "SELECT" });
    const client = await pool.connect();
    const own = client.query(new Cursor("SELECT 1 AS n"));
    expect(await own.read(5)).toEqual([{ n: 1 }]);
    await own.close();
    client.release();
  });

  it("tells of a cursor that failed where it is read, and by the promise, which may be left alone", async () => {
    await using pool = newPool({ max: 1 });
    const wrong = new Cursor("SELECT nothing");
    const failed = pool.query(wrong);
    await expect(wrong.read(1)).rejects.toMatchObject({ code: "42703" });
    await expect(failed).rejects.toMatchObject({ code: "42703" });
    const leftAlone = new Cursor("SELECT nothing");
    void pool.query(leftAlone);
    await expect(leftAlone.read(1)).rejects.toMatchObject({ code: "42703" });
    const stream = new QueryStream("SELECT nothing");
    const callback = new Promise((resolve) => {
      (pool.query as unknown as (query: object, done: (error: unknown) => void) => void)(stream, resolve);
    });
    const heard = new Promise((resolve) => stream.on("error", resolve));
    stream.resume();
    expect([await callback, await heard]).toMatchObject([{ code: "42703" }, { code: "42703" }]);
    expect((await pool.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
  });

  it("emits what pg.Pool emits, with its arguments", async () => {
    const pool = newPool();
    const seen: string[] = [];
    for (const event of ["connect", "acquire", "remove"] as const) pool.on(event, () => seen.push(event));
    pool.on("release", (error) => seen.push(`release ${error?.message}`));
    expect(pool.listeners("connect")).toHaveLength(1);
    const client = await pool.connect();
    client.release(new Error("no more"));
    const other = await pool.connect();
    other.release();
    await pool.end();
    expect(seen.filter((event) => event !== "remove")).toEqual([
      "connect",
      "acquire",
      "release no more",
      "connect",
      "acquire",
      "release undefined",
    ]);
    expect(seen.filter((event) => event === "remove")).toHaveLength(2);
  });

  it("gives the same client again, and refuses to take it back twice", async () => {
    await using pool = newPool({ max: 1 });
    const client = await pool.connect();
    client.release();
    expect(() => client.release()).toThrow(/already been released/);
    const again = await pool.connect();
    expect(again).toBe(client);
    expect(() => again.release(true)).not.toThrow();
    expect(pool.totalCount).toBe(0);
  });

  it("counts as pg.Pool does", async () => {
    await using pool = newPool({ max: 1 });
    const client = await pool.connect();
    const second = pool.connect();
    const third = pool.connect();
    expect([pool.totalCount, pool.idleCount, pool.waitingCount, pool.expiredCount]).toEqual([1, 0, 2, 0]);
    client.release();
    (await second).release();
    (await third).release();
    expect([pool.totalCount, pool.idleCount, pool.waitingCount]).toEqual([1, 1, 0]);
  });

  it("uses a class of clients that it is given, and the hooks onConnect and verify", async () => {
    class MyClient extends pg.Client {
      readonly mine: boolean = true;
    }
    const calls: string[] = [];
    await using pool = newPool({
      Client: MyClient as never,
      onConnect: async (client) => {
        calls.push(String((await client.query("SELECT 'hook' AS h")).rows[0].h));
      },
      verify: (_client, done) => {
        calls.push("verify");
        done();
      },
    });
    const client = await pool.connect();
    expect((client as unknown as MyClient).mine).toBe(true);
    expect(calls).toEqual(["hook", "verify"]);
    client.release();
  });

  it("ends once, when every client is back, and refuses what comes later", async () => {
    const pool = newPool();
    const client = await pool.connect();
    const ended = pool.end();
    expect([pool.ending, pool.ended]).toEqual([true, false]);
    await expect(pool.end()).rejects.toThrow("Called end on pool more than once");
    await expect(pool.connect()).rejects.toThrow("Cannot use a pool after calling end on the pool");
    await expect(pool.query("SELECT 1")).rejects.toThrow("Cannot use a pool after calling end on the pool");
    client.release();
    await ended;
    expect(pool.ended).toBe(true);
  });

  it("refuses options that make no sense by name", () => {
    expect(() => newPool({ max: "many" as never })).toThrow(/option max must be a number/);
    expect(() => newPool({ max: Infinity })).toThrow(/option max must be a whole number from 1 to 100000/);
    expect(() => newPool({ min: 1.5 })).toThrow(/option min must be a whole number from 0 to 100000/);
    expect(() => newPool({ maxPrepared: 0 })).toThrow(/maxPrepared/);
  });

  it("takes a connectionTimeoutMillis without end for what it says", async () => {
    await using pool = newPool({ connectionTimeoutMillis: Infinity });
    expect((await pool.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
  });

  it("takes callbacks as the types of pg have them", async () => {
    await using pool = newPool();
    const rows = await new Promise((resolve, reject) => {
      pool.query("SELECT 1 AS n", (error: Error, result) => (error ? reject(error) : resolve(result.rows)));
    });
    expect(rows).toEqual([{ n: 1 }]);
  });

  it("passes errors of pg on as they are", async () => {
    await using pool = new Pool({ host: "127.0.0.1", port: 1, user: "nobody" });
    await expect(pool.query("SELECT 1")).rejects.toMatchObject({ code: "ECONNREFUSED" });
    await using other = newPool({ connectionString: server.urlOf("missing") });
    await expect(other.connect()).rejects.toMatchObject({ code: "3D000" });
    const ask = async (): Promise<unknown> => await pool.query("SELECT 1");
    const connect = async (): Promise<unknown> => await other.connect();
    for (const call of [ask, connect]) {
      await expect(call()).rejects.toMatchObject({ stack: expect.stringContaining("forms.test.ts") });
    }
  });
});
