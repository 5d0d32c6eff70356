import { linkSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { open } from "@formdb/perf";
import { describe, expect, it } from "vitest";
import { checkPaths } from "../src/check-paths.ts";
import { finished, runCli, Scratch, startCli } from "./run-cli.ts";

/** A folder with a database of one document, a journal of queued writes, an input, and links to the database. */
async function prepared(scratch: Scratch): Promise<void> {
  await using db = await open(scratch.file("a.db"), { spill: scratch.file("spill.journal") });
  await db.insert("kept", { id: "1" });
  await db.close();
  mkdirSync(scratch.file("folder"));
  writeFileSync(scratch.file("in.ndjson"), "no JSON\n");
  linkSync(scratch.file("a.db"), scratch.file("hard.db"));
  symlinkSync("a.db", scratch.file("soft.db"));
  symlinkSync("new.db", scratch.file("dangling.db"));
  symlinkSync("in.ndjson", scratch.file("soft.ndjson"));
  symlinkSync(scratch.path, scratch.file("folder/up"));
}

async function kept(scratch: Scratch): Promise<number> {
  await using db = await open(scratch.file("a.db"));
  return (await db.query("SELECT * FROM kept")).rowCount;
}

describe("an import does not write over", () => {
  it.each([
    ["the database", "a.db", "a.db"],
    ["the database by another spelling", "./folder/../a.db", "sqlite:a.db"],
    ["the database through a folder's link", "folder/up/a.db", "a.db"],
    ["the database through a link", "soft.db", "a.db"],
    ["the database whose URL is a link", "a.db", "soft.db"],
    ["the database through a hard link", "hard.db", "a.db"],
    ["its log, which is not there", "a.db-wal", "a.db"],
    ["its shared memory", "a.db-shm", "soft.db"],
    ["its journal", "folder/../a.db-journal", "a.db"],
    ["the database in other letters", "NEW.db", "new.db"],
    ["a database that is not there yet", "new.db", "new.db"],
    ["a database that is not there yet through a link", "dangling.db", "new.db"],
    ["another database", "a.db", "other.db"],
    ["a journal of queued writes", "spill.journal", "other.db"],
    ["the input", "in.ndjson", "other.db"],
    ["the input through a link", "soft.ndjson", "other.db"],
  ])("%s: --rejects %s --db %s", async (_what, rejects, url) => {
    using scratch = new Scratch();
    await prepared(scratch);
    const at = (name: string): string => name.replace(/^(sqlite:)?/, `$1${scratch.path}/`);
    const check = (): void => checkPaths({ input: at("in.ndjson"), rejects: at(rejects), url: at(url) });
    expect(check).toThrow(/^--rejects must name another file than [^\n]+ would be lost$/);
    expect(check).toThrow(expect.objectContaining({ code: "FORMDB_CONFIG" }));
  });

  it("anything that the command is given: exit code 2, and the database is as it was", async () => {
    using scratch = new Scratch();
    await prepared(scratch);
    const before = readFileSync(scratch.file("a.db"));
    const args = ["import", "in.ndjson", "--into", "c", "--db", "a.db", "--rejects", "soft.db"];
    const run = await runCli(args, { cwd: scratch.path });
    expect(run).toMatchObject({ code: 2, stdout: "" });
    expect(run.stderr).toMatch(/^formdb: --rejects must name another file than the database [^\n]+\n$/);
    expect(readFileSync(scratch.file("a.db"))).toEqual(before);
    expect(await kept(scratch)).toBe(1);
  });

  it("the default database, or the one of FORMDB_URL", async () => {
    using scratch = new Scratch();
    for (const [env, rejects] of [
      [{}, "formdb.db"],
      [{ FORMDB_URL: "sqlite:b.db" }, "b.db-wal"],
    ] as const) {
      const run = await runCli(["import", "-", "--into", "c", "--rejects", rejects], {
        cwd: scratch.path,
        env,
        input: "bad\n",
      });
      expect(run.code).toBe(2);
    }
  });

  it("the standard input's file", async () => {
    using scratch = new Scratch();
    writeFileSync(scratch.file("in.ndjson"), '{"id":"a"}\n');
    const run = await finished(
      startCli(["import", "-", "--into", "c", "--db", "a.db", "--rejects", "in.ndjson"], {
        cwd: scratch.path,
        inputFile: scratch.file("in.ndjson"),
      }),
    );
    expect(run.code).toBe(2);
    expect(readFileSync(scratch.file("in.ndjson"), "utf8")).toBe('{"id":"a"}\n');
  });

  it("its input with a database", async () => {
    using scratch = new Scratch();
    writeFileSync(scratch.file("in.csv"), "");
    const run = await runCli(["import", "in.csv", "--into", "c", "--db", "in.csv"], { cwd: scratch.path });
    expect(run).toMatchObject({ code: 2, stderr: expect.stringContaining("another file than the database") });
    expect(statSync(scratch.file("in.csv")).size).toBe(0);
  });

  it("nothing, where the rejects have a file of their own, new or old", async () => {
    using scratch = new Scratch();
    writeFileSync(scratch.file("in.ndjson"), "bad\n");
    const args = ["import", "in.ndjson", "--into", "c", "--db", "a.db", "--rejects", "bad.ndjson"];
    for (const _run of [1, 2]) expect((await runCli(args, { cwd: scratch.path })).code).toBe(3);
  });
});
