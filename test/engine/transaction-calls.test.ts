import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import type { Collection, FormDB, Transaction } from "../../src/index.ts";
import { onEveryEngine } from "../support/every-engine.ts";
import { failure } from "../support/failure.ts";

/** By what nobody awaits: calls that fail, and with what. */
const FAILING: Readonly<Record<string, readonly [(tx: Transaction) => unknown, string]>> = {
  insert: [(tx) => tx.insert("c", { id: "1" }), "FORMDB_DUPLICATE_ID"],
  update: [(tx) => tx.update("c", "none", {}), "FORMDB_NOT_FOUND"],
  "query that can't be read": [(tx) => tx.query("SELEC"), "FORMDB_SYNTAX"],
  sql: [(tx) => tx.sql("SELECT nothing"), "FORMDB_ENGINE"],
  "a handle's insert": [(tx) => tx.collection("c").insert({ id: "1" }), "FORMDB_DUPLICATE_ID"],
  "a handle's update": [(tx) => tx.collection("c").update("none", { set: { a: 1 } }), "FORMDB_NOT_FOUND"],
  "a handle's find": [(tx) => tx.collection("c").find({}, { limit: 0.5 }).toArray(), "FORMDB_CONFIG"],
};

// A rejection that nobody handles fails the run.
onEveryEngine((openDatabase) => {
  let db: FormDB;
  beforeAll(async () => {
    db = await openDatabase();
  });
  afterEach(async () => {
    await db.dropCollection("c");
  });
  afterAll(() => db.close());

  const stored = async (): Promise<unknown[]> =>
    (await db.query("SELECT id FROM c ORDER BY id")).rows.map(({ id }) => id);

  it.each(Object.keys(FAILING))(
    "a failing call that nobody awaits fails its transaction: %s",
    async (name) => {
      const [call, code] = FAILING[name]!;
      await db.insert("c", { id: "1" });
      const leftUnderWay = async (tx: Transaction): Promise<void> => {
        await tx.insert("c", { id: "2" });
        call(tx);
      };
      const failedBefore = async (tx: Transaction): Promise<void> => {
        await leftUnderWay(tx);
        // A call waits for those before it, so that it is over by then.
        await tx.get("c", "1").catch(() => {});
        await sleep(0);
      };
      for (const fn of [leftUnderWay, failedBefore]) {
        expect(await failure(db.transaction(fn))).toMatchObject({ code, outcome: "rejected" });
      }
      expect(await stored()).toEqual(["1"]);
    },
  );

  it("a call that nobody awaits is made as a whole, and a loop that nobody awaits does not hold up the end", async () => {
    await db.insert("c", { id: "1", n: 1 });
    let loop: Promise<Error> | undefined;
    await db.transaction(async (tx) => {
      void tx.collection("c").insertMany([{ id: "2" }, { id: "3" }, { id: "4" }]);
      const poll = async (): Promise<void> => {
        for (;;) await tx.get("c", "1");
      };
      loop = failure(poll());
    });
    expect(await loop).toMatchObject({ code: "FORMDB_CLOSED" });
    expect(await stored()).toEqual(["1", "2", "3", "4"]);
  });

  it("one whose failure is looked at leaves the transaction as it is", async () => {
    await db.insert("c", { id: "1" });
    const seen: unknown[] = [];
    const note = (error: unknown): void => void seen.push((error as { code: unknown }).code);
    await db.transaction(async (tx) => {
      const later = tx.insert("c", { id: "1" });
      await tx.insert("c", { id: "2" });
      await later.catch(note);
      const [updated] = await Promise.allSettled([tx.update("c", "none", {})]);
      note((updated as PromiseRejectedResult).reason);
      try {
        await tx.collection("c").update("none", { set: { a: 1 } });
      } catch (error) {
        note(error);
      }
    });
    expect(seen).toEqual(["FORMDB_DUPLICATE_ID", "FORMDB_NOT_FOUND", "FORMDB_NOT_FOUND"]);
    expect(await stored()).toEqual(["1", "2"]);
  });

  it("an error of the engine is undone by a savepoint, and the rest is committed", async () => {
    await db.insert("c", { id: "1", n: 0 });
    await db.transaction(async (tx) => {
      await tx.insert("c", { id: "2" });
      await tx.sql`SAVEPOINT before`;
      expect(await failure(tx.query("UPDATE c SET n = 1 / n"))).toMatchObject({ code: "FORMDB_CONSTRAINT" });
      await tx.sql`ROLLBACK TO before`;
      await tx.insert("c", { id: "3" });
    });
    expect(await stored()).toEqual(["1", "2", "3"]);
  });

  it("what the function throws is told, whatever else failed", async () => {
    await db.insert("c", { id: "1" });
    const own = new Error("own");
    const call = db.transaction(async (tx) => {
      void tx.insert("c", { id: "1" });
      throw own;
    });
    expect(await failure(call)).toBe(own);
    expect(await stored()).toEqual(["1"]);
  });

  it("one that is made after the end tells its own caller", async () => {
    let kept: Transaction | undefined;
    await db.transaction(async (tx) => {
      kept = tx;
      await tx.insert("c", { id: "1" });
    });
    const handle = kept!.collection("c");
    const unhandled: unknown[] = [];
    const listeners = process.rawListeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection");
    process.on("unhandledRejection", (error) => unhandled.push(error));
    kept!.insert("c", { id: "2" });
    void handle.update("1", { set: { a: 1 } });
    await sleep(0);
    process.removeAllListeners("unhandledRejection");
    for (const listener of listeners) process.on("unhandledRejection", listener as never);
    expect(unhandled).toMatchObject([{ code: "FORMDB_CLOSED" }, { code: "FORMDB_CLOSED" }]);
  });

  it("every call of a handle is ended by its signal", async () => {
    await db.insert("c", { id: "1" });
    const options = { signal: AbortSignal.abort() };
    for (const call of [
      (c: Collection) => c.get("1", options),
      (c: Collection) => c.get("1", { version: true, ...options }),
      (c: Collection) => c.insert({}, options),
      (c: Collection) => c.insertMany([{}], options),
      (c: Collection) => c.upsert({ id: "1", n: 1 }, options),
      (c: Collection) => c.replace("1", { n: 1 }, options),
      (c: Collection) => c.update("1", { set: { n: 1 } }, options),
      (c: Collection) => c.delete("1", options),
      (c: Collection) => c.find({}, options).toArray(),
      (c: Collection) => c.count({}, options),
      (c: Collection) => c.findOneAndUpdate({}, { set: { n: 1 } }, options),
    ]) {
      const told = await failure(db.transaction<unknown>((tx) => call(tx.collection("c"))));
      expect([call.toString(), told.code]).toEqual([call.toString(), "FORMDB_ABORTED"]);
    }
    expect((await db.query("SELECT * FROM c")).rows).toEqual([{ id: "1" }]);
  });

  it("a handle finds, streams and pages as it does elsewhere", async () => {
    await db.batchInsert("c", [{ id: "1" }, { id: "2" }]);
    const found = await db.transaction(async (tx) => {
      const handle = tx.collection<{ id: string }>("c");
      const ids: string[] = [];
      for await (const { id } of handle.find({}, { orderBy: { id: "asc" } })) ids.push(id);
      const { rows } = await handle.find({ id: "2" }).page();
      return [handle.name, ids, rows, await handle.count()];
    });
    expect(found).toEqual(["c", ["1", "2"], [{ id: "2" }], 2]);
  });
});
