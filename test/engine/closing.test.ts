import { describe, expect, it } from "vitest";
import type { FormDB, Transaction } from "../../src/index.ts";
import { type OpenDatabase, onEveryEngine } from "../support/every-engine.ts";
import { failure } from "../support/failure.ts";
import { holdTransaction } from "../support/held-transaction.ts";

describe("Closing:", () => onEveryEngine(closes));

function closes(openDatabase: OpenDatabase): void {
  /** With fewer connections than there are calls. */
  async function opened(): Promise<FormDB> {
    const db = await openDatabase({ pool: { maxConnections: 2 } });
    await db.batchInsert(
      "c",
      Array.from({ length: 2_000 }, (_, n) => ({ id: String(n), n })),
    );
    return db;
  }

  it("waits for every call that was made before", async () => {
    const db = await opened();
    const calls = [
      ...Array.from({ length: 50 }, (_, n) => db.get("c", n)),
      ...Array.from({ length: 50 }, (_, n) => db.query("SELECT n FROM c WHERE n > $1", [n])),
      db.query("UPDATE c SET m = 1"),
      db.transaction(async (tx) => {
        const found = await tx.get("c", 1);
        await tx.update("c", 1, { m: found?.m });
        return tx.get("c", 2);
      }),
      db.createIndex("c", "n"),
      db.listCollections(),
      db.explain("SELECT n FROM c"),
      db.insert("c", { id: "new" }),
    ];
    const closing = db.close();
    await Promise.all(calls);
    expect(await closing).toMatchObject({ undelivered: [] });
    expect(await failure(db.get("c", 1))).toMatchObject({ code: "FORMDB_CLOSED" });
  });

  it.each<[string, (tx: Transaction) => Promise<unknown>]>([
    ["writes on", (tx) => tx.update("c", 2, { m: 1 })],
    ["reads on", (tx) => tx.get("c", 2)],
    ["queries on", (tx) => tx.query("SELECT n FROM c WHERE n = 2")],
    ["ends", async () => {}],
  ])("cuts a transaction at its deadline, which says so when its function %s after it", async (_, goOn) => {
    const db = await opened();
    const begun = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    const transaction = failure(
      db.transaction(async (tx) => {
        await tx.update("c", 1, { m: 1 });
        begun.resolve();
        await held.promise;
        await goOn(tx);
      }),
    );
    await begun.promise;
    await db.close({ deadlineMs: 20 });
    held.resolve();
    expect(await transaction).toMatchObject({ code: "FORMDB_CLOSED", outcome: "rejected" });
  });

  it("hands back at its deadline what was still waiting for a connection", async () => {
    const db = await openDatabase({ pool: { minConnections: 1, maxConnections: 1 }, onError: () => {} });
    await db.createCollection("c");
    const release = await holdTransaction(db);
    const write = failure(db.insert("c", { id: "1" }));
    db.batch.update("c", [
      { id: "2", document: { a: 1 } },
      { id: "2", document: { b: 1 } },
    ]);
    await expect.poll(() => db.batch.stats().inFlight).toBe(1);
    const closing = db.close({ deadlineMs: 20 });
    expect(await write).toMatchObject({ code: "FORMDB_CLOSED", outcome: "rejected" });
    await release().catch(() => {});
    const { undelivered, result } = await closing;
    expect(undelivered).toMatchObject([
      { kind: "insert", id: "1" },
      { kind: "update", id: "2", document: { a: 1 } },
      { kind: "update", id: "2", document: { b: 1 } },
    ]);
    expect(result.errors.map(({ outcome }) => outcome)).toEqual(Array(3).fill("rejected"));
  });

  it("hands back at its deadline a write that was still to make its collection", async () => {
    const db = await openDatabase({ pool: { minConnections: 1, maxConnections: 1 } });
    const release = await holdTransaction(db);
    const write = failure(db.insert("fresh", { id: "1" }));
    await expect.poll(() => db.batch.stats().inFlight).toBe(1);
    const closing = db.close({ deadlineMs: 0 });
    expect(await write).toMatchObject({ code: "FORMDB_CLOSED", outcome: "rejected" });
    await release().catch(() => {});
    expect((await closing).undelivered).toMatchObject([{ kind: "insert", id: "1" }]);
  });

  it("cuts a stream that nobody reads on", async () => {
    const db = await opened();
    const stream = db.stream("SELECT * FROM c");
    await stream.next();
    await db.close({ deadlineMs: 20 });
    const rest = (async () => {
      for await (const row of stream) expect(row).toBeDefined();
    })();
    expect(await failure(rest)).toMatchObject({ code: "FORMDB_CLOSED" });
  });
}
