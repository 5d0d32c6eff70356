import { describe, expect, it } from "vitest";
import type { Backend, Connection } from "../../src/backend/backend.ts";
import { FormDBError } from "../../src/base/errors.ts";
import { type ConnectionPoolOptions, Connections } from "../../src/engine/connections.ts";
import type { FormDB } from "../../src/engine/form-db.ts";
import { type BatchResult, open, setDefaultDatabase } from "../../src/index.ts";
import { make } from "../../src/pool.ts";
import { failure } from "../support/failure.ts";
import { useFolderEach, usePostgres } from "../support/hooks.ts";
import { ManualClock } from "../support/manual-clock.ts";

const folder = useFolderEach();

const NO_TIME = { maxConnections: 1, minConnections: 0, acquireTimeoutMs: 30 };

/** The pools over an engine that takes any number of connections, and refuses each. */
function connections(options: ConnectionPoolOptions, facts: Partial<Backend> = {}): Connections {
  const backend = {
    separateWriter: false,
    sizing: () => ({ minConnections: 0, maxConnections: 10 }),
    connect: () => Promise.reject(new FormDBError("FORMDB_CONNECT_FAILED", "nothing listens")),
    ...facts,
  } as unknown as Backend;
  return new Connections(backend, options, new ManualClock(), {}, {});
}

it("as many callers as the user allows connections wait for themselves, where reads and writes share them", () => {
  expect(connections({}).deadlockAt).toBe(10);
  const one = connections({ maxConnections: 1 });
  expect(one.deadlockAt).toBe(1);
  one.read.resize({ max: 2 });
  expect(one.deadlockAt).toBe(2);
  expect(connections({}, { separateWriter: true }).deadlockAt).toBe(Number.POSITIVE_INFINITY);
});

it("of the numbers of connections that an engine usually has, those give way that the user's would contradict", () => {
  const engine = { sizing: () => ({ minConnections: 2, maxConnections: 4, maxLifetimeMs: 1 }) };
  const sizes = (options: ConnectionPoolOptions): number[] => {
    const { min, max } = connections(options, engine).read.stats();
    return [min, max];
  };
  expect(sizes({})).toEqual([2, 4]);
  expect(sizes({ maxConnections: 1 })).toEqual([1, 1]);
  expect(sizes({ minConnections: 8 })).toEqual([8, 8]);
  expect(() => sizes({ minConnections: 8, maxConnections: 4 })).toThrow(
    /must be at most maxConnections, which is 4/,
  );
});

it.each(["create", "clock", "holds", "detectNested", "hosts"])(
  "open() refuses the pool's option %s by name",
  async (name) => {
    await expect(open("sqlite::memory:", { pool: { [name]: true } as never })).rejects.toMatchObject({
      code: "FORMDB_CONFIG",
      option: name,
      message: expect.stringContaining(name),
    });
  },
);

it("a time-out tells the caller's lines that took what is lent, of readers and of SQLite's writer", async () => {
  await using db = await open(`sqlite:${folder()}/a.db`, {
    pool: { maxConnections: 1, acquireTimeoutMs: 50, trackHolders: true },
  });
  await db.insert("c", { id: "1" });
  const hasBoth = Promise.withResolvers<void>();
  const mayEnd = Promise.withResolvers<void>();
  const holder = db.transaction(async (tx) => {
    await tx.get("c", "1");
    for await (const _ of db.stream("SELECT * FROM c")) {
      hasBoth.resolve();
      await mayEnd.promise;
    }
  });
  await hasBoth.promise;
  const toWrite = await failure(db.transaction((tx) => tx.get("c", "1")));
  const toRead = await failure(db.sql("SELECT count(*) FROM c", [], { readOnly: true }));
  mayEnd.resolve();
  await holder;
  for (const error of [toWrite, toRead]) {
    expect(error).toMatchObject({ code: "FORMDB_POOL_TIMEOUT", retryable: true, inUse: 1 });
    const [{ stack }] = (error as unknown as { holders: [{ stack: string }] }).holders;
    expect(stack).toMatch(/^ {4}at .*connections\.test\.ts:\d+/);
    expect(stack).not.toContain("/src/engine/");
  }
  expect((toWrite as Error).message).toContain("one connection that writes");
  expect((toRead as Error).message).not.toContain("one connection that writes");
});

