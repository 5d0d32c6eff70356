import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as batch from "../../src/batch.ts";
import * as cache from "../../src/cache.ts";
import { SnapshotCollector } from "../../src/cluster.ts";
import {
  BatchProcessor,
  type Collection,
  type FormDB,
  type HttpDatabase,
  Metrics,
  open,
  PlanCache,
  Pool,
  type Transaction,
} from "../../src/index.ts";
import * as metrics from "../../src/metrics.ts";
import { openTelemetry } from "../../src/opentelemetry.ts";
import { Pool as PgPool } from "../../src/pg.ts";
import * as pools from "../../src/pool.ts";
import { failure } from "../support/failure.ts";

/** What can't be options, and how a message shows it. */
const WRONG: readonly (readonly [unknown, string])[] = [
  [null, "null"],
  [5, "5"],
  ["x", '"x"'],
  [[], "[]"],
];

/** Calls by their names, each with options of a type that it can't have. */
type Calls<T> = Readonly<Record<string, (on: T, options: never) => unknown>>;

/** Of whatever is a handle of a collection. */
const OF_HANDLE: Calls<Collection> = {
  get: (c, o) => c.get("1", o),
  insert: (c, o) => c.insert({}, o),
  insertMany: (c, o) => c.insertMany([{}], o),
  upsert: (c, o) => c.upsert({ id: "1" }, o),
  replace: (c, o) => c.replace("1", {}, o),
  update: (c, o) => c.update("1", { set: { a: 1 } }, o),
  delete: (c, o) => c.delete("1", o),
  find: (c, o) => c.find({}, o),
  findOne: (c, o) => c.findOne({}, o),
  count: (c, o) => c.count({}, o),
  findOneAndUpdate: (c, o) => c.findOneAndUpdate({}, { set: { a: 1 } }, o),
};

/** Of a database here or behind HTTP. */
const OF_DATABASE: Calls<FormDB> = {
  query: (db, o) => db.query("SELECT * FROM c", [], o),
  stream: (db, o) => db.stream("SELECT * FROM c", [], o).next(),
  get: (db, o) => db.get("c", "1", o),
  collection: (db, o) => db.collection("c", o),
  insert: (db, o) => db.insert("c", {}, o),
  update: (db, o) => db.update("c", "1", {}, o),
  upsert: (db, o) => db.upsert("c", { id: "1" }, o),
  delete: (db, o) => db.delete("c", "1", o),
  batchInsert: (db, o) => db.batchInsert("c", [{}], o),
  batchUpdate: (db, o) => db.batchUpdate("c", [], o),
  batchUpsert: (db, o) => db.batchUpsert("c", [{}], o),
  batchDelete: (db, o) => db.batchDelete("c", ["1"], o),
  import: (db, o) => db.import("c", [{}], o),
  createIndex: (db, o) => db.createIndex("c", "n", o),
  ping: (db, o) => db.ping(o),
  close: (db, o) => db.close(o),
  ...inEach("handle's ", OF_HANDLE, (db) => db.collection("c")),
  "handle's createIndex": (db, o) => db.collection("c").createIndex("n", o),
};

const OF_TRANSACTION: Calls<Transaction> = {
  query: (tx, o) => tx.query("SELECT * FROM c", [], o),
  sql: (tx, o) => tx.sql("SELECT 1", [], o),
  collection: (tx, o) => tx.collection("c", o),
  // What its type leaves out is taken all the same.
  get: (tx, o) => (tx as unknown as FormDB).get("c", "1", o),
  insert: (tx, o) => (tx as unknown as FormDB).insert("c", {}, o),
  delete: (tx, o) => (tx as unknown as FormDB).delete("c", "1", o),
  ...inEach("handle's ", OF_HANDLE, (tx) => tx.collection("c")),
};

const OF_DATABASE_HERE: Calls<FormDB> = {
  ...OF_DATABASE,
  transaction: (db, o) => db.transaction(async () => {}, o),
  backup: (db, o) => db.backup("never.db", o),
  check: (db, o) => db.check(o),
  sql: (db, o) => db.sql("SELECT 1", [], o),
  "sql of a fragment": (db, o) => db.sql(db.sql.fragment`SELECT 1`, o),
  "pool.acquire": (db, o) => db.pool.acquire(o),
  "batch.submit": (db, o) => db.batch.submit("insert", "c", undefined, {}, o),
  "metrics.listen": (db, o) => db.metrics.listen(o),
};

