import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Collection, type FormDB, open } from "../../src/index.ts";
import { CUTS, CuttingProxy } from "../support/cutting-proxy.ts";
import { failure } from "../support/failure.ts";
import { holdTransaction } from "../support/held-transaction.ts";
import { usePostgres } from "../support/hooks.ts";

/** A call during which the connection is cut, when the client sends `at`. */
interface Row {
  readonly at: string;
  readonly call: (db: FormDB, c: Collection, signal?: AbortSignal) => Promise<unknown>;
  readonly gives?: unknown;
  /** What is in the collection if it took place. */
  readonly leaves: Record<string, unknown>;
}

/** Before each call there are these, each with its version. */
const BEFORE = [
  { id: "a", n: 1 },
  { id: "b", n: 1 },
];
const UNCHANGED = { a: [1, 1], b: [1, 1] };
const A_CHANGED = { ...UNCHANGED, a: [2, 2] };

/** An INSERT of several documents. */
const INSERTS_TWO: Omit<Row, "at"> = {
  call: (db) =>
    db.query("INSERT INTO c $1", [
      [
        { id: "new-1", n: 1 },
        { id: "new-2", n: 1 },
      ],
    ]),
  gives: { rows: [{ id: "new-1" }, { id: "new-2" }], rowCount: 2 },
  leaves: { ...UNCHANGED, "new-1": [1, 1], "new-2": [1, 1] },
};

/** The table in docs/operations.md. */
const EXACTLY_ONCE: Record<string, Row> = {
  "insert()": {
    at: "new-1",
    call: (db) => db.insert("c", { id: "new-1", n: 1 }),
    gives: "new-1",
    leaves: { ...UNCHANGED, "new-1": [1, 1] },
  },
  "update()": {
    at: '"patched"',
    call: (db) => db.update("c", "a", { n: 2, x: "patched" }),
    leaves: A_CHANGED,
  },
  "upsert()": {
    at: '"put"',
    call: (db) => db.upsert("c", { id: "a", n: 2, x: "put" }),
    gives: "a",
    leaves: A_CHANGED,
  },
  "delete()": { at: '["a"]', call: (db) => db.delete("c", "a"), gives: true, leaves: { b: [1, 1] } },
  "batchInsert()": {
    at: "new-1",
    call: (db) => db.batchInsert("c", [{ id: "a" }, { id: "new-1", n: 1 }, { id: "new-2", n: 1 }]),
    gives: expect.objectContaining({ successful: 2, failed: 1 }),
    leaves: { ...UNCHANGED, "new-1": [1, 1], "new-2": [1, 1] },
  },
  "a change by path": {
    at: "changed",
    call: (_, c) => c.update("a", { inc: { n: 1 }, set: { x: "changed" } }),
    gives: { version: 2 },
    leaves: A_CHANGED,
  },
  "changes by path of several callers": {
    at: "changed",
    call: (_, c) =>
      Promise.all(["a", "b", "a"].map((id) => c.update(id, { inc: { n: 1 }, push: { x: "changed" } }))),
    gives: [{ version: 2 }, { version: 2 }, { version: 3 }],
    leaves: { a: [3, 3], b: [2, 2] },
  },
  "replace() with ifVersion": {
    at: "replaced",
    call: (_, c) => c.replace("a", { n: 2, x: "replaced" }, { ifVersion: 1 }),
    gives: { version: 2 },
    leaves: A_CHANGED,
  },
  "an INSERT of one document": {
    at: "new-1",
    call: (db) => db.query('INSERT INTO c {"id": "new-1", "n": 1}'),
    gives: { rows: [{ id: "new-1" }], rowCount: 1 },
    leaves: { ...UNCHANGED, "new-1": [1, 1] },
  },
  "an INSERT of several documents": {
    at: "COMMIT",
    ...INSERTS_TWO,
  },
  "an INSERT of several documents, before its COMMIT": {
    at: "new-1",
    ...INSERTS_TWO,
  },
  "transaction()": {
    at: "COMMIT",
    call: (db) =>
      db.transaction(async (tx) => {
        const found = await tx.get<{ n: number }>("c", "a");
        await tx.update("c", "a", { n: found!.n + 1 });
        return found!.n;
      }),
    gives: 1,
    leaves: A_CHANGED,
  },
  "transaction() with a query, before its COMMIT": {
    at: "UPDATE",
    call: (db) => db.transaction((tx) => tx.query("UPDATE c SET n = n + 1 WHERE id = 'a'")),
    gives: { rows: [], rowCount: 1 },
    leaves: A_CHANGED,
  },
  "transaction() with sql()": {
    at: "COMMIT",
    call: (db) =>
      db.transaction(async (tx) => {
        await tx.sql(`UPDATE c SET doc = doc || '{"n": 2}', version = 2 WHERE id = 'a'`);
      }),
    leaves: A_CHANGED,
  },
  "transaction() that only reads": {
    at: "COMMIT",
    call: (db) => db.transaction((tx) => tx.get("c", "a")),
    gives: BEFORE[0],
    leaves: UNCHANGED,
  },
  "import()": {
    at: "new-1",
    call: (db) =>
      db.import("c", [
        { id: "new-1", n: 1 },
        { id: "new-2", n: 1 },
      ]),
    gives: expect.objectContaining({ read: 2, successful: 2, failed: 0 }),
    leaves: { ...UNCHANGED, "new-1": [1, 1], "new-2": [1, 1] },
  },
};

