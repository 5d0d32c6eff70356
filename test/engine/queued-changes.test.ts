import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Collection,
  type EndedGroup,
  type FormDB,
  type FormDBError,
  type OpenOptions,
  open,
} from "../../src/index.ts";
import type { SlowQueryEntry } from "../../src/metrics.ts";
import { holdTransaction } from "../support/held-transaction.ts";
import { useFolder, usePostgres } from "../support/hooks.ts";
import { postgresVersions } from "../support/postgres-server.ts";
import { Random } from "../support/random.ts";
import { StandardError } from "../support/standard-error.ts";

const ROUNDS = Number(process.env.FORMDB_SOAK_ROUNDS ?? 60);
const IDS = ["1", "2", "é", "😀"];

/** How a change is made: through the queue, or by a statement of its own. */
type Making = (db: FormDB, make: (c: Collection) => Promise<unknown>) => Promise<unknown>;
type Call = (db: FormDB, making: Making) => Promise<unknown>;

const queued: Making = (db, make) => make(db.collection("c"));
const byItself: Making = (db, make) => db.transaction((tx) => make(tx.collection("c")));

/** A change, of which some can't be made of some documents. */
function change(random: Random): object {
  const n = random.pick([1, -2, 0.1, 1e308, 9007199254740991]);
  return random.pick([
    { inc: { n } },
    { inc: { "a.n": n } },
    { inc: { n, m: 1 } },
    { set: { n: random.pick([0, 5, "x", null, [1]]) } },
    { set: { "a.b": random.pick(['it\'s "quoted"', true, { c: 1 }]) } },
    { set: { "tags[2]": "t" } },
    { push: { tags: random.pick([1, "a", [1], null]) } },
    { pull: { tags: random.pick([1, "a", [1]]) } },
    { unset: ["a.b"] },
    { unset: ["n"], push: { tags: "b" } },
  ]);
}

function call(random: Random, withPatches: boolean): Call {
  const id = random.pick(IDS);
  const ifVersion = random.below(5) === 0 ? random.below(4) + 1 : undefined;
  switch (random.below(withPatches ? 9 : 8)) {
    case 0:
      return (db) => db.insert("c", { id, n: 1, tags: [] });
    case 1: {
      const n = random.pick([1, "x"]);
      return (db) => db.upsert("c", { id, n, tags: n });
    }
    case 2:
      return (db) => db.delete("c", id);
    case 3: {
      const n = random.below(9);
      return (db, making) => making(db, (c) => c.replace(id, { n, a: {} }, { ifVersion }));
    }
    case 8:
      return (db) => db.update("c", id, { n: 7, a: { b: null, d: 1 } });
    default: {
      const changes = change(random);
      return (db, making) => making(db, (c) => c.update(id, changes, { ifVersion }));
    }
  }
}

/** What became of each call: what it gave, or the error's code, path and version. */
function outcomes(ended: readonly PromiseSettledResult<unknown>[]): unknown[] {
  return ended.map((end) => {
    if (end.status === "fulfilled") return end.value;
    const { code, path, version } = end.reason as FormDBError;
    return { code, path, version };
  });
}

async function oneByOne(db: FormDB, calls: readonly Call[]): Promise<unknown[]> {
  const ended: PromiseSettledResult<unknown>[] = [];
  for (const call of calls) ended.push(...(await Promise.allSettled([call(db, byItself)])));
  return outcomes(ended);
}

async function together(db: FormDB, calls: readonly Call[]): Promise<unknown[]> {
  return outcomes(await Promise.allSettled(calls.map((call) => call(db, queued))));
}

/** As data, without the versions. */
function withoutVersions(outcomes: unknown[]): unknown[] {
  return outcomes.map((outcome) =>
    typeof outcome === "object" && outcome !== null ? { ...outcome, version: undefined } : outcome,
  );
}

const folder = useFolder();

