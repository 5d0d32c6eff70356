import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parsedLines, type Run, runCli, servedAt, startCli, useScratch } from "../run-cli.ts";

const KEY = "the-full-key-of-the-commands";
const READ_KEY = "the-reading-key-of-the-commands";

const scratch = useScratch();
let server: ReturnType<typeof startCli>;
let url: string;

beforeAll(async () => {
  server = startCli(["serve", "--port", "0", "--log-level", "error", "--db", scratch.file("app.db")], {
    env: { FORMDB_API_KEY: KEY, FORMDB_READ_KEY: READ_KEY },
  });
  url = await servedAt(server);
});
afterAll(async () => {
  server.kill("SIGTERM");
  if (server.exitCode === null && server.signalCode === null) await once(server, "exit");
});

/** Runs a command on the server, named by `--db`. */
function formdb(args: readonly string[], input = "", env: Record<string, string> = {}): Promise<Run> {
  return runCli([...args, "--db", url], { input, cwd: scratch.path, env: { FORMDB_API_KEY: KEY, ...env } });
}

const PEOPLE = '{"id":"1","name":"Ada","age":36}\n{"id":"2","name":"Bob","age":7}\n';

describe("commands on a server", () => {
  it("import brings documents there, tells what is rejected, and can be run again", async () => {
    const rejects = scratch.file("rejects.ndjson");
    const args = ["import", "-", "--into", "people", "--format", "ndjson", "--rejects", rejects];
    const first = await formdb(args, `${PEOPLE}not json\n{"id":"3","n":12345678901234567890}\n`);
    expect(first.code).toBe(3);
    expect(first.stdout + first.stderr).toMatch(/line 3: .*\[FORMDB_INVALID_DOCUMENT\]/);
    expect(first.stdout + first.stderr).toMatch(/2 imported/);
    const again = await formdb(["import", "-", "--into", "people", "--format", "ndjson"], PEOPLE);
    expect(again.code).toBe(0);
    expect(again.stdout + again.stderr).toMatch(/2 already there/);
    const taken = await formdb(
      ["import", "-", "--into", "people", "--format", "ndjson"],
      '{"id":"1","name":"Eve"}\n',
    );
    expect(taken.code).toBe(3);
    expect(taken.stdout + taken.stderr).toContain("line 1 (id 1)");
  });

  it("query reads, writes and explains", async () => {
    const rows = await formdb(["query", "SELECT name FROM people WHERE age > $1", "--param", "30"]);
    expect(rows).toEqual({ code: 0, stdout: '[\n{"name":"Ada"}\n]\n', stderr: "" });
    expect((await formdb(["query", "UPDATE people SET age = 8 WHERE id = '2'"])).stdout).toContain(
      '"rowCount":1',
    );
    const plan = await formdb(["query", "SELECT * FROM people WHERE age = 8", "--explain"]);
    expect(JSON.parse(plan.stdout)).toMatchObject({ kind: "select", collection: "people" });
    expect(await formdb(["query", "SELECT FROM"])).toMatchObject({ code: 1, stdout: "" });
  });

  it("collections and export print what is there", async () => {
    await formdb(["query", "CREATE INDEX by_age ON people (age)"]);
    expect(JSON.parse((await formdb(["collections", "--count"])).stdout)).toEqual([
      { collection: "people", documents: 2, indexes: ["by_age"] },
    ]);
    const exported = await formdb(["export", "people", "--out", "people.csv"]);
    expect(exported).toMatchObject({ code: 0, stdout: "2 documents of people in people.csv\n" });
    const { stdout } = await runCli(["export", "people"], {
      env: { FORMDB_URL: url, FORMDB_READ_KEY: READ_KEY },
    });
    expect(parsedLines(stdout).sort((a, b) => (a.id < b.id ? -1 : 1))).toEqual([
      { id: "1", name: "Ada", age: 36 },
      { id: "2", name: "Bob", age: 8 },
    ]);
  });

  it("what the key does not allow is refused, and the key is shown nowhere", async () => {
    const wrong = await formdb(["collections"], "", { FORMDB_API_KEY: "a-key-that-is-none-of-its" });
    expect(wrong).toMatchObject({ code: 2, stdout: "" });
    expect(wrong.stderr).toMatch(
      /^formdb: The server refused the request: The key is not one of this server's\n$/,
    );
    const reading = { FORMDB_API_KEY: "", FORMDB_READ_KEY: READ_KEY };
    expect((await formdb(["query", "DELETE FROM people"], "", reading)).stderr).toContain("full key");
    expect((await formdb(["import", "-", "--into", "people"], PEOPLE, reading)).code).not.toBe(0);
  });

  it.each([["backup", "copy.db"], ["check"], ["serve", "--port", "0"], ["demo"]])(
    "formdb %s is refused: it must open the database itself",
    async (...args) => {
      const { code, stderr } = await formdb(args);
      expect({ code, stderr }).toEqual({
        code: 2,
        stderr: `formdb: formdb ${args[0]} must open the database itself: --db must be sqlite:FILE, a path or postgres://…, not a server's URL\n`,
      });
    },
  );

  it("a size of batches is refused, which the server decides", async () => {
    const { code, stderr } = await formdb(["import", "-", "--into", "people", "--batch-size", "10"], PEOPLE);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: "formdb: --batch-size can't be given with a server's URL: the server decides it\n",
    });
  });

  it("a server that is not there is told as such", async () => {
    writeFileSync(scratch.file("people.ndjson"), PEOPLE);
    const gone = ["--db", "http://127.0.0.1:1"];
    for (const args of [
      ["query", "SELECT * FROM people"],
      ["import", "people.ndjson", "--into", "people"],
    ]) {
      const { code, stderr } = await runCli([...args, ...gone], { cwd: scratch.path });
      expect(code).toBe(1);
      expect(stderr).toContain("The server at 127.0.0.1:1 can't be reached: ECONNREFUSED");
    }
  });
});
