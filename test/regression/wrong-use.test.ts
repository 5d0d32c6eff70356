import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { BatchProcessor } from "../../src/batch/batch-processor.ts";
import { PlanCache } from "../../src/cache/plan-cache.ts";
import { open } from "../../src/engine/open.ts";
import { batchInsert, flush, globalProcessor } from "../../src/functions/batch.ts";
import { setDefaultDatabase } from "../../src/functions/default-database.ts";
import { Metrics, storeOf } from "../../src/metrics/metrics.ts";
import { Pool } from "../../src/pool/pool.ts";

/** What a trial by a user has found: mistakes that were taken, or that harmed more than their call. */
const CONFIG = expect.objectContaining({ code: "FORMDB_CONFIG" });

describe("an AbortController in place of its signal", () => {
  const signal = new AbortController() as unknown as AbortSignal;

  it("is refused by every call of a database, which can be closed", async () => {
    const db = await open("sqlite::memory:");
    await db.createCollection("c");
    for (const call of [
      () => db.query("SELECT * FROM c", [], { signal }),
      () => db.query('INSERT INTO c {"id": "1"}', [], { signal }),
      () => db.query("CREATE COLLECTION d", [], { signal }),
      () => db.get("c", "1", { signal }),
      async () => {
        for await (const _ of db.stream("SELECT * FROM c", [], { signal }));
      },
      () => db.import("c", [], { signal }),
      () => db.transaction(async () => {}, { signal }),
      () => db.batch.submit("insert", "c", "1", {}, { signal }),
      () => db.batch.submitAll("insert", "c", [], { signal }),
      () => db.pool.acquire({ signal }),
    ]) {
      await expect(call()).rejects.toEqual(CONFIG);
    }
    await db.close();
  });
});

it("a write of no known kind is refused, and harms no other", async () => {
  const processor = new BatchProcessor(async () => {});
  await expect(processor.submit("merge" as never, "c", "1", {})).rejects.toEqual(CONFIG);
  await expect(processor.submitAll("merge" as never, "c", [{}])).rejects.toEqual(CONFIG);
  processor.insert("c", {});
  expect(await processor.flush()).toMatchObject({ successful: 1, failed: 0 });
});

it("a plan cache refuses options that it does not have, so that no plan is kept without its tags", () => {
  const cache = new PlanCache<number>();
  expect(() => cache.set("q", 1, { tag: ["users"] } as never)).toThrow(CONFIG);
  expect(() => cache.set("q", 1, { tags: "users" } as never)).toThrow(CONFIG);
  expect(() => cache.getOrCompileSync("q", () => 1, { tag: ["users"] } as never)).toThrow(CONFIG);
  expect(cache.get("q")).toBeUndefined();
});

it("a default database that was closed takes no writes, and no other takes them", async () => {
  const db = await open("sqlite::memory:");
  setDefaultDatabase(db);
  try {
    await db.close();
    batchInsert("c", [{ id: "1" }]);
    const { successful, errors } = await flush(globalProcessor);
    expect(successful).toBe(0);
    expect(errors).toHaveLength(1);
  } finally {
    setDefaultDatabase(undefined);
  }
});

it("metrics add no strings", () => {
  const metrics = new Metrics();
  const counter = metrics.counter("jobs_total", "Jobs.").labels();
  counter.inc(3);
  counter.inc("5" as never);
  expect(counter.value).toBe(3);
  const gauge = metrics.gauge("level", "Level.").labels();
  gauge.set(3);
  gauge.inc("5" as never);
  expect(gauge.value).toBe(8);
  metrics.recordQuery(5, null as never);
  expect(storeOf(metrics).counter("query_total").value).toBe(1);
});

it("a file that is no database will be none at the next try", async () => {
  const file = join(tmpdir(), `formdb-no-database-${process.pid}.db`);
  writeFileSync(file, "no database ".repeat(1_000));
  try {
    await expect(open(`sqlite:${file}`)).rejects.toMatchObject({
      code: "FORMDB_CONNECT_FAILED",
      retryable: false,
    });
  } finally {
    rmSync(file);
  }
});

