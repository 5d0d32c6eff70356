import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FormDBError } from "../../src/base/errors.ts";
import { open } from "../../src/engine/open.ts";
import { useFolder } from "../support/hooks.ts";

/** Faults that a review and an acceptance test have found, each held by a test. */
const folder = useFolder();
let files = 0;
const fresh = (): string => `sqlite:${join(folder, `${++files}.db`)}`;

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "no error",
    (error: unknown) => (error instanceof FormDBError ? error.code : String(error)),
  );

describe.each([["a file"], ["memory"]])("with a database in %s", (place) => {
  const url = (): string => (place === "memory" ? "sqlite::memory:" : fresh());

  it("a transaction takes no SQL for a collection's name", async () => {
    await using db = await open(url());
    await db.insert("users", { id: "1" });
    const name = `users" WHERE 0 UNION SELECT name, '{}', 1 FROM sqlite_master WHERE ? <> '' --`;
    expect(await codeOf(db.transaction((tx) => tx.get(name, "a")))).toBe("FORMDB_CONFIG");
    expect(await codeOf(db.transaction((tx) => tx.insert(name, {})))).toBe("FORMDB_CONFIG");
  });

  it("a call that a transaction's function did not await is a part of it, or of nothing", async () => {
    await using db = await open(url());
    await db.createCollection("kept");
    let late: Promise<unknown> | undefined;
    const failed = db.transaction(async (tx) => {
      late = tx.insert("kept", { id: "1" });
      throw new Error("no");
    });
    await expect(failed).rejects.toThrow("no");
    await late;
    expect(await db.get("kept", "1")).toBeUndefined();
  });

  it("a transaction makes a collection by its first insert, and unmakes it by its rollback", async () => {
    await using db = await open(url());
    const failed = db.transaction(async (tx) => {
      await tx.insert("made", { id: "1" });
      expect(await tx.get("made", "1")).toEqual({ id: "1" });
      throw new Error("no");
    });
    await expect(failed).rejects.toThrow("no");
    expect(await db.listCollections()).toEqual([]);
    await db.transaction((tx) => tx.insert("made", { id: "1" }));
    expect(await db.get("made", "1")).toEqual({ id: "1" });
    expect(await codeOf(db.transaction((tx) => tx.query("SELECT * FROM nowhere")))).toBe(
      "FORMDB_UNKNOWN_COLLECTION",
    );
  });

  it("what a transaction started is free once it has ended", async () => {
    await using db = await open(url());
    let later: (() => Promise<string>) | undefined;
    await db.transaction(async (tx) => {
      await tx.insert("a", { id: "1" });
      later = () => db.insert("a", { id: "2" });
    });
    expect(await later!()).toBe("2");
  });

  it("changes of the schema inside a transaction are refused at once", async () => {
    await using db = await open(url());
    await db.createCollection("a");
    await db.transaction(async () => {
      expect(await codeOf(db.createCollection("b"))).toBe("FORMDB_UNSUPPORTED");
      expect(await codeOf(db.createIndex("a", "x"))).toBe("FORMDB_UNSUPPORTED");
      expect(await codeOf(db.dropCollection("a"))).toBe("FORMDB_UNSUPPORTED");
    });
  });

  it("names that differ by case alone never share a table, however they are made", async () => {
    await using db = await open(url());
    const results = await Promise.all([
      codeOf(db.insert("twin", { id: "1" })),
      codeOf(db.insert("TWIN", { id: "2" })),
    ]);
    expect(results.toSorted()).toEqual(["FORMDB_CONFIG", "no error"]);
    const made = await Promise.all([db.createCollection("once"), db.createCollection("once")]);
    expect(made.toSorted()).toEqual([false, true]);
  });

  it("a close with a bad option is refused, and the next one closes", async () => {
    const db = await open(url());
    expect(await codeOf(db.close({ deadlineMs: -1 }))).toBe("FORMDB_CONFIG");
    await db.insert("a", { id: "1" });
    expect(await db.close()).toMatchObject({ undelivered: [] });
  });

  it("queries inside the iteration of a stream are answered, and writes too", async () => {
    await using db = await open(url());
    await db.batchInsert(
      "a",
      Array.from({ length: 1_200 }, (_, n) => ({ id: String(n) })),
    );
    let seen = 0;
    for await (const { id } of db.stream("SELECT id FROM a")) {
      if (seen++ % 300 === 0) {
        expect(await db.get("a", id as string)).toEqual({ id });
        await db.update("a", id as string, { seen: true });
      }
    }
    expect(seen).toBe(1_200);
    expect((await db.query("SELECT COUNT(*) AS n FROM a WHERE seen = true")).rows).toEqual([{ n: 4 }]);
  });

  it("an aborted stream leaves the database whole", async () => {
    await using db = await open(url());
    await db.batchInsert(
      "a",
      Array.from({ length: 3_000 }, (_, n) => ({ id: String(n) })),
    );
    const enough = new AbortController();
    const read = async (): Promise<void> => {
      for await (const _ of db.stream("SELECT id FROM a", [], { signal: enough.signal })) enough.abort();
    };
    await codeOf(read());
    expect(await db.insert("a", { id: "new" })).toBe("new");
  });

  it("each duplicate of an import is compared by itself", async () => {
    await using db = await open(url());
    const documents = [
      { id: "1", n: 1 },
      { id: "1", n: 9 },
    ];
    expect(await db.import("a", documents, { ifExists: "skip-identical" })).toMatchObject({
      successful: 1,
      failed: 1,
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
    const again = await db.import("a", documents, { ifExists: "skip-identical" });
    expect(again).toMatchObject({ successful: 0, unchanged: 1, failed: 1 });
    expect(again.errors).toMatchObject([{ index: 1, code: "FORMDB_DUPLICATE_ID" }]);
  });

  it("an import that is aborted says so, and waits for no idle source", async () => {
    await using db = await open(url());
    const aborted = await db.import("a", [{ id: "1" }], { signal: AbortSignal.abort() });
    expect(aborted).toMatchObject({ read: 0, successful: 0, aborted: true });
    const enough = new AbortController();
    async function* idle(): AsyncGenerator<unknown> {
      yield { id: "1" };
      setImmediate(() => enough.abort());
      await new Promise(() => {});
    }
    expect(await db.import("a", idle(), { signal: enough.signal })).toMatchObject({
      read: 1,
      successful: 1,
      aborted: true,
    });
  });

  it("failed writes are counted as errors, one by one and in batches", async () => {
    await using db = await open(url());
    await db.insert("a", { id: "1" });
    await codeOf(db.insert("a", { id: "1" }));
    await db.batchInsert("a", [{ id: "1" }, { id: "2" }, "no"]);
    const text = db.metrics.exportPrometheus();
    expect(text).toMatch(/^formdb_errors_total 3$/m);
  });

  it("tens of thousands of reads in one tick are all answered", async () => {
    await using db = await open(url());
    await db.batchInsert(
      "a",
      Array.from({ length: 100 }, (_, n) => ({ id: String(n) })),
    );
    const found = await Promise.all(Array.from({ length: 25_000 }, (_, n) => db.get("a", String(n % 100))));
    expect(found.every((document, n) => document?.id === String(n % 100))).toBe(true);
  });

  it("unknown options of a call are refused by name, and time without end is taken for it", async () => {
    await using db = await open(url());
    await db.createCollection("a");
    expect(await codeOf(db.query("SELECT * FROM a", [], { timeout: 5 } as never))).toBe("FORMDB_CONFIG");
    expect(await codeOf(open("sqlite::memory:", 5 as never))).toBe("FORMDB_CONFIG");
    expect(
      await codeOf(open("sqlite::memory:", { batch: { lookUpToken: async () => undefined } as never })),
    ).toBe("FORMDB_CONFIG");
  });

  it.each([[new Map([["a", 1]])], [new Set([1])], [/x/]])(
    "%s in a document is refused rather than emptied",
    async (value) => {
      await using db = await open(url());
      expect(await codeOf(db.insert("a", { value }))).toBe("FORMDB_INVALID_DOCUMENT");
    },
  );
});

describe("with two databases on one file", () => {
  it("a collection that the other has dropped is made again by the next insert", async () => {
    const url = fresh();
    await using one = await open(url);
    await using other = await open(url);
    await one.insert("a", { id: "1" });
    await other.dropCollection("a");
    expect(await one.insert("a", { id: "2" })).toBe("2");
    expect((await other.query("SELECT * FROM a")).rows).toEqual([{ id: "2" }]);
  });

  it("a table that is no collection is not taken for one", async () => {
    const { default: Database } = await import("better-sqlite3");
    const url = fresh();
    const database = new Database(url.slice("sqlite:".length));
    database.exec("CREATE TABLE orders (n INTEGER)");
    database.close();
    await using db = await open(url);
    await expect(db.createCollection("orders")).rejects.toMatchObject({
      code: "FORMDB_CONFIG",
      message: expect.stringContaining("no collection"),
    });
  });
});

it("closing leaves the data in the database file alone", async () => {
  const url = fresh();
  const db = await open(url);
  await db.insert("a", { id: "1" });
  await db.query("SELECT * FROM a");
  await db.close();
  const name = url.slice(url.lastIndexOf("/") + 1);
  expect(readdirSync(folder).filter((file) => file.startsWith(name))).toEqual([name]);
});

it("a failed open leaves nothing behind that the next one would meet", async () => {
  const url = fresh();
  const spill = join(folder, "failed.journal");
  expect(await codeOf(open(url, { spill, batch: { maxBatchSize: 0 } }))).toBe("FORMDB_CONFIG");
  await using db = await open(url, { spill });
  expect(await db.insert("a", { id: "1" })).toBe("1");
});
