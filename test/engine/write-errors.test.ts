import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { CallOptions } from "../../src/base/abort.ts";
import type { FormDB } from "../../src/engine/form-db.ts";
import { open } from "../../src/engine/open.ts";
import { failure } from "../support/failure.ts";
import { holdTransaction } from "../support/held-transaction.ts";
import { useFolder } from "../support/hooks.ts";

const folder = useFolder();

const SINGLE: Record<string, (db: FormDB, options?: CallOptions) => Promise<unknown>> = {
  insert: (db, options) => db.insert("c", { id: "1" }, options),
  update: (db, options) => db.update("c", "none", { a: 1 }, options),
  upsert: (db, options) => db.upsert("c", { id: 0.5 }, options),
  delete: (db, options) => db.delete("c", "", options),
};
const BATCH: Record<string, (db: FormDB, options?: CallOptions) => Promise<unknown>> = {
  batchInsert: (db, options) => db.batchInsert("c", [{}], options),
  batchUpdate: (db, options) => db.batchUpdate("c", [{ id: "1", document: {} }], options),
  batchUpsert: (db, options) => db.batchUpsert("c", [{ id: "1" }], options),
  batchDelete: (db, options) => db.batchDelete("c", ["1"], options),
};

describe("the error of a single write", () => {
  for (const [name, call] of Object.entries(SINGLE)) {
    it(`of ${name} names its caller in its stack, has its outcome, and counts once`, async () => {
      await using db = await open("sqlite::memory:");
      await db.insert("c", { id: "1" });
      async function theCaller(): Promise<void> {
        await call(db);
      }
      const error = await failure(theCaller());
      expect(error.stack).toContain("theCaller");
      expect(error.outcome).toBe("rejected");
      expect(db.metrics.exportPrometheus()).toContain("\nformdb_errors_total 1\n");
    });
  }

  it("is one of its own where a group fails for all", async () => {
    await using db = await open("sqlite::memory:", { autoCreate: false });
    async function one(): Promise<void> {
      await db.insert("none", { id: "1" });
    }
    async function two(): Promise<void> {
      await db.insert("none", { id: "2" });
    }
    const [a, b] = await Promise.all([failure(one()), failure(two())]);
    expect(a).not.toBe(b);
    expect([a.code, b.code]).toEqual(Array(2).fill("FORMDB_UNKNOWN_COLLECTION"));
    expect(a.stack).toContain("one");
    expect(b.stack).toContain("two");
  });
});

describe("the bounds of a write", () => {
  for (const [name, call] of Object.entries({ ...SINGLE, ...BATCH })) {
    it(`of ${name} are looked at before anything is done`, async () => {
      await using db = await open("sqlite::memory:");
      expect(await failure(call(db, { signal: AbortSignal.abort() }))).toMatchObject({
        code: "FORMDB_ABORTED",
        outcome: "rejected",
      });
      expect(await failure(call(db, { timeout: 5 } as never))).toMatchObject({ code: "FORMDB_CONFIG" });
      expect(db.batch.stats().successful).toBe(0);
    });
  }

  it("end calls that a held connection keeps waiting, singly, in batches and as queries", async () => {
    await using db = await open(`sqlite:${join(folder, "held.db")}`);
    await db.createCollection("c");
    const release = await holdTransaction(db, (tx) => tx.insert("c", { id: "held" }));
    const first = failure(db.insert("c", { id: "1" }, { timeoutMs: 30 }));
    expect(await first).toMatchObject({ code: "FORMDB_TIMEOUT", outcome: "unknown" });
    expect(await failure(db.insert("c", { id: "2" }, { timeoutMs: 30 }))).toMatchObject({
      code: "FORMDB_TIMEOUT",
      outcome: "rejected",
    });
    const { errors } = await db.batchInsert("c", [{ id: "3" }], { signal: AbortSignal.timeout(30) });
    expect(errors).toMatchObject([{ code: "FORMDB_ABORTED", outcome: "rejected" }]);
    const query = db.query('INSERT INTO c {"id": "4"}', [], { signal: AbortSignal.timeout(30) });
    expect(await failure(query)).toMatchObject({ code: "FORMDB_ABORTED", outcome: "rejected" });
    await release();
    await db.flush();
    expect((await db.query("SELECT id FROM c ORDER BY id")).rows.map(({ id }) => id)).toEqual(["1", "held"]);
  });
});

const BY_STATEMENT: Record<string, (db: FormDB, signal: AbortSignal) => Promise<unknown>> = {
  "an UPDATE": (db, signal) => db.query("UPDATE c SET n = 2", [], { signal }),
  "a DELETE": (db, signal) => db.query("DELETE FROM c", [], { signal }),
  "findOneAndUpdate()": (db, signal) =>
    db.collection("c").findOneAndUpdate({ id: "1" }, { set: { n: 2 } }, { signal }),
  "delete() with ifVersion": (db, signal) => db.collection("c").delete("1", { ifVersion: 1, signal }),
  "sql() that writes": (db, signal) => db.sql("UPDATE c SET version = 2", [], { signal }),
};

