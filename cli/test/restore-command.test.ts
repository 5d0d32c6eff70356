import {
  chmodSync,
  cpSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname } from "node:path";
import { pathToFileURL } from "node:url";
import { open } from "@formdb/perf";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Run, runCli, Scratch, thingsIn, withoutProgress } from "./run-cli.ts";

let scratch: Scratch;
let database: string;
let copy: string;

beforeEach(async () => {
  scratch = new Scratch();
  database = scratch.file("app.db");
  copy = scratch.file("copy.db");
  await makeKilled(database, ["old", "logged"]);
  await using db = await open(scratch.file("new.db"));
  await db.insert("things", { id: "new" });
  await db.backup(copy);
});
afterEach(() => scratch[Symbol.dispose]());

const restore = (...args: string[]): Promise<Run> => runCli(["restore", copy, "--db", database, ...args]);
const idsIn = async (file: string): Promise<unknown[]> => (await thingsIn(file)).map(({ id }) => id);
/** What lies in the database's folder under its name. */
const beside = (file: string = database): string[] =>
  readdirSync(dirname(file)).filter((name) => name.startsWith(basename(file)));
const filesOf = (file: string): [string, Buffer][] =>
  beside(file).map((name) => [name, readFileSync(scratch.file(name))]);

/** A database as a killed process leaves it: with what was written last in its log alone. */
async function makeKilled(file: string, ids: readonly string[]): Promise<void> {
  const live = `${file}.live`;
  await using db = await open(live);
  for (const id of ids) await db.insert("things", { id, text: "x".repeat(1_000) });
  for (const end of ["", "-wal", "-shm"]) cpSync(`${live}${end}`, `${file}${end}`);
}

describe("formdb restore", () => {
  it("puts a copy where there is no database, and drops the log that another has left there", async () => {
    const other = scratch.file("other.db");
    for (const end of ["-wal", "-shm"]) cpSync(`${database}${end}`, `${other}${end}`);
    const bytes = readFileSync(copy);
    const done = await runCli(["restore", copy, "--db", other]);
    expect(done).toMatchObject({ code: 0, stderr: "" });
    expect(done.stdout).toMatch(/^[\d ]+ bytes in .*other\.db\n$/u);
    expect([beside(other), statSync(other).mode & 0o777]).toEqual([["other.db"], 0o600]);
    expect(await idsIn(other)).toEqual(["new"]);
    expect(readFileSync(copy).equals(bytes)).toBe(true);
    expect(beside(copy)).toEqual(["copy.db"]);
  });

  it("replaces what a database and its log hold, and leaves the file's mode and the links to it", async () => {
    chmodSync(database, 0o640);
    const { ino } = statSync(database);
    symlinkSync(database, scratch.file("link.db"));
    const done = await runCli(["restore", copy, "--db", scratch.file("link.db"), "--overwrite"]);
    expect([done.code, withoutProgress(done.stderr)]).toEqual([0, ""]);
    expect(beside()).toEqual(["app.db", "app.db.live"]);
    expect(statSync(database)).toMatchObject({ ino, mode: 0o100640 });
    expect(await idsIn(database)).toEqual(["new"]);
    await using db = await open(database);
    expect(await db.check()).toEqual({ ok: true, problems: [] });
  });

  it("replaces a database that is damaged inside, and says what to do with one that can't be opened", async () => {
    const { size } = statSync(database);
    const bytes = readFileSync(database);
    writeFileSync(database, bytes.fill(0x5a, 4_096));
    expect(await restore("--overwrite")).toMatchObject({ code: 0 });
    expect(await idsIn(database)).toEqual(["new"]);
    for (const broken of [Buffer.alloc(size, "no database"), readFileSync(copy).subarray(0, 5_000)]) {
      writeFileSync(database, broken);
      const { code, stderr } = await restore("--overwrite");
      expect([code, stderr]).toEqual([1, expect.stringContaining("Move it away")]);
      expect(readFileSync(database).equals(broken)).toBe(true);
    }
  });

  it("changes nothing without --overwrite, nor while anybody has the database open", async () => {
    const before = filesOf(database);
    expect(await restore()).toMatchObject({ code: 2, stderr: expect.stringContaining("--overwrite") });
    expect(filesOf(database)).toEqual(before);
    {
      await using db = await open(database, { mustExist: true });
      const refused = await restore("--overwrite");
      expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("open in another process") });
      await db.insert("things", { id: "still" });
    }
    expect(await idsIn(database)).toEqual(["logged", "old", "still"]);
    expect(await restore("--overwrite")).toMatchObject({ code: 0 });
  });

  it.each([
    ["is cut off", () => truncateSync(copy, 20_000), "malformed"],
    ["is no database", () => writeFileSync(copy, "no database\n".repeat(1_000)), "no SQLite database"],
    ["is empty", () => writeFileSync(copy, ""), "no database that FormDB has made"],
    ["is broken inside", () => writeFileSync(copy, readFileSync(copy).fill(0x5a, 4_096)), "copy.db can't be"],
    ["has a log beside it", () => cpSync(`${database}-wal`, `${copy}-wal`), "formdb backup whole.db"],
    ["is a folder", () => (copy = scratch.path), "it is no file"],
    ["is not there", () => (copy = scratch.file("nowhere.db")), "There is no file"],
    ["is the database", () => (copy = database), "another file than the database"],
    ["is a part of the database", () => (copy = `${database}-wal`), "another file than the database"],
    ["is given as a URL", () => (copy = `sqlite:${copy}`), "must be a path"],
  ])("refuses a copy that %s, and leaves the database with its documents", async (_name, spoil, why) => {
    spoil();
    const { code, stdout, stderr } = await restore("--overwrite");
    expect([code === 1 || code === 2, stdout, stderr]).toEqual([true, "", expect.stringContaining(why)]);
    expect(beside().filter((name) => name.includes(".partial"))).toEqual([]);
    expect(await idsIn(database)).toEqual(["logged", "old"]);
  });

  it("is for files of SQLite that may be written", async () => {
    const to = async (url: string): Promise<string> => {
      const { code, stderr } = await runCli(["restore", copy, "--db", url, "--overwrite"]);
      return `${code} ${stderr}`;
    };
    expect(await to("postgres://localhost/app")).toMatch(/^1 .*pg_restore/);
    expect(await to("http://localhost:1")).toMatch(/^2 .*must open the database itself/);
    expect(await to("sqlite::memory:")).toMatch(/^1 .*SQLite file/);
    expect(await to(`sqlite:${database}?mode=ro`)).toMatch(/^2 .*mode=ro/);
    symlinkSync(scratch.file("nothing"), scratch.file("dangling.db"));
    expect(await to(scratch.file("dangling.db"))).toMatch(/^2 .*link to what is not there/);
    expect(await idsIn(database)).toEqual(["logged", "old"]);
  });
});

