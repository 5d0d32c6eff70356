import { existsSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { open } from "../../src/index.ts";
import { usePostgres } from "../../test/support/hooks.ts";
import { type Run, runCli, useScratch, withoutProgress } from "./run-cli.ts";

const scratch = useScratch();
const server = usePostgres();
const database = scratch.file("app.db");
const command = (...args: string[]): Promise<Run> => runCli(args, { env: { FORMDB_URL: database } });

async function fill(url: string): Promise<void> {
  await using db = await open(url);
  await db.batchInsert("people", [{ id: "1", age: 3 }, { id: "2" }]);
  await db.createIndex("people", "age");
  await db.createCollection("order");
}

beforeAll(async () => {
  await fill(database);
  await fill(server.url);
});

describe.each(["sqlite", "postgres"])("on %s", (engine) => {
  const url = (): string => (engine === "sqlite" ? database : server.url);

  it("formdb collections lists collections with their indexes, and counts if asked", async () => {
    const plain = await command("collections", "--db", url());
    expect(plain).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(plain.stdout)).toEqual([
      { collection: "order", indexes: [] },
      { collection: "people", indexes: ["by_age"] },
    ]);
    const counted = await command("collections", "--db", url(), "--count", "--format", "ndjson");
    expect(counted.stdout).toBe(
      '{"collection":"order","documents":0,"indexes":[]}\n{"collection":"people","documents":2,"indexes":["by_age"]}\n',
    );
  });

  it("formdb check exits with 0 if all is well, and names what is not", async () => {
    expect(await command("check", "--db", url())).toEqual({
      code: 0,
      stdout: "no problems found\n",
      stderr: "",
    });
    {
      await using db = await open(url());
      await db.sql("UPDATE people SET version = 0 WHERE id = '2'");
    }
    expect(await command("check", "--db", url())).toEqual({
      code: 1,
      stdout: "document 2 of people: its version is no number from 1\n",
      stderr: "",
    });
  });
});

describe("formdb backup", () => {
  it("makes a copy that is a database, over nothing unless told", async () => {
    const file = scratch.file("copy.db");
    const done = await command("backup", file);
    expect([done.code, withoutProgress(done.stderr)]).toEqual([0, ""]);
    expect(done.stdout).toMatch(/^[\d ]+ bytes in .*copy\.db\n$/u);
    expect((await command("query", "SELECT id FROM people ORDER BY id", "--db", file)).stdout).toContain(
      '"1"',
    );
    const again = await command("backup", file);
    expect(again).toMatchObject({ code: 2, stdout: "" });
    expect(await command("backup", file, "--overwrite")).toMatchObject({ code: 0 });
    expect(await command("backup", database, "--overwrite")).toMatchObject({ code: 2 });
  });

  it("says what PostgreSQL has for it, and makes no database where there is none to copy", async () => {
    const refused = await command("backup", scratch.file("x.db"), "--db", server.url);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("pg_dump");
    const none = scratch.file("none.db");
    expect(await command("backup", scratch.file("x.db"), "--db", none)).toMatchObject({ code: 1 });
    expect(existsSync(none)).toBe(false);
    writeFileSync(scratch.file("text.db"), "no database at all, but long enough to look at".repeat(20));
    expect(await command("check", "--db", scratch.file("text.db"))).toMatchObject({ code: 1 });
  });
});

it.each(["backup", "restore"])("the help of %s names SQLite's files alone", async (command) => {
  const { stdout } = await runCli([command, "--help"]);
  expect(stdout).not.toContain("postgres://");
});
