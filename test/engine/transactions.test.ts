import { AsyncLocalStorage } from "node:async_hooks";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { FormDBError } from "../../src/base/errors.ts";
import type { FormDB } from "../../src/engine/form-db.ts";
import { Transactions } from "../../src/engine/transaction.ts";
import { open, type Transaction } from "../../src/index.ts";
import { failure } from "../support/failure.ts";
import { holdTransaction } from "../support/held-transaction.ts";
import { usePostgres } from "../support/hooks.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { postgresVersions } from "../support/postgres-server.ts";

const outside = AsyncLocalStorage.snapshot();

describe.each(postgresVersions())("PostgreSQL (%s):", (version) => {
  const server = usePostgres({ version });

  it.each([1, 3])(
    "calls on the database inside transactions that hold all %i connections are refused at once",
    async (max) => {
      await using db = await open(await server.createDatabase(), {
        pool: { minConnections: 0, maxConnections: max },
      });
      await db.insert("c", { id: "x", v: 0 });
      const allInside = Promise.withResolvers<void>();
      let inside = 0;
      const outcomes = await Promise.allSettled(
        Array.from({ length: max }, () =>
          db.transaction(async (tx) => {
            await tx.get("c", "x");
            if (++inside === max) allInside.resolve();
            await allInside.promise;
            return db.get("c", "x");
          }),
        ),
      );
      const refused = outcomes.filter(({ status }) => status === "rejected");
      expect(refused).toMatchObject([
        {
          reason: {
            code: "FORMDB_UNSUPPORTED",
            retryable: false,
            message: expect.stringMatching(/get\(\) on the database .* use the transaction's own methods/),
          },
        },
      ]);
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(max - 1);
    },
  );

  it("a call on the database inside a transaction that gets no connection says what it is", async () => {
    await using db = await open(await server.createDatabase(), {
      pool: { minConnections: 0, maxConnections: 2, acquireTimeoutMs: 2_000 },
    });
    await db.insert("c", { id: "x", v: 0 });
    await using lease = await db.pool.lease();
    expect(await failure(db.transaction(() => db.query("SELECT * FROM c WHERE v = 0")))).toMatchObject({
      code: "FORMDB_POOL_TIMEOUT",
      retryable: false,
      message: expect.stringContaining("query() on the database inside a transaction"),
    });
    expect(lease.resource.usable).toBe(true);
  });

  it("an error of the server that is caught ends the transaction, and what comes after says so", async () => {
    await using db = await open(await server.createDatabase());
    await db.insert("c", { id: "x", v: 0 });
    const seen: unknown[] = [];
    const end = db.transaction(async (tx) => {
      await tx.insert("c", { id: "y" });
      await tx.query("UPDATE c SET v = 1 / v").catch(({ code }) => seen.push(code));
      await tx.get("c", "x").catch(({ message }) => seen.push(message));
    });
    const why = expect.stringContaining("by an earlier error of the server, even if that was caught");
    expect(await failure(end)).toMatchObject({ code: "FORMDB_ENGINE", outcome: "rejected", message: why });
    expect(seen).toEqual(["FORMDB_CONSTRAINT", why]);
    expect(await db.get("c", "y")).toBeUndefined();
  });

  describe("what ends a transaction:", () => {
    let db: FormDB;

    beforeAll(async () => {
      db = await open(await server.createDatabase());
      await db.batchInsert("c", [
        { id: "a", v: 0 },
        { id: "b", v: 0 },
        { id: "held", v: 0 },
      ]);
    });
    afterAll(() => db?.close());
    afterEach(() => expect.poll(() => db.pool.stats().inUse).toBe(0));

    /** Changes a document that somebody else changes between its read and its write, every time. */
    function conflicting(id: string): (tx: Transaction) => Promise<void> {
      return async (tx) => {
        const found = await tx.get("c", id);
        await outside(() => db.upsert("c", { id, v: 7 }));
        await tx.update("c", id, { v: (found?.v as number) + 1 });
      };
    }

    it("two that wait for each other's documents both commit in the end", async () => {
      let runs = 0;
      const { promise: bothHold, resolve } = Promise.withResolvers<void>();
      const change = (first: string, second: string): Promise<void> =>
        db.transaction(async (tx) => {
          const found = { [first]: await tx.get("c", first), [second]: await tx.get("c", second) };
          await tx.update("c", first, { v: (found[first]?.v as number) + 1 });
          if (++runs === 2) resolve();
          await bothHold;
          await tx.update("c", second, { v: (found[second]?.v as number) + 1 });
        });
      await Promise.all([change("a", "b"), change("b", "a")]);
      expect(runs).toBeGreaterThan(2);
      expect(await db.get("c", "a")).toMatchObject({ v: 2 });
      expect(await db.get("c", "b")).toMatchObject({ v: 2 });
    });

    const hold = () => holdTransaction(db, (tx) => tx.update("c", "held", { v: 1 }));

    it("its time, also while a write waits for a document that another holds", async () => {
      const release = await hold();
      for (const write of [
        (tx: Transaction) => tx.update("c", "held", { v: 2 }),
        (tx: Transaction) => tx.query("UPDATE c SET v = 2 WHERE id = 'held'"),
      ]) {
        const call = db.transaction<unknown>(write, { timeoutMs: 100 });
        expect(await failure(call)).toMatchObject({ code: "FORMDB_TIMEOUT", outcome: "rejected" });
      }
      await release();
      expect(await db.get("c", "held")).toMatchObject({ v: 1 });
    });

    it("its signal, also while a write waits for a document that another holds", async () => {
      const release = await hold();
      const signal = AbortSignal.timeout(100);
      const write = db.transaction((tx) => tx.update("c", "held", { v: 2 }), { signal });
      expect(await failure(write)).toMatchObject({ code: "FORMDB_ABORTED", outcome: "rejected" });
      await release();
      expect(await db.get("c", "held")).toMatchObject({ v: 1 });
    });

    it("its time, though its function goes on: what that calls later is refused", async () => {
      const { promise, resolve } = Promise.withResolvers<unknown>();
      const call = db.transaction(
        async (tx) => {
          await tx.update("c", "a", { v: -1 });
          await new Promise((wake) => setTimeout(wake, 200));
          resolve(await failure(tx.update("c", "a", { v: -2 })));
        },
        { timeoutMs: 50 },
      );
      expect(await failure(call)).toMatchObject({
        code: "FORMDB_TIMEOUT",
        timeoutMs: 50,
        outcome: "rejected",
      });
      expect(await promise).toMatchObject({ code: "FORMDB_CLOSED" });
      expect(await db.get("c", "a")).toMatchObject({ v: 2 });
    });

    it("its time, though it is run again and again: the last conflict is the cause", async () => {
      const call = db.transaction(conflicting("a"), { timeoutMs: 300, maxRetries: 1_000 });
      expect(await failure(call)).toMatchObject({
        code: "FORMDB_TIMEOUT",
        outcome: "rejected",
        cause: { code: "FORMDB_SERIALIZATION" },
      });
    });

    it("its number of tries", async () => {
      const call = db.transaction(conflicting("a"), { maxRetries: 2 });
      expect(await failure(call)).toMatchObject({
        code: "FORMDB_SERIALIZATION",
        retryable: true,
        attempts: 3,
        outcome: "rejected",
      });
      const once = await failure(db.transaction(conflicting("b"), { maxRetries: 0 }));
      expect(once).toMatchObject({ code: "FORMDB_SERIALIZATION", attempts: 1 });
      expect(await db.get("c", "a")).toEqual({ id: "a", v: 7 });
    });
  });
});

it("a transaction fails with its own error, though what would say if it may be run again can't be asked", async () => {
  const taken = new FormDBError("FORMDB_CONSTRAINT", "made by another", {
    details: { taken: true, collection: "c" },
  });
  const tools = {
    reporter: { clock: new ManualClock() },
    catalog: { wasMadeMeanwhile: () => Promise.reject(new Error("no connection")) },
  };
  const connections = { use: () => Promise.reject(taken) };
  const transactions = new Transactions(connections as never, tools as never);
  expect(await failure(transactions.run(async () => {}))).toBe(taken);
});