describe("A change", () => {
  it("is made by itself where a journal keeps what is queued", async () => {
    await using db = await open(`sqlite:${join(folder, "a.db")}`, { spill: join(folder, "a.journal") });
    await db.insert("c", { id: "1", n: 1 });
    const { flushes } = db.batch.stats();
    const changes = [1, 2, 3].map((n) => db.collection("c").update("1", { inc: { n } }));
    expect(await Promise.all(changes)).toEqual([{ version: 2 }, { version: 3 }, { version: 4 }]);
    expect(db.batch.stats().flushes).toBe(flushes);
  });

  it("that could not be delivered is told to its caller alone", async () => {
    const db = await open("sqlite::memory:", { batch: { eager: false, flushIntervalMs: 3_600_000 } });
    await db.createCollection("c");
    const release = await holdTransaction(db);
    const first = db.upsert("c", { id: "1", n: 1 });
    const change = db.collection("c").update("1", { inc: { n: 1 } });
    const ended = Promise.allSettled([first, change]);
    const closing = db.close({ deadlineMs: 5 });
    const [, changed] = await ended;
    expect(changed).toMatchObject({ reason: { code: "FORMDB_CLOSED", outcome: "rejected" } });
    await release().catch(() => {});
    expect((await closing).undelivered.filter(({ kind }) => kind === "update")).toEqual([]);
  });
});

describe("SQLite in memory:", () => changesInTheQueue(async (options) => open("sqlite::memory:", options)));

describe("A file of SQLite:", () => {
  let files = 0;
  changesInTheQueue(async (options) => open(`sqlite:${join(folder, `${files++}.db`)}`, options));

  it("loses no change of two that have it open", async () => {
    await incrementedByTwo(`sqlite:${join(folder, "shared.db")}`);
  });
});