describe("Where streams hold every connection", () => {
  const server = usePostgres();
  const calls: [string, (db: FormDB) => Promise<unknown>][] = [
    ["get", (db) => db.get("c", "1")],
    ["query", (db) => db.query("SELECT * FROM c WHERE n = 1")],
    ["stream", (db) => db.stream("SELECT * FROM c").next()],
    ["sql", (db) => db.sql("SELECT 1", [], { readOnly: true })],
    ["transaction", (db) => db.transaction((tx) => tx.insert("c", { id: "3" }))],
  ];

  async function inLoop(db: FormDB, call: (db: FormDB) => Promise<unknown>): Promise<unknown> {
    await db.batchInsert("c", [{ id: "1" }, { id: "2" }]);
    for await (const _ of db.stream("SELECT * FROM c")) return await failure(call(db));
    return undefined;
  }

  it.each(calls)("the time-out of %s in the loop of one says so on PostgreSQL", async (_name, call) => {
    await using db = await open(await server.createDatabase(), { pool: NO_TIME });
    const told = await inLoop(db, call);
    expect(told).toMatchObject({ code: "FORMDB_POOL_TIMEOUT", retryable: true, streams: 1, inUse: 1 });
    expect((told as Error).message).toMatch(
      /^A stream holds a connection until .*pool\.maxConnections.*within 30 ms/,
    );
    expect(await db.get("c", "1")).toMatchObject({ id: "1" });
  });

  it("a queued write in the loops of those that hold all fails as soon, and the queue goes on after them", async () => {
    await using db = await open(await server.createDatabase(), { pool: { ...NO_TIME, maxConnections: 2 } });
    await db.batchInsert("c", [{ id: "1" }, { id: "2" }]);
    const allHold = Promise.withResolvers<void>();
    const allWritten = Promise.withResolvers<void>();
    let holding = 0;
    let written = 0;
    const loop = async (write: () => Promise<unknown>): Promise<unknown> => {
      for await (const _ of db.stream("SELECT * FROM c")) {
        if (++holding === 2) allHold.resolve();
        await allHold.promise;
        const told = await write();
        // The first one that ends would have a connection for the other.
        if (++written === 2) allWritten.resolve();
        await allWritten.promise;
        return told;
      }
      return undefined;
    };
    const [failed, { errors }] = (await Promise.all([
      loop(() => failure(db.update("c", "1", { n: 1 }))),
      loop(() => db.batchInsert("not_there_yet", [{ id: "3" }])),
    ])) as [unknown, BatchResult];
    expect(errors).toHaveLength(1);
    for (const error of [failed, { ...errors[0], message: errors[0]!.error }]) {
      expect(error).toMatchObject({ code: "FORMDB_POOL_TIMEOUT", outcome: "rejected" });
      expect((error as Error).message).toMatch(/streams? holds? a connection.*pool\.maxConnections/);
    }
    expect(failed).toMatchObject({ retryable: false });
    await db.update("c", "1", { n: 2 });
    expect(await db.get("c", "1")).toEqual({ id: "1", n: 2 });
  });

  it("SQLite's readers say so too, and its writer writes", async () => {
    await using db = await open(`sqlite:${folder()}/a.db`, { pool: NO_TIME });
    const [, , , [, sql]] = calls as [unknown, unknown, unknown, (typeof calls)[0]];
    expect(await inLoop(db, sql)).toMatchObject({ code: "FORMDB_POOL_TIMEOUT", streams: 1 });
    for await (const _ of db.stream("SELECT * FROM c WHERE id = '1'")) await db.insert("c", { id: "3" });
    expect(await db.get("c", "3")).toEqual({ id: "3" });
  });

  it("nothing is said of those that have ended, or that nobody has begun to read", async () => {
    await using db = await open(await server.createDatabase(), { pool: NO_TIME });
    await inLoop(db, calls[0]![1]);
    db.stream("SELECT * FROM c");
    const held = await db.pool.acquire();
    const told = await failure(db.get("c", "1"));
    db.pool.release(held);
    expect(told).toMatchObject({ code: "FORMDB_POOL_TIMEOUT", inUse: 1 });
    expect((told as Error).message).not.toContain("stream");
  });
});

it("of several connections that write a time-out does not say that there is one", async () => {
  const pools = connections({ maxConnections: 2, acquireTimeoutMs: 0 }, { separateWriter: true });
  const told = await failure(pools.acquire("write", {}));
  expect((told as Error).message).not.toContain("one connection that writes");
});

