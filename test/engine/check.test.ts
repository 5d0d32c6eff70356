import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { physicalIndexName } from "../../src/dialect/postgres/names.ts";
import { type FormDB, open } from "../../src/index.ts";
import { useFolder, usePostgres } from "../support/hooks.ts";

/** What a healthy database holds before each of the tests breaks a part of it. */
async function fill(db: FormDB): Promise<void> {
  await db.batchInsert(
    "people",
    Array.from({ length: 300 }, (_, n) => ({ id: n, age: n, name: `name ${n}` })),
  );
  await db.insert("people", { name: "without an id in it" });
  await db.createIndex("people", "age");
  await db.createIndex("people", ["name", "age"], { unique: true, name: "one_each" });
  await db.createCollection("empty");
  expect(await db.check()).toEqual({ ok: true, problems: [] });
}

describe("db.check() on SQLite", () => {
  const folder = useFolder();

  it("finds documents and indexes that are not as they must be, each by name", async () => {
    await using db = await open("sqlite::memory:");
    await fill(db);
    await db.sql`DROP INDEX "formdb_index_people.by_age"`;
    await db.sql`DROP INDEX "formdb_index_people.one_each"`;
    await db.sql`CREATE INDEX "formdb_index_people.stray" ON people (id)`;
    await db.sql`UPDATE people SET doc = x'00ff11' WHERE id = '3'`;
    await db.sql`UPDATE people SET doc = jsonb('[1]') WHERE id = '4'`;
    await db.sql`UPDATE people SET doc = jsonb('{"id":"7"}') WHERE id = '5'`;
    await db.sql`UPDATE people SET version = 0 WHERE id = '6'`;
    const { ok, problems } = await db.check();
    expect(ok).toBe(false);
    expect(problems.map(({ kind, collection, index, id }) => [kind, collection, index ?? id])).toEqual([
      ["index", "people", "by_age"],
      ["index", "people", "one_each"],
      ["index", undefined, "formdb_index_people.stray"],
      ["document", "people", "3"],
      ["document", "people", "4"],
      ["document", "people", "5"],
      ["document", "people", "6"],
    ]);
    await db.dropIndex("people", "by_age");
    await db.dropIndex("people", "one_each");
    await db.sql`DROP INDEX "formdb_index_people.stray"`;
    await db.query("DELETE FROM people WHERE id BETWEEN '3' AND '6'");
    await db.sql`DELETE FROM people WHERE id IN ('3', '4', '5', '6')`;
    expect(await db.check()).toEqual({ ok: true, problems: [] });
  });

  it("lists a hundred and says that there are more", async () => {
    await using db = await open("sqlite::memory:");
    await fill(db);
    await db.sql`UPDATE people SET version = 0`;
    const { problems } = await db.check();
    expect(problems).toHaveLength(101);
    expect(problems.at(-1)).toEqual({
      kind: "document",
      collection: "people",
      message: "there are more; the first 100 are listed",
    });
  });

  it("finds a page that was overwritten on the disk, also through a connection that only reads", async () => {
    const file = join(folder, "app.db");
    {
      await using db = await open(`sqlite:${file}`);
      await fill(db);
    }
    const bytes = readFileSync(file);
    // The last pages are those of documents and their indexes; the schema is on the first.
    bytes.fill(0xee, bytes.length - 3 * 4096);
    writeFileSync(file, bytes);
    await using db = await open(`sqlite:${file}?mode=ro`);
    const { ok, problems } = await db.check();
    expect(ok).toBe(false);
    expect(problems.some(({ kind }) => kind === "file")).toBe(true);
  });

  it("can be given up, and is refused once the database is closed", async () => {
    const db = await open("sqlite::memory:");
    await expect(db.check({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "FORMDB_ABORTED" });
    await db.close();
    await expect(db.check()).rejects.toMatchObject({ code: "FORMDB_CLOSED" });
  });
});

describe("db.check() on PostgreSQL", () => {
  const server = usePostgres();

  it("finds documents and indexes that are not as they must be, an unfinished index among them", async () => {
    await using db = await open(await server.createDatabase());
    await fill(db);
    const own = (name: string): string => physicalIndexName("people", name);
    await db.sql(`DROP INDEX "${own("by_age")}"`);
    await db.sql(
      `UPDATE pg_index SET indisvalid = false WHERE indexrelid = '"${own("one_each")}"'::regclass`,
    );
    await db.sql(`CREATE INDEX "formdb_people_stray_x" ON people (id)`);
    await db.sql(`UPDATE people SET doc = '[1]' WHERE id = '4'`);
    await db.sql(`UPDATE people SET doc = '{"id":"7"}' WHERE id = '5'`);
    await db.sql("UPDATE people SET version = 0 WHERE id = '6'");
    const { problems } = await db.check();
    const named = problems.map(({ kind, collection, index, id }) => [kind, collection, index ?? id]);
    // A changed row moves to the table's end.
    expect([...named.slice(0, 3), ...named.slice(3).sort()]).toEqual([
      ["index", "people", "by_age"],
      ["index", "people", "one_each"],
      ["index", undefined, "formdb_people_stray_x"],
      ["document", "people", "4"],
      ["document", "people", "5"],
      ["document", "people", "6"],
    ]);
  });

  it("names pg_dump where it can't copy the database", async () => {
    await using db = await open(await server.createDatabase());
    await expect(db.backup("copy.db")).rejects.toMatchObject({
      code: "FORMDB_UNSUPPORTED",
      message: expect.stringContaining("pg_dump"),
    });
  });
});
