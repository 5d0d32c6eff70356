import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type BackupProgress, open } from "../../src/index.ts";
import { holdTransaction } from "../support/held-transaction.ts";
import { useFolderEach } from "../support/hooks.ts";

const folder = useFolderEach();
const at = (name: string): string => join(folder(), name);

const documents = (count: number, from = 0): object[] =>
  Array.from({ length: count }, (_, n) => ({ id: `${from + n}`, n: from + n, text: "x".repeat(300) }));

async function countIn(file: string): Promise<number> {
  await using db = await open(`sqlite:${file}`, { mustExist: true });
  const { rows } = await db.query<{ n: number }>("SELECT COUNT(*) AS n FROM things");
  expect(await db.check()).toEqual({ ok: true, problems: [] });
  return rows[0]!.n;
}

describe("db.backup()", () => {
  it("copies one moment of a database that is written to all the time, with its indexes", async () => {
    await using db = await open(`sqlite:${at("app.db")}`);
    await db.batchInsert("things", documents(10_000));
    await db.createIndex("things", "n", { unique: true });
    let next = 10_000;
    let isWriting = true;
    // Each transaction writes two documents: a copy with an odd number would hold half of one.
    const writer = (async () => {
      while (isWriting) {
        await db.transaction(async (tx) => {
          await tx.insert("things", { id: `${next}`, n: next });
          await tx.insert("things", { id: `${next + 1}`, n: next + 1 });
        });
        next += 2;
      }
    })();
    const told: BackupProgress[] = [];
    const { file, bytes } = await db.backup(at("copy.db"), { onProgress: (progress) => told.push(progress) });
    isWriting = false;
    await writer;
    expect(next).toBeGreaterThan(10_000);
    expect(bytes).toBe(statSync(file).size);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(told.length).toBeGreaterThan(3);
    expect(told.at(-1)).toEqual({ copiedBytes: bytes, totalBytes: bytes });
    const copied = await countIn(file);
    expect(copied % 2).toBe(0);
    expect(copied).toBeGreaterThanOrEqual(10_000);
    await using copy = await open(`sqlite:${file}`);
    expect((await copy.explain("SELECT * FROM things WHERE n = 7")).indexes).toEqual(["by_n"]);
  });

  it("copies a database in memory, and one that is open for reading only", async () => {
    await using memory = await open("sqlite::memory:");
    await memory.batchInsert("things", documents(2_000));
    let seen = 0;
    // A stream is open on the one connection.
    for await (const _row of memory.stream("SELECT * FROM things")) {
      if (seen++ === 10) await memory.backup(at("one.db"));
    }
    expect(seen).toBe(2_000);
    expect(await countIn(at("one.db"))).toBe(2_000);
    await using reading = await open(`sqlite:${at("one.db")}?mode=ro`);
    await reading.backup(at("two.db"));
    expect(await countIn(at("two.db"))).toBe(2_000);
  });

  it("waits for the one connection of a database in memory, whatever its options", async () => {
    await using db = await open("sqlite::memory:");
    await db.batchInsert("things", documents(10));
    const release = await holdTransaction(db);
    const told: BackupProgress[] = [];
    const made = db.backup(at("held.db"), { overwrite: true, onProgress: (progress) => told.push(progress) });
    await expect.poll(() => db.pool.stats().waiting).toBe(1);
    await release();
    await made;
    expect(told.length).toBeGreaterThan(0);
    expect(await countIn(at("held.db"))).toBe(10);
  });

  it("replaces a file only if it is told to, and then as a whole", async () => {
    await using db = await open(`sqlite:${at("app.db")}`);
    await db.insert("things", { id: "1" });
    writeFileSync(at("copy.db"), "precious");
    await expect(db.backup(at("copy.db"))).rejects.toMatchObject({ code: "FORMDB_CONFIG" });
    expect(readFileSync(at("copy.db"), "utf8")).toBe("precious");
    symlinkSync(at("copy.db"), at("link.db"));
    const { file } = await db.backup(at("link.db"), { overwrite: true });
    expect(file.endsWith("copy.db")).toBe(true);
    expect(await countIn(at("copy.db"))).toBe(1);
    expect(readdirSync(folder()).filter((name) => name.includes("partial"))).toEqual([]);
  });

  it("refuses what would harm a database, by whatever name, even if it may overwrite", async () => {
    await using db = await open(`sqlite:${at("app.db")}`);
    await db.insert("things", { id: "1" });
    symlinkSync(at("app.db"), at("link.db"));
    symlinkSync(at("nowhere"), at("dangling.db"));
    symlinkSync(folder(), at("folder"));
    writeFileSync(at("open.db-wal"), "");
    mkdirSync(at("directory.db"));
    const wrong = {
      "app.db": "another file than the database",
      "app.db-wal": "another file than the database",
      "APP.db-shm": "another file than the database",
      "link.db": "another file than the database",
      "folder/app.db": "another file than the database",
      "dangling.db": "a link to what is not there",
      "other.db-journal": "SQLite's own files",
      "open.db": "a database there is open or was not closed",
      "directory.db": "no file",
      "none/copy.db": "no folder",
    };
    for (const [name, why] of Object.entries(wrong)) {
      await expect(db.backup(at(name), { overwrite: true }), name).rejects.toMatchObject({
        code: "FORMDB_CONFIG",
        message: expect.stringContaining(why),
      });
    }
    for (const path of ["", ":memory:", "sqlite:x.db", "a\0b", 7 as never, undefined as never]) {
      await expect(db.backup(path)).rejects.toMatchObject({ code: "FORMDB_CONFIG" });
    }
    await expect(db.backup(at("x.db"), { force: true } as never)).rejects.toMatchObject({
      code: "FORMDB_CONFIG",
    });
    await expect(db.transaction(() => db.backup(at("x.db")))).rejects.toMatchObject({
      code: "FORMDB_UNSUPPORTED",
    });
    expect(existsSync(at("x.db"))).toBe(false);
    expect(await db.get("things", "1")).toEqual({ id: "1" });
  });

  it("of ten at once to one new file exactly one succeeds", async () => {
    await using db = await open(`sqlite:${at("app.db")}`);
    await db.batchInsert("things", documents(500));
    const ended = await Promise.allSettled(Array.from({ length: 10 }, () => db.backup(at("copy.db"))));
    expect(ended.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(await countIn(at("copy.db"))).toBe(500);
    expect(readdirSync(folder()).filter((name) => name.includes("partial"))).toEqual([]);
  });

  it.each(["file", "memory"])(
    "leaves nothing behind if it is given up, or the database is closed (%s)",
    async (place) => {
      const db = await open(place === "memory" ? "sqlite::memory:" : `sqlite:${at("app.db")}`);
      await db.batchInsert("things", documents(20_000));
      const abort = new AbortController();
      const given = db.backup(at("copy.db"), { signal: abort.signal, onProgress: () => abort.abort() });
      await expect(given).rejects.toMatchObject({ code: "FORMDB_ABORTED" });
      await expect(db.backup(at("copy.db"), { timeoutMs: 1 })).rejects.toMatchObject({
        code: "FORMDB_TIMEOUT",
      });
      expect(readdirSync(folder()).filter((name) => name.startsWith("copy"))).toEqual([]);
      let closing: Promise<unknown> | undefined;
      const cut = db.backup(at("copy.db"), {
        onProgress: () => {
          closing ??= db.close({ deadlineMs: 0 });
        },
      });
      await expect(cut).rejects.toMatchObject({ code: "FORMDB_CLOSED" });
      await closing;
      expect(readdirSync(folder()).filter((name) => name.startsWith("copy"))).toEqual([]);
      await expect(db.backup(at("copy.db"))).rejects.toMatchObject({ code: "FORMDB_CLOSED" });
    },
  );
});