const create = async (): Promise<object> => ({});
const OF_PARTS: Calls<undefined> = {
  open: (_, o) => open("sqlite::memory:", o),
  "open's pool": (_, o) => open("sqlite::memory:", { pool: o }),
  "open's batch": (_, o) => open("sqlite::memory:", { batch: o }),
  "open's cache": (_, o) => open("sqlite::memory:", { cache: o }),
  "open's metrics": (_, o) => open("sqlite::memory:", { metrics: o }),
  "open of PostgreSQL": (_, o) => open("postgres://127.0.0.1:1/x", o),
  "open's postgres": (_, o) => open("postgres://127.0.0.1:1/x", { postgres: o }),
  "open of a server": (_, o) => open("http://127.0.0.1:1", o),
  Pool: (_, o) => new Pool(o),
  "pool.make": (_, o) => pools.make(o),
  "Pool.use": (_, o) => new Pool({ create }).use(() => 1, o),
  "Pool.lease": (_, o) => new Pool({ create }).lease(o),
  "Pool.invalidate": (_, o) => new Pool({ create }).invalidate(o),
  "Pool.resize": (_, o) => new Pool({ create }).resize(o),
  "Pool.drain": (_, o) => new Pool({ create }).drain(o),
  "Pool.close": (_, o) => new Pool({ create }).close(o),
  "Pool of pg": (_, o) => new PgPool(o),
  PlanCache: (_, o) => new PlanCache(o),
  "cache.make": (_, o) => cache.make(o),
  "PlanCache.set": (_, o) => new PlanCache().set("q", 1, o),
  "PlanCache.getOrCompile": (_, o) => new PlanCache().getOrCompile("q", () => 1, o),
  "PlanCache.getOrCompileSync": (_, o) => new PlanCache().getOrCompileSync("q", () => 1, o),
  BatchProcessor: (_, o) => new BatchProcessor(async () => {}, o),
  "batch.make": (_, o) => batch.make(o),
  "BatchProcessor.submitAll": (_, o) => new BatchProcessor(async () => {}).submitAll("insert", "c", [{}], o),
  "BatchProcessor.close": (_, o) => new BatchProcessor(async () => {}).close(o),
  Metrics: (_, o) => new Metrics(o),
  "metrics.make": (_, o) => metrics.make(o),
  recorder: (_, o) => metrics.recorder(new Metrics(), o),
  queryRecorder: (_, o) => metrics.queryRecorder(new Metrics(), o),
  SlowLog: (_, o) => new metrics.SlowLog(o),
  TopStatements: (_, o) => new metrics.TopStatements(o),
  SnapshotCollector: (_, o) => new SnapshotCollector(o),
  openTelemetry: (_, o) => openTelemetry(o),
};

/** The calls of what something gives, as calls of that. */
function inEach<T, U>(prefix: string, calls: Calls<U>, give: (on: T) => U): Calls<T> {
  return Object.fromEntries(
    Object.entries(calls).map(([name, call]) => [prefix + name, (on: T, o: never) => call(give(on), o)]),
  );
}

/** The failure of a call, whether it throws or rejects. */
function refusal(call: () => unknown): Promise<Error & Record<string, unknown>> {
  return failure(Promise.resolve().then(call));
}

/** A call refuses what can't be options: it says that they must be an object, and what was found. */
async function expectRefused<T>(call: Calls<T>[string], on: T): Promise<void> {
  for (const [options, shown] of WRONG) {
    expect(await refusal(() => call(on, options as never))).toMatchObject({
      name: "FormDBError",
      code: "FORMDB_CONFIG",
      message: expect.stringMatching(/must be an object/),
    });
    expect((await refusal(() => call(on, options as never))).message).toContain(`not ${shown}`);
  }
}

describe("What can't be options is refused, by name, by", () => {
  let db: FormDB;
  let remote: HttpDatabase;
  let requests = 0;
  const server = createServer((_request, response) => {
    requests++;
    response.end('{"profile":"sqlite"}');
  });

  beforeAll(async () => {
    db = await open("sqlite::memory:");
    await db.insert("c", { id: "1" });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    remote = await open(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });
  afterAll(async () => {
    await db.close();
    await remote.close();
    server.close();
  });

  it.each(Object.keys(OF_DATABASE_HERE))("a database's %s", async (name) => {
    await expectRefused(OF_DATABASE_HERE[name]!, db);
    expect(await db.query("SELECT * FROM c")).toMatchObject({ rows: [{ id: "1" }] });
  });

  it.each(Object.keys(OF_TRANSACTION))("a transaction's %s", async (name) => {
    await db.transaction((tx) => expectRefused(OF_TRANSACTION[name]!, tx));
    expect(await db.query("SELECT * FROM c")).toMatchObject({ rows: [{ id: "1" }] });
  });

  it.each(Object.keys(OF_DATABASE))("%s of a database behind HTTP, before anything is sent", async (name) => {
    const before = requests;
    await expectRefused(OF_DATABASE[name]!, remote as unknown as FormDB);
    expect(requests).toBe(before);
  });

  it.each(Object.keys(OF_PARTS))("%s", async (name) => {
    await expectRefused(OF_PARTS[name]!, undefined);
  });
});

it.each([5, "x", {}])("a histogram refuses buckets that are %j", (buckets) => {
  expect(() => new Metrics().histogram("h", "H.", buckets as never)).toThrow(
    expect.objectContaining({ code: "FORMDB_CONFIG", message: expect.stringContaining("array of numbers") }),
  );
});

it("a call that gives a promise rejects it for what it refuses, and does not throw", async () => {
  await using db = await open("sqlite::memory:");
  const users = db.collection("users");
  const refused: Promise<unknown>[] = [
    users.findOne({}, { limit: -1 }),
    users.find({ name: undefined as never }).explain(),
    new PlanCache().getOrCompile("q", () => 1, { tag: [] } as never),
    new PlanCache().getOrCompile(5 as never, () => 1),
    new BatchProcessor(async () => {}).close({ deadlineMs: -1 }),
  ];
  for (const call of refused)
    expect(await failure(call)).toMatchObject({ code: expect.stringMatching(/CONFIG|SYNTAX/) });
});

it("what make() gives a part itself is kept where it is given as undefined", async () => {
  const processor = batch.make({ lookUpToken: undefined, spill: {} as never });
  expect(processor).toBeInstanceOf(BatchProcessor);
  const pool = pools.make({ validate: undefined, keepaliveMs: 60_000, minConnections: 0 });
  await pool.close();
});