it("pool.drain refuses options that it does not have", async () => {
  await using pool = new Pool({ create: async () => ({}), minConnections: 0 });
  await expect(pool.drain({ deadline: 10 } as never)).rejects.toEqual(CONFIG);
});

it("a transaction refuses what is no function, and takes one that is not async", async () => {
  await using db = await open("sqlite::memory:");
  for (const fn of [undefined, 5, Object.create(null)]) {
    await expect(db.transaction(fn as never)).rejects.toEqual(CONFIG);
  }
  for (const options of [{}, { timeoutMs: 60_000 }]) {
    expect(await db.transaction((() => 5) as never, options)).toBe(5);
  }
});

it("changes whose kinds are no objects of paths are refused, and change nothing", async () => {
  await using db = await open("sqlite::memory:");
  await db.insert("c", { id: "1" });
  for (const changes of [
    { set: "abc" },
    { set: ["a"] },
    { set: new Map([["a", 1]]), inc: { b: 1 } },
    { inc: 5 },
    { unset: [7] },
    { unset: "a" },
  ]) {
    await expect(db.collection("c").update("1", changes as never)).rejects.toEqual(CONFIG);
  }
  expect(await db.get("c", "1")).toEqual({ id: "1" });
});

it("a list with holes is refused, as one with undefined is", async () => {
  await using db = await open("sqlite::memory:");
  await db.insert("c", { id: "1", n: 1 });
  // biome-ignore lint/suspicious/noSparseArray: it is what is refused
  for (const list of [[1, , 2], [,], [undefined]]) {
    const mismatch = expect.objectContaining({ code: "FORMDB_PARAMETER_MISMATCH" });
    await expect(db.query("SELECT id FROM c WHERE n NOT IN $1", [list])).rejects.toEqual(mismatch);
    await expect(
      db
        .collection("c")
        .find({ n: { notIn: list } } as never)
        .toArray(),
    ).rejects.toEqual(mismatch);
  }
});

it("paths are as long as in a query's text, so that no document nests deeper than an engine reads", async () => {
  await using db = await open("sqlite::memory:");
  await db.insert("c", { id: "1" });
  const c = db.collection("c");
  const longest = Array<string>(32).fill("a").join(".");
  await c.update("1", { set: { [longest]: 1 } } as never);
  expect(await c.count({ [longest]: 1 })).toBe(1);
  const longer = `${longest}[0]`;
  await expect(c.update("1", { set: { [longer]: 1 } } as never)).rejects.toEqual(CONFIG);
  await expect(c.count({ [longer]: 1 } as never)).rejects.toEqual(CONFIG);
  await expect(c.createIndex(longer as never)).rejects.toEqual(CONFIG);
});

it("an order that is a Map is refused: it was none", async () => {
  await using db = await open("sqlite::memory:");
  await db.insert("c", { id: "1" });
  const orderBy = new Map([["n", "desc"]]) as never;
  expect(() => db.collection("c").find({}, { orderBy })).toThrow(CONFIG);
  await expect(db.collection("c").findOneAndUpdate({}, { set: { n: 1 } }, { orderBy })).rejects.toEqual(
    CONFIG,
  );
});

it("names that are none are refused where indexes are dropped and listed", async () => {
  await using db = await open("sqlite::memory:");
  await db.createCollection("c");
  await db.createIndex("c", "n");
  await expect(db.dropIndex("c", undefined as never)).rejects.toEqual(CONFIG);
  await expect(db.listIndexes(5 as never)).rejects.toEqual(CONFIG);
});

it("the error of an option that has no JSON can be written to a log", async () => {
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  await using db = await open("sqlite::memory:");
  for (const timeoutMs of [5n, circular]) {
    const call = db.query("SELECT * FROM c", [], { timeoutMs: timeoutMs as unknown as number });
    const error = await call.catch((thrown: unknown) => thrown);
    expect(JSON.parse(JSON.stringify(error))).toMatchObject({ code: "FORMDB_CONFIG", option: "timeoutMs" });
  }
});
