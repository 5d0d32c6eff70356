import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { Connection } from "../../src/backend/backend.ts";
import type { CallOptions } from "../../src/base/abort.ts";
import { engineOf, type FormDB } from "../../src/engine/form-db.ts";
import { open } from "../../src/index.ts";
import type { Pool } from "../../src/pool/pool.ts";
import { BlackHole } from "../support/black-hole.ts";
import { onEveryEngine } from "../support/every-engine.ts";
import { failure } from "../support/failure.ts";
import { holdTransaction } from "../support/held-transaction.ts";
import { useFolder, usePostgres } from "../support/hooks.ts";

/** Reads of a collection that this process does not know, which it looks up first. */
const READS: Readonly<Record<string, (db: FormDB, options: CallOptions) => Promise<unknown>>> = {
  get: (db, options) => db.get("c", "1", options),
  "a query by id": (db, options) => db.query("SELECT * FROM c WHERE id = '1'", [], options),
  "a query": (db, options) => db.query("SELECT * FROM c WHERE n > 1", [], options),
  "an UPDATE": (db, options) => db.query("UPDATE c SET n = 1 WHERE n > 1", [], options),
  stream: (db, options) => db.stream("SELECT * FROM c", [], options).next(),
  check: (db, options) => db.check(options),
  "a handle's get": (db, options) => db.collection("c").get("1", options),
  "a handle's get with its version": (db, options) =>
    db.collection("c").get("1", { version: true, ...options }),
  "a handle's find": (db, options) => db.collection("c").find({ n: 1 }, options).toArray(),
  "a handle's stream": (db, options) =>
    db.collection("c").find({ n: 1 }, options)[Symbol.asyncIterator]().next(),
  "a handle's page": (db, options) => db.collection("c").find({ n: 1 }, options).page(),
  "a handle's findOne": (db, options) => db.collection("c").findOne({ n: 1 }, options),
  "a handle's count": (db, options) => db.collection("c").count({}, options),
  "a handle's findOneAndUpdate": (db, options) =>
    db.collection<{ id: string; n: number }>("c").findOneAndUpdate({}, { inc: { n: 1 } }, options),
};

/** Holds every connection of a pool while a call is made. */
async function withNoneIdle(
  pool: Pool<Connection>,
  call: () => Promise<Record<string, unknown>>,
): Promise<Record<string, unknown>> {
  const held = await Promise.all(Array.from({ length: pool.size.max }, () => pool.acquire()));
  try {
    return await call();
  } finally {
    for (const connection of held) pool.release(connection);
  }
}

onEveryEngine(
  (openDatabase) => {
    describe("while no connection is free, looking up a collection is ended by the caller's time and signal:", () => {
      it.each(Object.keys(READS))("%s", async (name) => {
        await using db = await openDatabase();
        const told = await withNoneIdle(db.pool, () => failure(READS[name]!(db, { timeoutMs: 20 })));
        expect(["FORMDB_POOL_TIMEOUT", "FORMDB_TIMEOUT"]).toContain(told.code);
        const abort = new AbortController();
        const call = withNoneIdle(db.pool, () => {
          const ended = failure(READS[name]!(db, { signal: abort.signal }));
          abort.abort();
          return ended;
        });
        expect(await call).toMatchObject({ code: "FORMDB_ABORTED" });
      });
    });

    it("a stream that would look its collection up on the connection of its own transaction is refused", async () => {
      await using db = await openDatabase();
      const next = (): Promise<unknown> => db.collection("c").find({})[Symbol.asyncIterator]().next();
      let told: unknown;
      await db.transaction(async () => {
        told = await next().catch((error: unknown) => error);
      });
      const isAlone = engineOf(db).connections.deadlockAt === 1;
      expect(told).toMatchObject(isAlone ? { code: "FORMDB_UNSUPPORTED" } : { done: true });
    });

    it("the making of a collection for an INSERT of several ends no later than its caller's time", async () => {
      await using db = await openDatabase();
      const call = (): Promise<Record<string, unknown>> =>
        failure(db.query("INSERT INTO c {}, {}", [], { timeoutMs: 20 }));
      const told = await withNoneIdle(engineOf(db).connections.write, call);
      expect(told).toMatchObject({ code: "FORMDB_TIMEOUT", outcome: "rejected" });
    });
  },
  { pool: { maxConnections: 1, acquireTimeoutMs: 600_000 } },
);

describe("On PostgreSQL, while another transaction has made a collection,", () => {
  const server = usePostgres();

  it("one that makes a collection too ends no later than its time, or that of its call", async () => {
    await using db = await open(await server.createDatabase());
    const release = await holdTransaction(db, (tx) => tx.insert("a", {}));
    const isolation = "read committed";
    for (const make of [
      () => db.transaction((tx) => tx.insert("b", {}), { isolation, timeoutMs: 100 }),
      () => db.transaction((tx) => tx.query("INSERT INTO b {}, {}"), { isolation, timeoutMs: 100 }),
      () =>
        db.transaction((tx) => tx.collection("b").insert({}, { timeoutMs: 100 }), {
          isolation,
          maxRetries: 0,
        }),
    ]) {
      expect(await failure(make())).toMatchObject({ code: "FORMDB_TIMEOUT", outcome: "rejected" });
    }
    await release();
    expect(await db.listCollections()).toEqual(["a"]);
  });
});

describe("A file of SQLite that another process writes to:", () => {
  const folder = useFolder();

  it("the beginning of a transaction is ended by its time, and nothing is left of it", async () => {
    const file = join(folder, "a.db");
    const db = await open(file, { busyTimeoutMs: 600_000 });
    await db.insert("c", { id: "1" });
    const other = new Database(file);
    other.exec("BEGIN IMMEDIATE");
    let ran = false;
    const work = async (): Promise<void> => {
      ran = true;
    };
    const told = await failure(db.transaction(work, { timeoutMs: 100 }));
    expect(told).toMatchObject({ code: "FORMDB_TIMEOUT", outcome: "rejected" });
    expect(ran).toBe(false);
    other.exec("COMMIT");
    other.close();
    await db.update("c", "1", { n: 1 });
    const release = await holdTransaction(db, (tx) => tx.update("c", "1", { n: 2 }));
    await release();
    expect(await db.get("c", "1")).toEqual({ id: "1", n: 2 });
    await db.close();
  });
});

describe("a write whose server falls silent once it has committed", () => {
  const server = usePostgres();

  it("is reported, though how far its log is can't be learnt", async () => {
    const url = await server.createDatabase();
    await using direct = await open(url);
    await direct.insert("c", { id: "1" });
    using hole = await BlackHole.before(server.port);
    const host = `127.0.0.1:${hole.port}`;
    const behind = `postgres://formdb@${host},${host}${new URL(url).pathname}`;
    const db = await open(behind, { postgres: { reads: "replica-if-fresh", cancelTimeoutMs: 100 } });
    await db.get("c", "1");
    void hole.swallowFrom("pg_current_wal_insert_lsn");
    expect((await db.query("UPDATE c SET n = 1", [], { timeoutMs: 5_000 })).rowCount).toBe(1);
    expect(db.stats().writer).toMatchObject({ inUse: 0 });
    await db.close({ deadlineMs: 0 });
  });
});