describe.each(postgresVersions())("PostgreSQL (%s):", (version) => {
  const server = usePostgres({ version });
  changesInTheQueue(async (options) =>
    open(await server.createDatabase(), { pool: { acquireTimeoutMs: 60_000 }, ...options }),
  );

  it("loses no change of two that have it open", async () => {
    await incrementedByTwo(await server.createDatabase());
  });

  it("takes changes apart of which one is refused, where all may be made as one", async () => {
    await using db = await open(await server.createDatabase(), { batch: { coalesce: "all" } });
    await db.createCollection("users");
    await db.createIndex("users", "mail", { unique: true });
    await db.batchInsert("users", [
      { id: "1", mail: "a" },
      { id: "2", mail: "b" },
    ]);
    const users = db.collection("users");
    const refused = await Promise.allSettled(
      ["p", "q", "b"].map((mail) => users.update("1", { set: { mail } })),
    );
    expect(refused.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected"]);
    expect(refused[2]).toMatchObject({ reason: { code: "FORMDB_CONSTRAINT", id: "1", paths: ["mail"] } });
    expect(await db.get("users", "1")).toEqual({ id: "1", mail: "q" });
  });

  it("changes collections whose names a statement might use for itself", async () => {
    await using db = await open(await server.createDatabase());
    for (const name of [..."itemgcl", "given", "locked", "applied", "outcome", "stored"]) {
      await db.insert(name, { id: "1", n: 1 });
      await db.update(name, "1", { a: { b: 1 } });
      await db.collection(name).update("1", { inc: { n: 1 } });
      expect([name, await db.get(name, "1")]).toEqual([name, { id: "1", n: 2, a: { b: 1 } }]);
      expect([name, await db.delete(name, "1")]).toEqual([name, true]);
    }
  });
});

/** Two databases change the same documents at once, by several groups each. */
async function incrementedByTwo(url: string): Promise<void> {
  await using one = await open(url);
  await using other = await open(url);
  const ids = ["1", "2", "3"];
  await one.batchInsert(
    "c",
    ids.map((id) => ({ id, n: 0 })),
  );
  const caller = async (db: FormDB): Promise<number[]> => {
    const versions: number[] = [];
    for (const id of [...ids, ...ids.toReversed()])
      versions.push((await db.collection("c").update(id, { inc: { n: 1 } })).version);
    return versions;
  };
  const callers = Array.from({ length: 20 }, (_, i) => caller(i % 2 === 0 ? one : other));
  const versions = (await Promise.all(callers)).flat().sort((a, b) => a - b);
  expect(versions).toEqual(Array.from({ length: 120 }, (_, i) => Math.floor(i / 3) + 2));
  for (const id of ids) expect(await one.get("c", id)).toEqual({ id, n: 40 });
}

function changesInTheQueue(openDatabase: (options?: OpenOptions) => Promise<FormDB>): void {
  let db: FormDB;
  beforeAll(async () => {
    db = await openDatabase();
    await db.createCollection("c");
  });
  afterAll(() => db?.close());

  it("makes the changes of 50 callers of one document by a few groups, and loses none", async () => {
    const before = db.batch.stats();
    await db.insert("c", { id: "n", n: 0 });
    const changes = Array.from({ length: 50 }, () => db.collection("c").update("n", { inc: { n: 1 } }));
    const versions = (await Promise.all(changes)).map(({ version }) => version);
    expect(versions).toEqual(Array.from({ length: 50 }, (_, i) => i + 2));
    expect(await db.get("c", "n")).toEqual({ id: "n", n: 50 });
    expect(db.batch.stats().flushes - before.flushes).toBeLessThan(10);
  });

  it("makes the changes of 100 documents by a few groups", async () => {
    const ids = Array.from({ length: 100 }, (_, i) => `d${i}`);
    await db.batchInsert(
      "c",
      ids.map((id) => ({ id, n: 0 })),
    );
    const before = db.batch.stats();
    const ended = await Promise.all(ids.map((id) => db.collection("c").update(id, { inc: { n: 2 } })));
    expect(ended).toEqual(ids.map(() => ({ version: 2 })));
    expect(db.batch.stats().flushes - before.flushes).toBeLessThan(10);
    expect(await db.collection("c").count({ n: 2 })).toBe(100);
  });

  it("fails alone what can't be made, in its place among the others of the document", async () => {
    const c = db.collection("c");
    await db.upsert("c", { id: "f", n: 1 });
    const ended = await Promise.allSettled([
      c.update("f", { inc: { n: 1 } }),
      c.update("f", { inc: { n: 1 } }, { ifVersion: 7 }),
      c.update("f", { set: { n: "x" } }),
      c.update("f", { inc: { n: 1 } }),
      c.update("f", { inc: { n: 2 } }, { ifVersion: 3 }),
      c.update("f", { set: { n: 5 } }),
      c.update("f", { inc: { n: 1e308 } }),
      c.update("f", { inc: { n: 1e308 } }),
      c.update("none", { inc: { n: 1 } }),
    ]);
    const conflict = { code: "FORMDB_CONFLICT", version: 2, outcome: "rejected" };
    const refused = { code: "FORMDB_CONSTRAINT", path: "n", outcome: "rejected" };
    expect(ended).toMatchObject([
      { value: { version: 2 } },
      { reason: conflict },
      { value: { version: 3 } },
      { reason: refused },
      { reason: refused },
      { value: { version: 4 } },
      { value: { version: 5 } },
      { reason: refused },
      { reason: { code: "FORMDB_NOT_FOUND", id: "none" } },
    ]);
    expect((ended[3] as PromiseRejectedResult).reason.message).toBe(
      'c "f" could not be changed at n: there must be a number, or nothing, not a string',
    );
    expect(await db.get("c", "f")).toEqual({ id: "f", n: 1e308 });
  });

  it("fails alone what a unique index refuses", async () => {
    await db.createCollection("unique");
    await db.createIndex("unique", "mail", { unique: true });
    await db.batchInsert("unique", [
      { id: "1", mail: "a" },
      { id: "2", mail: "b" },
      { id: "3", mail: "c" },
    ]);
    const c = db.collection("unique");
    const ended = await Promise.allSettled([
      c.update("1", { set: { mail: "x" } }),
      c.update("2", { set: { mail: "c" } }),
      c.update("2", { set: { mail: "y" } }),
    ]);
    expect(ended).toMatchObject([
      { value: { version: 2 } },
      { reason: { code: "FORMDB_CONSTRAINT", outcome: "rejected", id: "2", paths: ["mail"] } },
      { value: { version: 2 } },
    ]);
  });

  it("keeps the order of a document's writes, its first insert included", async () => {
    const c = db.collection("fresh");
    const ended = await Promise.allSettled([
      c.update("1", { inc: { n: 1 } }),
      db.insert("fresh", { id: "1", n: 1 }),
      c.update("1", { inc: { n: 1 } }),
      db.upsert("fresh", { id: "1", n: 10 }),
      c.replace("1", { n: 20 }, { ifVersion: 3 }),
      c.update("1", { inc: { n: 1 }, push: { tags: "a" } }),
      db.update("fresh", "1", { m: 1 }),
      c.update("1", { inc: { m: 1 } }),
    ]);
    expect(ended.map((end) => (end.status === "fulfilled" ? end.value : end.reason.code))).toEqual([
      "FORMDB_NOT_FOUND",
      "1",
      { version: 2 },
      "1",
      { version: 4 },
      { version: 5 },
      undefined,
      { version: 7 },
    ]);
    expect(await db.get("fresh", "1")).toEqual({ id: "1", n: 21, tags: ["a"], m: 2 });
  });

  it.each([
    ["", false],
    [", merge patches among them", true],
  ])("ends all at once as it ends one by one%s", async (_, withPatches) => {
    await using other = await openDatabase();
    await other.createCollection("c");
    const random = new Random(withPatches ? 7 : 8);
    for (const id of IDS) await db.delete("c", id);
    // Patches that are merged raise the version by one for all.
    const same = withPatches ? withoutVersions : (outcomes: unknown[]) => outcomes;
    for (let round = 0; round < ROUNDS; round++) {
      const calls = random.some(2, 25, () => call(random, withPatches));
      expect([round, same(await together(db, calls))]).toEqual([round, same(await oneByOne(other, calls))]);
      for (const id of IDS) expect([round, await db.get("c", id)]).toEqual([round, await other.get("c", id)]);
    }
  });

  it("shows slow groups in the slow-query log and among the statements, with the time that they were queued", async () => {
    const groups: EndedGroup[] = [];
    const observer = { groupFinished: (group: EndedGroup) => void groups.push({ ...group }) };
    using error = new StandardError();
    await using slow = await openDatabase({ slowQueryMs: 0, observer });
    const c = slow.collection("c");
    await slow.upsert("c", { id: "s", n: 0, secret: "hidden" });
    const release = await holdTransaction(slow, (tx) => tx.collection("c").update("s", { inc: { n: 1 } }));
    const changes = [c.update("s", { inc: { n: 1 } })];
    await new Promise((resolve) => setImmediate(resolve));
    changes.push(c.update("s", { inc: { n: 1 } }), c.update("s", { inc: { n: 1 } }));
    const failing = slow.insert("c", { id: "s" }).catch(({ code }) => code);
    await Promise.all([release(), ...changes]);
    expect(await failing).toBe("FORMDB_DUPLICATE_ID");
    const [upsert, first, ...rest] = groups;
    expect(upsert).toMatchObject({
      operation: "upsert",
      collection: "c",
      shape: "upsert c",
      rows: 1,
      code: "",
    });
    expect(first).toMatchObject({ operation: "update", collection: "c", rows: 1, code: "" });
    expect(first!.shape).toBe("@update c @inc n #0 WHERE id = #1");
    const queued = rest.find(({ rows }) => rows === 2)!;
    expect(queued.shape).toBe(first!.shape);
    // It was queued while the first one waited for what the transaction held.
    expect(queued.queueMs).toBeGreaterThan(0);
    expect(first!.waitMs + first!.databaseMs).toBeGreaterThan(0);
    for (const { totalMs, queueMs, waitMs, databaseMs } of groups) {
      expect(totalMs).toBeGreaterThanOrEqual(queueMs + waitMs + databaseMs - 0.001);
    }
    const written = error.lines.map((line): SlowQueryEntry => JSON.parse(line));
    const entries = written.filter(({ queueMs }) => queueMs !== undefined);
    expect(entries.map(({ shape, rows }) => [shape, rows])).toEqual(
      groups.map(({ shape, rows }) => [shape, rows]),
    );
    expect(JSON.stringify(written)).not.toContain("hidden");
    const stats = slow.statements().find(({ shape }) => shape === first!.shape)!;
    expect(stats).toMatchObject({ operation: "update", collection: "c", errors: 0 });
    expect(stats.rows).toBeGreaterThanOrEqual(3);
    expect(slow.metrics.exportPrometheus()).toMatch(/formdb_slow_queries_total [1-9]/);
  });

  it("takes back a change whose caller gives up before it is sent", async () => {
    const c = db.collection("c");
    await db.upsert("c", { id: "late", n: 0 });
    const stop = new AbortController();
    const release = await holdTransaction(db, (tx) => tx.collection("c").update("late", { inc: { n: 1 } }));
    const first = c.update("late", { inc: { n: 10 } });
    await new Promise((resolve) => setImmediate(resolve));
    const second = c.update("late", { inc: { n: 100 } }, { signal: stop.signal });
    stop.abort();
    await expect(second).rejects.toMatchObject({ code: "FORMDB_ABORTED", outcome: "rejected" });
    await release();
    expect(await first).toEqual({ version: 3 });
    expect(await db.get("c", "late")).toEqual({ id: "late", n: 11 });
  });
}