describe("a write that is a statement of its own,", () => {
  it.each(Object.keys(BY_STATEMENT))("%s, is unknown if SQLite has to be stopped in it", async (name) => {
    const file = join(folder, `${name.replaceAll(/\W/g, "-")}.db`);
    await using db = await open(`sqlite:${file}`);
    await db.insert("c", { id: "1", n: 1 });
    const other = new Database(file);
    other.exec("BEGIN IMMEDIATE");
    const stop = new AbortController();
    const error = failure(BY_STATEMENT[name]!(db, stop.signal));
    await expect.poll(() => db.stats().writer?.inUse).toBe(1);
    stop.abort();
    expect(await error).toMatchObject({ code: "FORMDB_ABORTED", outcome: "unknown", retryable: false });
    other.close();
  });

  /** But for SQL, of which it is not known that it writes before it is sent. */
  const known = Object.keys(BY_STATEMENT).filter((name) => name !== "sql() that writes");

  it.each(known)("%s, is rejected if it was not sent", async (name) => {
    await using db = await open("sqlite::memory:");
    await db.insert("c", { id: "1", n: 1 });
    const release = await holdTransaction(db);
    const stop = new AbortController();
    const error = failure(BY_STATEMENT[name]!(db, stop.signal));
    await expect.poll(() => db.pool.stats().waiting).toBe(1);
    stop.abort();
    expect(await error).toMatchObject({ code: "FORMDB_ABORTED", outcome: "rejected" });
    await release();
  });
});

it("a change that has changed nothing is rejected, though the call is given up before it is known why", async () => {
  let stop = new AbortController();
  await using db = await open("sqlite::memory:", { observer: { queryFinished: () => stop.abort() } });
  await db.insert("c", { id: "1", n: "x" });
  const c = db.collection("c");
  const found = c.findOneAndUpdate({ id: "none" }, { inc: { n: 1 } }, { signal: stop.signal });
  expect(await failure(found)).toMatchObject({ code: "FORMDB_ABORTED", outcome: "rejected" });
  stop = new AbortController();
  const deleted = c.delete("1", { ifVersion: 7, signal: stop.signal });
  expect(await failure(deleted)).toMatchObject({ code: "FORMDB_ABORTED", outcome: "rejected" });
});

const WRONG: Record<string, (db: FormDB) => Promise<unknown>> = {
  "replace() with another id": (db) => db.collection("c").replace("1", { id: "2" }),
  "replace() of what is no document": (db) => db.collection("c").replace("1", { n: Number.NaN }),
  "replace() with a wrong version": (db) => db.collection("c").replace("1", {}, { ifVersion: -1 }),
  "update() of what is no id": (db) => db.collection("c").update("", { set: { n: 1 } }),
  "update() with a wrong version": (db) =>
    db.collection("c").update("1", { set: { n: 1 } }, { ifVersion: -1 }),
  "delete() with a wrong version": (db) => db.collection("c").delete("1", { ifVersion: -1 }),
  "insertMany() with a wrong time": (db) => db.collection("c").insertMany([{}], { timeoutMs: -1 }),
  "findOneAndUpdate() with a wrong order": (db) =>
    db.collection("c").findOneAndUpdate({}, { set: { n: 1 } }, { orderBy: { n: "up" } as never }),
  "a transaction with wrong options": (db) => db.transaction(async () => {}, { maxRetries: -1 }),
};

it.each(Object.keys(WRONG))("%s is refused as rejected", async (name) => {
  await using db = await open("sqlite::memory:");
  await db.insert("c", { id: "1" });
  expect(await failure(WRONG[name]!(db))).toMatchObject({ outcome: "rejected" });
});

describe("around close()", () => {
  it("every failed write has its outcome", async () => {
    const db = await open("sqlite::memory:");
    await db.createCollection("c");
    const callAll = () => Object.values({ ...SINGLE, ...BATCH }).map((call) => failure(call(db)));
    const closing = db.close();
    const calls = callAll();
    await closing;
    for (const error of await Promise.all([...calls, ...callAll()])) {
      expect(error).toMatchObject({ code: "FORMDB_CLOSED", outcome: "rejected" });
    }
  });
});

it("an update without a patch is told how many updates are given", async () => {
  await using db = await open("sqlite::memory:");
  await db.insert("c", { id: "1" });
  const { errors } = await db.batchUpdate("c", [{ id: "1", a: 2 } as never]);
  expect(errors).toMatchObject([{ id: "1", code: "FORMDB_INVALID_DOCUMENT", outcome: "rejected" }]);
  expect(errors[0]!.error).toContain("each of many is { id, document }");
});
