import { execFile } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { open } from "../../src/index.ts";
import { useFolder } from "../support/hooks.ts";
import { startPostgres } from "../support/postgres-server.ts";

const PG_15 = "/usr/lib/postgresql/15/bin";
const page = readFileSync(new URL("../../docs/operations.md", import.meta.url), "utf8");
const blocks = (language: string): string[] =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map(([, code]) => code!);
const programs = blocks("ts").filter((code) => code.includes("import "));
const library = new URL("../../src/index.ts", import.meta.url).href;
const folder = useFolder();

const run = promisify(execFile);

describe("docs/operations.md", () => {
  it("has programs that run as they stand, one after the other, also a second time", async () => {
    expect(programs).toHaveLength(3);
    const printed: string[] = [];
    for (const [n, code] of [...programs, ...programs.slice(1)].entries()) {
      const file = join(folder, `${n}.ts`);
      writeFileSync(file, code.replace('"@formdb/perf"', JSON.stringify(library)));
      const { stdout, stderr } = await run(process.execPath, [file], { cwd: folder });
      expect(stderr).toBe("");
      printed.push(stdout);
    }
    expect(printed[0]).toContain(`doc: '{"id":"u1","name":"Ada"}', version: 1`);
    expect(printed[1]).toContain("true { ok: true, problems: [] }");
    expect(printed[2]).toBe("true\n");
    expect(printed[3]).toContain("true { ok: true, problems: [] }");
  });

  it("says what the tables look like", async () => {
    await using db = await open(`sqlite:${join(folder, "app.db")}`);
    const { rows } = await db.sql<{ table: string; name: string }>(
      `SELECT m.name AS "table", c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'`,
    );
    for (const own of ["formdb_indexes", "formdb_batches", "formdb_elements"]) {
      const columns = rows.filter(({ table }) => table === own).map(({ name }) => `\`${name}\``);
      expect(page).toContain(`\`${own}\` (${columns.join(", ")})`);
    }
    const columns = rows.filter(({ table }) => table === "users").map(({ name }) => name);
    expect(columns).toEqual(["id", "doc", "version", "updated_at"]);
    for (const column of columns) expect(page).toContain(`| \`${column}\` |`);
  });

  it.runIf(existsSync(PG_15))(
    "has commands that carry a PostgreSQL database over, indexes and all",
    async () => {
      await using server = await startPostgres({ version: "system" });
      const url = await server.createDatabase();
      {
        await using db = await open(url);
        await db.batchInsert(
          "users",
          Array.from({ length: 5_000 }, (_, n) => ({ id: `u${n}`, age: n })),
        );
        await db.createIndex("users", "age");
      }
      const [dump, restore] = blocks("sh")[0]!.trim().split("\n") as [string, string];
      const shell = (line: string, target: string): Promise<unknown> =>
        run("sh", ["-ec", line], {
          cwd: folder,
          env: { ...process.env, PATH: `${PG_15}:${process.env.PATH}`, FORMDB_URL: target },
        });
      await shell(dump, url);
      const other = await server.createDatabase();
      await shell(restore, other);
      await using db = await open(other);
      expect(await db.check()).toEqual({ ok: true, problems: [] });
      expect((await db.explain("SELECT * FROM users WHERE age = 3")).indexes).toEqual(["by_age"]);
      expect(await db.get("users", "u1")).toEqual({ id: "u1", age: 1 });
    },
  );
});