const TOLD_UNKNOWN: Record<string, Row> = {
  "an UPDATE": {
    at: "UPDATE",
    call: (db, _, signal) => db.query("UPDATE c SET n = n + 1 WHERE n = 1 AND id = 'a'", [], { signal }),
    leaves: A_CHANGED,
  },
  "a DELETE": {
    at: "DELETE",
    call: (db, _, signal) => db.query("DELETE FROM c WHERE id = 'a'", [], { signal }),
    leaves: { b: [1, 1] },
  },
  "findOneAndUpdate()": {
    at: "UPDATE",
    call: (_, c, signal) => c.findOneAndUpdate({ id: "a" }, { inc: { n: 1 } }, { signal }),
    leaves: A_CHANGED,
  },
  "delete() with ifVersion": {
    at: "DELETE",
    call: (_, c, signal) => c.delete("a", { ifVersion: 1, signal }),
    leaves: { b: [1, 1] },
  },
  "sql() that writes": {
    at: "UPDATE",
    call: (db, _, signal) =>
      db.sql(`UPDATE c SET doc = doc || '{"n": 2}', version = 2 WHERE id = 'a'`, [], { signal }),
    leaves: A_CHANGED,
  },
};

const READS: Record<string, Omit<Row, "leaves">> = {
  "get()": { at: "getme", call: (db) => db.get("c", "getme"), gives: undefined },
  "a SELECT": { at: "SELECT", call: (db) => db.query("SELECT n FROM c WHERE n = 1 AND id = 'a'") },
  "sql() with readOnly": { at: "SELECT 42", call: (db) => db.sql("SELECT 42", [], { readOnly: true }) },
};

describe("Of a call whose connection is lost", () => {
  const server = usePostgres();
  let proxy: CuttingProxy;
  let url: string;
  let db: FormDB;
  let c: Collection;

  beforeAll(async () => {
    proxy = await CuttingProxy.before(server.port);
    url = proxy.urlOf(await server.createDatabase());
  });
  beforeEach(async () => {
    db = await open(url);
    await db.dropCollection("c");
    await db.batchInsert("c", BEFORE);
    c = db.collection("c");
    proxy.cuts = 0;
  });
  afterEach(() => db.close());
  afterAll(() => proxy?.[Symbol.dispose]());

  /** What is there, when nothing is under way on the server any more: of each document `n` and its version. */
  async function stored(): Promise<Record<string, unknown>> {
    if ((await server.sessions("application_name = 'formdb' AND state <> 'idle'")) > 0) return stored();
    const found: Record<string, unknown> = {};
    for (const { id } of (await db.query("SELECT id FROM c")).rows) {
      const { document, version } = (await c.get(id as string, { version: true }))!;
      found[id as string] = [document.n, version];
    }
    return found;
  }

  describe.each(CUTS)("that is cut %s:", (cut) => {
    it.each(Object.keys(EXACTLY_ONCE))("%s takes place exactly once, and says so", async (name) => {
      const { at, call, gives, leaves } = EXACTLY_ONCE[name]!;
      proxy.cutNext(at, cut);
      expect(await call(db, c)).toEqual(gives);
      expect([proxy.cuts, await stored()]).toEqual([1, leaves]);
    });

    it.each(Object.keys(TOLD_UNKNOWN))(
      "%s takes place at most once, and is said to be unknown",
      async (name) => {
        const { at, call, leaves } = TOLD_UNKNOWN[name]!;
        proxy.cutNext(at, cut);
        expect(await failure(call(db, c))).toMatchObject({
          code: "FORMDB_CONNECTION_LOST",
          outcome: "unknown",
          retryable: false,
          message: expect.stringContaining("whether the write took place is not known"),
        });
        const found = await stored();
        if (cut === "while") expect([UNCHANGED, leaves]).toContainEqual(found);
        else expect(found).toEqual(cut === "before" ? UNCHANGED : leaves);
        expect(proxy.cuts).toBe(1);
      },
    );

    it.each(Object.keys(READS))("%s may be made again", async (name) => {
      const { at, call } = READS[name]!;
      proxy.cutNext(at, cut);
      const error = await failure(call(db, c));
      expect(error).toMatchObject({ code: "FORMDB_CONNECTION_LOST", retryable: true });
      expect(error.outcome).toBeUndefined();
      await call(db, c);
      expect(proxy.cuts).toBe(1);
    });

    it("changes of the schema may be made again", async () => {
      const again = async <T>(at: string, change: () => Promise<T>): Promise<T> => {
        proxy.cutNext(at, cut);
        await change().catch((error) => expect(error).toMatchObject({ code: "FORMDB_CONNECTION_LOST" }));
        return change();
      };
      await again("COMMIT", () => db.createCollection("made"));
      await again("COMMIT", () => db.createIndex("made", "n", { unique: true }));
      expect(await db.listIndexes("made")).toMatchObject([{ name: "by_n", unique: true }]);
      await again("COMMIT", () =>
        db.dropIndex("made", "by_n").catch((error) => {
          if (error.code !== "FORMDB_NOT_FOUND") throw error;
        }),
      );
      expect(await db.listIndexes("made")).toEqual([]);
      await again("COMMIT", () => db.dropCollection("made"));
      expect(await db.listCollections()).toEqual(["c"]);
      expect(proxy.cuts).toBe(4);
    });
  });

  it.each(Object.keys(TOLD_UNKNOWN))("%s that its signal ends is rejected", async (name) => {
    const release = await holdTransaction(db, (tx) => tx.query("UPDATE c SET x = 1"));
    const stop = new AbortController();
    const ended = failure(TOLD_UNKNOWN[name]!.call(db, c, stop.signal));
    await server.someoneWaits();
    stop.abort();
    expect(await ended).toMatchObject({ code: "FORMDB_ABORTED", outcome: "rejected" });
    await release();
  });

  it("a transaction whose COMMIT goes on without its client is waited for", async () => {
    await db.sql(
      "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END $$",
    );
    await db.sql(
      "CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON c DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()",
    );
    let runs = 0;
    proxy.cutNext("COMMIT", "while");
    await db.transaction(async (tx) => {
      runs++;
      await tx.query("UPDATE c SET n = n + 1 WHERE id = 'a'");
    });
    expect([runs >= 1, proxy.cuts, await stored()]).toEqual([true, 1, A_CHANGED]);
  });

  it("a transaction says that it is unknown if the server is gone with its COMMIT", async () => {
    await using other = await open(url, {
      pool: { acquireTimeoutMs: 2_000, minConnections: 0, maxConnections: 1 },
    });
    const stopped = Promise.withResolvers<void>();
    const call = failure(
      other.transaction(async (tx) => {
        await tx.update("c", "a", { n: 2 });
        proxy.cutNext("COMMIT", "after");
        proxy.onCut = () => void server.stop("immediate").then(stopped.resolve);
      }),
    );
    expect(await call).toMatchObject({
      code: "FORMDB_CONNECTION_LOST",
      outcome: "unknown",
      retryable: false,
      message: expect.stringContaining("could not be looked up"),
    });
    await stopped.promise;
    await server.start();
    expect(await stored()).toEqual(A_CHANGED);
  });
});

