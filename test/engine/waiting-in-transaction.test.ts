import { expect, it } from "vitest";
import type { FormDB } from "../../src/index.ts";
import { onEveryEngine } from "../support/every-engine.ts";
import { failure } from "../support/failure.ts";

const CALLS: Readonly<Record<string, (db: FormDB) => Promise<unknown>>> = {
  "batch.submit()": (db) => db.batch.submit("insert", "c", undefined, {}),
  "batch.submitAll()": (db) => db.batch.submitAll("insert", "c", [{}]),
  "batch.requeue()": (db) =>
    db.batch.requeue([{ kind: "insert", collection: "c", id: "1", document: { id: "1" } }]),
  "batch.flush()": (db) => db.batch.flush(),
  "batch.close()": (db) => db.batch.close(),
};

// They would wait for the connection that the transaction holds until it has waited for them.
onEveryEngine(
  (openDatabase) => {
    it.each(Object.keys(CALLS))("%s is refused inside a transaction, which goes on", async (name) => {
      await using db = await openDatabase();
      let refusal: unknown;
      await db.transaction(async (tx) => {
        await tx.insert("c", { id: "of the transaction" });
        // Whatever is queued, a flush has to wait for.
        db.batch.insert("c", { id: "queued" });
        refusal = await failure(CALLS[name]!(db));
      });
      expect(refusal).toMatchObject({
        code: "FORMDB_UNSUPPORTED",
        outcome: "rejected",
        message: expect.stringMatching(
          new RegExp(`^${name.replace("()", "\\(\\)")} can't be called inside a transaction`),
        ),
      });
      expect(await db.batch.flush()).toMatchObject({ successful: 1, failed: 0 });
      expect((await db.query("SELECT COUNT(*) AS n FROM c")).rows).toEqual([{ n: 2 }]);
    });

    it("close() is refused inside a transaction, and the database stays open", async () => {
      await using db = await openDatabase();
      let refusal: unknown;
      await db.transaction(async (tx) => {
        refusal = await failure(db.close());
        await tx.insert("c", { id: "1" });
      });
      expect(refusal).toMatchObject({
        code: "FORMDB_UNSUPPORTED",
        message: expect.stringContaining("call it after the transaction's end"),
      });
      expect(db.closed).toBe(false);
      expect(await db.get("c", "1")).toEqual({ id: "1" });
    });

    it("what nobody awaits is queued inside a transaction, and is no part of it", async () => {
      await using db = await openDatabase();
      const call = db.transaction(async (tx) => {
        db.batch.insert("c", { id: "1", n: 1 });
        db.batch.update("c", { id: "1", document: { n: 2 } });
        await tx.insert("d", { id: "1" });
        throw new Error("undone");
      });
      await expect(call).rejects.toThrow("undone");
      expect(await db.batch.flush()).toMatchObject({ successful: 2, failed: 0 });
      expect(await db.get("c", "1")).toEqual({ id: "1", n: 2 });
      expect(await db.get("d", "1")).toBeUndefined();
    });
  },
  { pool: { maxConnections: 1 } },
);