describe("A failover", () => {
  const gone = new FormDBError("FORMDB_CONNECTION_LOST", "the server went away");

  /** Pools over an engine that gives connections, and tells of nothing but failovers. */
  function poolsOf(facts: Partial<Backend> = {}): Connections {
    const isGone = (error: unknown): boolean => error === gone;
    const connect = async (): Promise<Connection> =>
      ({ usable: true, close: async () => {} }) as unknown as Connection;
    return connections(
      { maxConnections: 3 },
      { connect, isFatal: isGone, invalidatesPool: isGone, ...facts },
    );
  }

  it("replaces all connections once, however late its other calls hear of it", async () => {
    const pools = poolsOf();
    const cut = [await pools.acquire("read", {}), await pools.acquire("read", {})];
    const lose = (connection: Connection): void =>
      pools.giveBack("read", Object.assign(connection, { usable: false }), gone);
    lose(cut[0]!);
    const fresh = await pools.acquire("read", {});
    pools.giveBack("read", fresh);
    lose(cut[1]!);
    expect(pools.read.stats()).toMatchObject({ idle: 1, totals: { invalidations: 1, closed: { error: 2 } } });
  });

  it("that readers hear of replaces those that write once too", async () => {
    const pools = poolsOf({ separateWriter: true });
    const cut = [await pools.acquire("read", {}), await pools.acquire("read", {})];
    for (const connection of cut) {
      pools.giveBack("write", await pools.acquire("write", {}));
      pools.giveBack("read", Object.assign(connection, { usable: false }), gone);
    }
    expect(pools.write.stats()).toMatchObject({ idle: 1, totals: { invalidations: 1 } });
  });
});

describe("A connection that is given back inside a transaction", () => {
  const server = usePostgres();

  it.each([
    ["PostgreSQL", () => server.createDatabase()],
    ["a SQLite file", async () => `sqlite:${folder()}/a.db`],
    ["SQLite in memory", async () => "sqlite::memory:"],
  ])("is rolled back before it is anybody's on %s", async (engine, make) => {
    const url = await make();
    await using db = await open(url, { pool: { minConnections: 1, maxConnections: 1 } });
    await db.insert("c", { id: "1" });
    const connection = await db.pool.acquire();
    await connection.begin(undefined);
    await connection.getMany("c", ["1"]);
    db.pool.release(connection);
    await db.insert("c", { id: "2" });
    await db.transaction((tx) => tx.insert("c", { id: "3" }));
    expect((await db.query("SELECT id FROM c ORDER BY id")).rows.map(({ id }) => id)).toEqual([
      "1",
      "2",
      "3",
    ]);
    if (engine === "SQLite in memory") return;
    await using other = await open(url);
    expect(await other.get("c", "2")).toEqual({ id: "2" });
  });

  it("is rolled back in a pool that make() gives too", async () => {
    await using db = await open(`sqlite:${folder()}/a.db`);
    setDefaultDatabase(db);
    await using pool = make({ minConnections: 0, maxConnections: 1 });
    await pool.use((connection) => connection.begin(undefined));
    expect(await pool.use(async ({ inTransaction }) => inTransaction)).toBe(false);
    setDefaultDatabase(undefined);
  });
});

describe("A connection that is given back while a call on it is under way", () => {
  const server = usePostgres();

  it.each([
    ["PostgreSQL", () => server.createDatabase()],
    ["a SQLite file", async () => `sqlite:${folder()}/a.db`],
    ["SQLite in memory", async () => "sqlite::memory:"],
  ])("troubles nobody else on %s", async (_engine, make) => {
    await using db = await open(await make(), { pool: { minConnections: 1, maxConnections: 1 } });
    await db.insert("c", { id: "1" });
    for (const forgotten of ["ping", "begin"] as const) {
      const connection = await db.pool.acquire();
      connection[forgotten](undefined as never).catch(() => {});
      db.pool.release(connection);
      for (let n = 0; n < 3; n++) expect(await db.get("c", "1")).toEqual({ id: "1" });
      expect((await db.query("SELECT id FROM c WHERE id >= '0'")).rows).toEqual([{ id: "1" }]);
      await db.upsert("c", { id: "1" });
      expect(db.pool.stats()).toMatchObject({ inUse: 0, idle: 1 });
    }
  });
});