describe("formdb restore that is ended", () => {
  /** More than SQLite keeps in memory of a transaction, so that the file itself is half written in the middle. */
  const LARGE_DOCUMENTS = 24;

  beforeEach(async () => {
    await using db = await open(copy, { mustExist: true });
    const text = "y".repeat(1_000_000);
    for (let i = 0; i < LARGE_DOCUMENTS; i++) await db.insert("things", { id: `new${i}`, text });
  });

  /** Restores, and sends the process a signal when it calls a method of the driver, or at one of the steps of `backup`. */
  async function endedBy(signal: NodeJS.Signals, method: string, step?: number): Promise<Run> {
    const driver = createRequire(import.meta.url).resolve("better-sqlite3");
    const hook = scratch.file("hook.mjs");
    writeFileSync(
      hook,
      `import Database from ${JSON.stringify(pathToFileURL(driver).href)};
       import { isMainThread } from "node:worker_threads";
       const { ${method}: original } = Database.prototype;
       const end = () => process.kill(process.pid, "${signal}");
       Database.prototype.${method} = function (first, options) {
         if (${step} === undefined) { if (isMainThread) end(); return original.call(this, first, options); }
         let step = 0;
         const progress = (state) => { if (step++ === ${step}) end(); return options.progress(state); };
         return original.call(this, first, { progress });
       };`,
    );
    const env = { NODE_OPTIONS: `--import=${pathToFileURL(hook).href}` };
    return runCli(["restore", copy, "--db", database, "--overwrite"], { env });
  }

  it.each([
    ["as it has brought the log into the file", "exec", undefined],
    ["before the first page", "backup", 0],
    ["when the file is half written", "backup", LARGE_DOCUMENTS * 2 - 3],
  ])("by SIGKILL %s leaves the old database, and goes on from there", async (_name, method, step) => {
    const { size } = statSync(database);
    expect(await endedBy("SIGKILL", method, step)).toMatchObject({ code: "SIGKILL", stdout: "" });
    // Else the moment would not be the one that is meant.
    if ((step ?? 0) > 0) expect(statSync(database).size).toBeGreaterThan(size + 1_000_000);
    expect(await idsIn(database)).toEqual(["logged", "old"]);
    expect(await restore("--overwrite")).toMatchObject({ code: 0 });
    expect(await idsIn(database)).toHaveLength(1 + LARGE_DOCUMENTS);
  });

  it("by SIGTERM says that the database is as it was, and leaves nothing beside it", async () => {
    const { code, stdout, stderr } = await endedBy("SIGTERM", "backup", LARGE_DOCUMENTS);
    expect([code, stdout]).toEqual([143, ""]);
    expect(withoutProgress(stderr)).toMatch(/^formdb: stopped; .*app\.db is as it was\n$/);
    expect(beside()).toEqual(["app.db", "app.db.live"]);
    expect(await idsIn(database)).toEqual(["logged", "old"]);
  });
});