describe("Of four idle connections", () => {
  const server = usePostgres();
  let proxy: CuttingProxy;
  let db: FormDB;

  beforeEach(async () => {
    proxy = await CuttingProxy.before(server.port);
    db = await open(proxy.urlOf(server.url), { pool: { minConnections: 4, maxConnections: 4 } });
    await fourIdle();
  });
  afterEach(async () => {
    await db.close();
    proxy[Symbol.dispose]();
  });

  async function fourIdle(): Promise<void> {
    while (db.pool.idle < 4) await new Promise(setImmediate);
  }

  /** The server's processes behind them. */
  async function processes(): Promise<unknown[]> {
    const found = await server.query("SELECT pid FROM pg_stat_activity WHERE application_name = 'formdb'");
    return found.map(({ pid }) => pid);
  }

  /** How many are as they were when one, or all, were lost and there are four again. */
  async function leftAfter(lose: () => unknown): Promise<number> {
    const before = await processes();
    const { closed } = db.stats().pool.totals;
    await lose();
    while (sum(db.stats().pool.totals.closed) === sum(closed)) await new Promise(setImmediate);
    await fourIdle();
    await db.ping();
    const after = await processes();
    return before.filter((pid) => after.includes(pid)).length;
  }

  const sum = (counts: object): number => Object.values(counts).reduce((a, b) => a + b, 0);

  it("one that is cut without a word takes no other along", async () => {
    expect(await leftAfter(() => proxy.cutLast())).toBe(3);
    expect(db.stats().pool.totals.invalidations).toBe(0);
  });

  it("one that the server ends, as it does when it shuts down, takes all along", async () => {
    expect(
      await leftAfter(async () => {
        const [pid] = await processes();
        await server.terminate(`pid = ${pid}`);
      }),
    ).toBe(0);
    expect(db.stats().pool.totals.invalidations).toBe(1);
  });

  it("all that are cut are replaced", async () => {
    expect(await leftAfter(() => proxy.cutAll())).toBe(0);
  });

  it("a call that is cut takes all along", async () => {
    proxy.cutNext("SELECT 42", "while");
    expect(await leftAfter(() => failure(db.sql("SELECT 42")))).toBe(0);
    expect(db.stats().pool.totals.invalidations).toBe(1);
  });
});
