import { once } from "node:events";
import { existsSync, readdirSync, statSync } from "node:fs";
import Database from "better-sqlite3";
import { beforeAll, describe, expect, it } from "vitest";
import { finished, parsedLines, type Run, runCli, startCli, useScratch } from "./run-cli.ts";

const scratch = useScratch();
const env = { FORMDB_URL: scratch.file("app.db") };

function query(text: string, ...args: string[]): Promise<Run> {
  return runCli(["query", text, ...args], { env });
}

beforeAll(async () => {
  const input = Array.from({ length: 3_000 }, (_, i) => ({
    id: `p${String(i).padStart(4, "0")}`,
    n: i,
    even: i % 2 === 0,
  }));
  const people = [
    { id: "ada", name: 'Ada "the first", Lovelace', age: 36, tags: ["a", "b"] },
    { id: "bob", name: "Bob\nBuilder", age: null },
  ];
  for (const [collection, documents] of [
    ["points", input],
    ["people", people],
  ] as const) {
    const run = await runCli(["import", "-", "--into", collection], {
      env,
      input: JSON.stringify(documents),
    });
    expect(run).toMatchObject({ code: 0 });
  }
});

describe("formdb query", () => {
  it("prints JSON where the output is no terminal", async () => {
    const run = await query("SELECT * FROM people ORDER BY id");
    expect(run).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(run.stdout)).toEqual([
      { id: "ada", name: 'Ada "the first", Lovelace', age: 36, tags: ["a", "b"] },
      { id: "bob", name: "Bob\nBuilder", age: null },
    ]);
    expect((await query("SELECT * FROM people WHERE id = 'x'")).stdout).toBe("[]\n");
  });

  it("makes no database where it finds none to read, and one where it is to write", async () => {
    const mistyped = scratch.file("ap.db");
    for (const text of ["SELECT * FROM people", "DELETE FROM people", "EXPLAIN SELECT * FROM people"]) {
      const run = await query(text, "--db", mistyped);
      expect(run).toMatchObject({ code: 1, stdout: "" });
      expect(run.stderr).toContain(`must be there already, but there is no file ${mistyped}`);
      expect(existsSync(mistyped)).toBe(false);
    }
    const run = await query('INSERT INTO people {"id": "1"}', "--db", mistyped);
    expect(run).toMatchObject({ code: 0 });
  });

  it("prints NDJSON, CSV and a table", async () => {
    const text = "SELECT id, name, age, tags FROM people ORDER BY id";
    const lines = parsedLines((await query(text, "--format", "ndjson")).stdout);
    expect(lines.map(({ id }) => id)).toEqual(["ada", "bob"]);
    expect((await query(text, "--format", "csv")).stdout).toBe(
      'id,name,age,tags\nada,"Ada ""the first"", Lovelace",36,"[""a"",""b""]"\nbob,"Bob\nBuilder",,\n',
    );
    const table = (await query(text, "--format", "table")).stdout;
    expect(table).toContain("Bob\\nBuilder");
    expect(table).toContain("2 rows");
    expect(Math.max(...table.split("\n").map((line) => line.length))).toBeLessThanOrEqual(120);
  });

  it("gives CSV that formdb import reads back", async () => {
    const csv = await query("SELECT id, n, even FROM points ORDER BY id LIMIT 1500", "--format", "csv");
    await runCli(["import", "-", "--into", "copies", "--format", "csv"], { env, input: csv.stdout });
    const [original, copy] = await Promise.all([
      query("SELECT * FROM points ORDER BY id LIMIT 1500"),
      query("SELECT * FROM copies ORDER BY id"),
    ]);
    expect(JSON.parse(copy.stdout)).toEqual(JSON.parse(original.stdout));
  });

  it("says so when a table ends before the rows do", async () => {
    const run = await query("SELECT n FROM points", "--format", "table");
    expect(run.code).toBe(0);
    expect(run.stdout).toContain("1 000 rows");
    expect(run.stderr).toContain("Only the first 1 000 rows are shown");
  });

  it("takes parameters as JSON, else as strings, by place and by name", async () => {
    const one = async (text: string, ...args: string[]): Promise<unknown> =>
      JSON.parse((await query(text, ...args)).stdout);
    expect(
      await one("SELECT n FROM points WHERE n = $1 AND even = $2", "--param", "4", "--param", "true"),
    ).toEqual([{ n: 4 }]);
    expect(await one("SELECT n FROM points WHERE id = ?", "--param", "p0007")).toEqual([{ n: 7 }]);
    expect(await one("SELECT n FROM points WHERE n = ?", "--param", '"7"')).toEqual([]);
    expect(await one("SELECT n FROM points WHERE n IN $1 ORDER BY n", "--param", "[3,1]")).toEqual([
      { n: 1 },
      { n: 3 },
    ]);
    expect(
      await one("SELECT n FROM points WHERE n = :n AND id != :id", "--param", "n=5", "--param", "id=a=b"),
    ).toEqual([{ n: 5 }]);
  });

  it("says how many documents a write has changed, or the id of the inserted one", async () => {
    const rows = async (text: string): Promise<unknown> => JSON.parse((await query(text)).stdout);
    expect(await rows('INSERT INTO notes {"id": "x", "n": 1}')).toEqual([{ id: "x" }]);
    expect(await rows("UPDATE notes SET n = 2")).toEqual([{ rowCount: 1 }]);
    expect(await rows("DELETE FROM notes WHERE n = 2")).toEqual([{ rowCount: 1 }]);
    expect(await rows("/* a comment */ SELECT * FROM notes")).toEqual([]);
    expect(await rows("INTROSPECT INDEXES notes")).toEqual([]);
  });

  it("explains instead of running", async () => {
    const run = await query("DELETE FROM people WHERE age > $1", "--param", "1", "--explain");
    expect(run).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(run.stdout)).toMatchObject({ kind: "delete" });
    expect(JSON.parse((await query("SELECT COUNT(*) AS n FROM people")).stdout)).toEqual([{ n: 2 }]);
  });

  it.runIf(existsSync("/proc/self/fd"))("that is stopped says whether it has written", async () => {
    const locked = new Database(env.FORMDB_URL);
    locked.exec("BEGIN IMMEDIATE");
    const child = startCli(["query", "UPDATE people SET age = 1"], { env });
    const end = finished(child);
    const opened = (): boolean => {
      const files = readdirSync(`/proc/${child.pid}/fd`).map((fd) => `/proc/${child.pid}/fd/${fd}`);
      return files.some(
        (file) => statSync(file, { throwIfNoEntry: false })?.ino === statSync(env.FORMDB_URL).ino,
      );
    };
    await expect.poll(opened, { timeout: 30_000 }).toBe(true);
    child.kill("SIGINT");
    const { code, stderr } = await end;
    locked.close();
    expect(code).toBe(130);
    expect(stderr).toMatch(
      /^formdb: stopped; (?:nothing was written|whether the write took place is not known)\n$/,
    );
  });

  it("ends quietly when nobody reads its output any more", async () => {
    const child = startCli(["query", "SELECT * FROM points", "--format", "ndjson"], { env });
    const end = finished(child);
    await once(child.stdout, "data");
    child.stdout.destroy();
    expect(await end).toMatchObject({ code: 0, stderr: "" });
  });

  it.each<[string, string[], number, string]>([
    ["a syntax error", ["SELECT FROM"], 1, "line 1"],
    ["an unknown collection", ["SELECT * FROM peple"], 1, 'did you mean "people"?'],
    ["too few parameters", ["SELECT * FROM people WHERE age > $1"], 1, "parameter"],
    [
      "an unnamed value for a name",
      ["SELECT * FROM people WHERE age > :age", "--param", "5"],
      2,
      "name=value",
    ],
    [
      "a name given twice",
      ["SELECT * FROM people WHERE age > :a", "--param", "a=1", "--param", "a=2"],
      2,
      "twice",
    ],
    [
      "a number that would be rounded",
      ["SELECT * FROM people WHERE age > $1", "--param", "9007199254740993"],
      1,
      "rounded",
    ],
    ["an unknown format", ["SELECT * FROM people", "--format", "xml"], 2, "Allowed choices"],
    ["an unknown scheme", ["SELECT * FROM people", "--db", "oracle://x"], 2, "oracle"],
  ])("refuses %s in one line", async (_what, args, code, message) => {
    const run = await query(args[0]!, ...args.slice(1));
    expect(run).toMatchObject({ code, stdout: "" });
    expect(run.stderr).toContain(message);
    expect(run.stderr).not.toMatch(/\n {4}at /);
  });
});
