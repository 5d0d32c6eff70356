import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { open } from "../../src/index.ts";
import { startPostgres } from "../../test/support/postgres-server.ts";
import { finished, parsedLines, type Run, runCli, startCli, useScratch } from "./run-cli.ts";

const scratch = useScratch();
const database = scratch.file("app.db");
const env = { FORMDB_URL: database };
const command = (...args: string[]): Promise<Run> => runCli(args, { env });
const partials = (): string[] => readdirSync(scratch.path).filter((name) => name.endsWith(".partial"));

const people = [
  { id: "ada", name: 'Ada "the first", Lovelace', age: 36, tags: ["a", { b: null }] },
  { id: "bob", name: "Bob\nBuilder \u001b[31m", age: null, pi: 3.5e-7, empty: "" },
  { id: "7", nested: { deep: [[1], []] }, flag: false },
  { name: "an id is made" },
];

async function contentOf(url: string, collection: string): Promise<unknown[]> {
  await using db = await open(url);
  return (await db.query(`SELECT * FROM ${collection} ORDER BY id`)).rows;
}

beforeAll(async () => {
  await using db = await open(database);
  await db.batchInsert("people", people);
  await db.batchInsert(
    "many",
    Array.from({ length: 60_000 }, (_, n) => ({ id: `${n}`, n, text: "x".repeat(100) })),
  );
  // A field that no document has among the first thousands.
  await db.upsert("many", { id: "59999", n: 1, late: true });
});

describe("formdb export", () => {
  it.each(["ndjson", "json"])("gives %s that import brings back as it was, and once", async (extension) => {
    const file = scratch.file(`people.${extension}`);
    expect(await command("export", "people", "--out", file)).toMatchObject({
      code: 0,
      stdout: `4 documents of people in ${file}\n`,
      stderr: "",
    });
    const copy = scratch.file(`copy-${extension}.db`);
    const first = await command("import", file, "--into", "people", "--db", copy);
    expect(first.stdout).toContain("4 imported");
    expect((await command("import", file, "--into", "people", "--db", copy)).stdout).toContain(
      "4 already there",
    );
    expect(await contentOf(copy, "people")).toEqual(await contentOf(database, "people"));
    expect(partials()).toEqual([]);
  });

  it("an import that was cut off goes on from the same file, in either engine", async () => {
    await using server = await startPostgres();
    const url = await server.createDatabase();
    const { stdout } = await command("export", "people");
    const lines = stdout.split("\n").slice(0, 2).join("\n");
    await runCli(["import", "-", "--into", "people", "--db", url], { input: lines });
    const rest = await runCli(["import", "-", "--into", "people", "--db", url], { input: stdout });
    expect(rest.stdout).toContain("2 imported");
    expect(await contentOf(url, "people")).toEqual(await contentOf(database, "people"));
    const back = await command("export", "people", "--db", url);
    // PostgreSQL keeps the fields of an object in an order of its own.
    const documents = (lines: string) => parsedLines(lines).sort((a, b) => (a.id < b.id ? -1 : 1));
    expect(documents(back.stdout)).toEqual(documents(stdout));
  });

  it("gives CSV with every field of every document, however late it comes", async () => {
    const { code, stdout, stderr } = await command("export", "many", "--format", "csv");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const lines = stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(60_001);
    expect(new Set(lines[0]!.split(","))).toEqual(new Set(["id", "n", "text", "late"]));
    const safe = await command("export", "people", "--format", "csv", "--safe-csv");
    expect(safe.code).toBe(0);
  });

  it("ends when nobody reads on", async () => {
    const child = startCli(["export", "many"], { env });
    child.stdout.once("data", () => child.stdout.destroy());
    const [code] = await once(child, "exit");
    expect(code).toBe(0);
  });

  it.runIf(existsSync("/dev/full"))(
    "says that the disk is full, on standard output and in a file",
    async () => {
      const file = await command("export", "many", "--out", "/dev/full");
      expect(file).toMatchObject({ code: 1, stdout: "" });
      expect(file.stderr).toMatch(/\/dev\/full can't be written: ENOSPC/);
      for (const collection of ["many", "people"]) {
        const shell = await runShell(
          `"$0" --conditions=@formdb/source "$1" export ${collection} > /dev/full`,
        );
        expect(shell.code).toBe(1);
        expect(shell.stderr).toMatch(/Standard output can't be written: ENOSPC/);
      }
    },
  );

  it("writes over nothing that is there unless told, and never over a database", async () => {
    const file = scratch.file("precious.ndjson");
    writeFileSync(file, "precious");
    const refused = await command("export", "people", "--out", file);
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toContain("--overwrite");
    expect(readFileSync(file, "utf8")).toBe("precious");
    symlinkSync(database, scratch.file("link.ndjson"));
    for (const path of [database, `${database}-wal`, scratch.file("link.ndjson")]) {
      expect(await command("export", "people", "--out", path, "--overwrite")).toMatchObject({ code: 2 });
    }
    expect(await command("export", "people", "--out", file, "--overwrite")).toMatchObject({ code: 0 });
    expect(readFileSync(file, "utf8").split("\n")).toHaveLength(5);
    expect(await contentOf(database, "people")).toHaveLength(4);
  });

  it("what replaces a file is for those alone who might read that one", async () => {
    const file = scratch.file("secret.ndjson");
    for (const mode of [0o600, 0o664]) {
      writeFileSync(file, "old");
      chmodSync(file, mode);
      expect(await command("export", "people", "--out", file, "--overwrite")).toMatchObject({ code: 0 });
      expect(statSync(file).mode & 0o777).toBe(mode);
    }
  });

  it("leaves no file behind if it is stopped or fails", async () => {
    const file = scratch.file("stopped.ndjson");
    const child = startCli(["export", "many", "--out", file, "--format", "csv"], { env });
    const ended = finished(child);
    while (partials().length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill("SIGINT");
    const { code, stderr } = await ended;
    expect(code).toBe(130);
    expect(stderr).toContain("was not written");
    const unknown = await command("export", "poeple", "--out", file);
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain("people");
    expect(existsSync(file)).toBe(false);
    expect(partials()).toEqual([]);
  });

  it.each([
    [["--safe-csv"], "--safe-csv is for"],
    [["--overwrite"], "needs --out"],
    [["--out", "/none/x.json"], "/none is none"],
    [["--out", "x.tsv"], "--format says which one is meant"],
    [["--out", "x.csv.gz"], "formdb export people --format csv | gzip > x.csv.gz"],
    [["--format", "xml"], "Allowed choices"],
  ])("refuses %j", async (flags, why) => {
    const { code, stderr } = await command("export", "people", ...flags);
    expect(code).not.toBe(0);
    expect(stderr).toContain(why);
  });
});

async function runShell(text: string): Promise<Run> {
  const main = new URL("../src/main.ts", import.meta.url).pathname;
  const child = spawn("bash", ["-c", text, process.execPath, main], {
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  return finished(child);
}
