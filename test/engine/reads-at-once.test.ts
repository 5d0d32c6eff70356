import { describe, expect, it } from "vitest";
import { FormDBError } from "../../src/base/errors.ts";
import type { EndedQuery } from "../../src/base/observer.ts";
import { open } from "../../src/engine/open.ts";

/** How many of the queue's turns a call takes until it has its answer. */
async function turnsOf(call: () => Promise<unknown>): Promise<number> {
  let settled = false;
  const settle = (): void => {
    settled = true;
  };
  call().then(settle, settle);
  let turns = 0;
  for (; !settled && turns < 100; turns++) await undefined;
  return turns;
}

describe("short reads on the caller's thread", () => {
  it("are answered by the promise that the call itself gives", async () => {
    await using db = await open("sqlite::memory:");
    await db.insert("c", { id: "1", n: 1 });
    for (const call of [
      () => db.get("c", "1"),
      () => db.get("c", "2"),
      () => db.query("SELECT * FROM c WHERE id = $1", ["1"]),
      () => db.query("SELECT n FROM c WHERE n = $1", [1]),
    ]) {
      expect(await turnsOf(call)).toBeLessThan(4);
    }
  });

  it("give what the long way gives, and are counted like it", async () => {
    await using db = await open("sqlite::memory:");
    await db.batchInsert(
      "c",
      Array.from({ length: 3_000 }, (_, i) => ({ id: String(i), n: i })),
    );
    const long = { timeoutMs: 999 };
    for (const [text, parameters] of [
      ["SELECT * FROM c WHERE id = $1", ["7"]],
      ["SELECT * FROM c WHERE id = $1", ["no such"]],
      ["SELECT n FROM c WHERE n < $1", [5]],
      ["SELECT * FROM c ORDER BY n", []],
    ] as const) {
      const before = db.stats().pool.totals.acquired;
      const atOnce = await db.query(text, parameters);
      expect(db.stats().pool.totals.acquired).toBe(before + 1);
      expect(atOnce).toEqual(await db.query(text, parameters, long));
      expect(db.stats().pool.inUse).toBe(0);
    }
    expect(await db.get("c", "7")).toEqual(await db.get("c", "7", long));
    expect(await db.get("c", "no such")).toBeUndefined();
    expect(db.metrics.exportPrometheus()).toMatch(
      /formdb_query_duration_seconds_count\{[^}]*operation="get"[^}]*outcome="ok"[^}]*\} 7/,
    );
  });

  it("that fail reject, are reported as failed, and give their connection back", async () => {
    await using db = await open("sqlite::memory:");
    await db.createCollection("c");
    const connection = await db.pool.acquire();
    const fail = (): never => {
      throw new FormDBError("FORMDB_ENGINE", "disk I/O error");
    };
    Object.defineProperty(connection, "immediate", { value: { execute: fail, get: fail, took() {} } });
    db.pool.release(connection);
    for (const call of [() => db.query("SELECT * FROM c"), () => db.get("c", "1")]) {
      await expect(call()).rejects.toMatchObject({ code: "FORMDB_ENGINE" });
      expect(db.stats().pool.inUse).toBe(0);
    }
    expect(db.metrics.exportPrometheus()).toMatch(/formdb_errors_by_code_total\{code="FORMDB_ENGINE"\} 2/);
  });

  it("are each reported by themselves, those too that an observer makes when it is told of another", async () => {
    const told: Partial<EndedQuery>[] = [];
    let isAsking = false;
    const queryFinished = (query: EndedQuery): void => {
      if (query.operation !== "get" && query.operation !== "select") return;
      if (isAsking) {
        isAsking = false;
        void db.get("c", "2");
        void db.query("SELECT n FROM c WHERE n > $1", [0]);
      }
      const { operation, shape, rows, parameters, code } = query;
      told.push({ operation, shape, rows, parameters, code });
    };
    await using db = await open("sqlite::memory:", { observer: { queryFinished } });
    await db.batchInsert("c", [
      { id: "1", n: 1 },
      { id: "2", n: 2 },
    ]);
    await db.query("SELECT n FROM c WHERE n = $1", [1]);
    isAsking = true;
    await db.get("c", "no such");
    await db.query("SELECT COUNT(*) AS n FROM c");
    const get = { operation: "get", shape: "get c", parameters: undefined, code: "" };
    const select = { operation: "select", code: "" };
    expect(told).toEqual([
      { ...select, shape: "SELECT n FROM c WHERE n = $1", rows: 1, parameters: [1] },
      { ...get, rows: 1 },
      { ...select, shape: "SELECT n FROM c WHERE n > $1", rows: 2, parameters: [0] },
      { ...get, rows: 0 },
      { ...select, shape: "SELECT COUNT(*) AS n FROM c", rows: 1, parameters: [] },
    ]);
  });

  it("let the event loop turn", async () => {
    await using db = await open("sqlite::memory:");
    await db.insert("c", { id: "1" });
    let turned = false;
    setImmediate(() => {
      turned = true;
    });
    for (let reads = 0; !turned && reads < 1_000_000; reads++) await db.get("c", "1");
    expect(turned).toBe(true);
  });
});
