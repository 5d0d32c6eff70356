import { join } from "node:path";
import Database from "better-sqlite3";
import pg from "pg";
import { describe, expect, it } from "vitest";
import { physicalIndexName } from "../../src/dialect/postgres/names.ts";
import { open } from "../../src/index.ts";
import { useFolder, usePostgres } from "../support/hooks.ts";
import { postgresVersions } from "../support/postgres-server.ts";

const folder = useFolder();

const documents = Array.from({ length: 3_000 }, (_, n) => ({ id: `${n}`, age: n * 2, name: `name ${n}` }));

/** What version 0.1.0 made of `age`, and of a unique `name`, on SQLite. */
const OLD_SQLITE = (path: string): string =>
  `(CASE json_type(doc, '$."${path}"') WHEN 'text' THEN 3 WHEN 'integer' THEN 2 WHEN 'real' THEN 2 WHEN 'true' THEN 1 ` +
  `WHEN 'false' THEN 1 WHEN 'array' THEN 4 WHEN 'object' THEN 5 ELSE 0 END), ` +
  `(CASE json_type(doc, '$."${path}"') WHEN 'array' THEN '' WHEN 'object' THEN '' ELSE json_extract(doc, '$."${path}"') END)`;

/** The same on PostgreSQL: a rank, a number, the start of a text. */
const OLD_POSTGRES = (path: string): string =>
  `(coalesce(strpos('nrgyt', right(jsonb_typeof((doc -> '${path}')), 1)), 0)), ` +
  `((CASE WHEN jsonb_typeof((doc -> '${path}')) = 'number' THEN (doc -> '${path}')::numeric ` +
  `WHEN (doc -> '${path}') = 'true' THEN 1::numeric ELSE 0::numeric END)), ` +
  `((left(CASE WHEN jsonb_typeof((doc -> '${path}')) = 'string' THEN (doc ->> '${path}') ELSE '' END, 64) COLLATE "C"))`;

/** What was made of a path before its key asked for the type once. */
const LONG_KEY = (path: string): string =>
  `((CASE WHEN jsonb_typeof((doc -> '${path}')) = 'string' THEN '3' || left((doc ->> '${path}'), 64) ` +
  `WHEN jsonb_typeof((doc -> '${path}')) = 'number' THEN '2' WHEN jsonb_typeof((doc -> '${path}')) = 'boolean' THEN '1' || (doc ->> '${path}') ` +
  `ELSE coalesce(translate(right(jsonb_typeof((doc -> '${path}')), 1), 'lyt', '045'), '0') END COLLATE "C")), ` +
  `((CASE WHEN jsonb_typeof((doc -> '${path}')) = 'number' THEN (doc -> '${path}')::numeric ELSE 0::numeric END))`;

interface Old {
  readonly url: string;
  /** Puts an index as the old version made it in the place of the one that is there. */
  replace(name: string, path: string, unique: boolean): Promise<void>;
  /** The definition of the index. */
  definition(name: string): Promise<string>;
}

async function expectRenewed(old: Old): Promise<void> {
  {
    await using db = await open(old.url);
    await db.batchInsert("people", documents);
    await db.createIndex("people", "age");
    await db.createIndex("people", "name", { unique: true });
  }
  const made = [await old.definition("by_age"), await old.definition("by_name")];
  await old.replace("by_age", "age", false);
  await old.replace("by_name", "name", true);
  expect([await old.definition("by_age"), await old.definition("by_name")]).not.toEqual(made);

  await using db = await open(old.url);
  expect([await old.definition("by_age"), await old.definition("by_name")]).toEqual(made);
  expect((await db.explain("SELECT * FROM people WHERE age = 4")).indexes).toEqual(["by_age"]);
  expect((await db.query("SELECT id FROM people WHERE age = 4")).rows).toEqual([{ id: "2" }]);
  await expect(db.insert("people", { id: "x", name: "name 7" })).rejects.toThrow(/unique/i);
  const before = await old.definition("by_age");
  await using again = await open(old.url);
  expect((await again.query("SELECT COUNT(*) AS n FROM people")).rows).toEqual([{ n: documents.length }]);
  expect(await old.definition("by_age")).toBe(before);
}

it("indexes of an earlier version in a SQLite file are made anew when it is opened", async () => {
  const file = join(folder, "old.db");
  const database = new Database(file);
  await expectRenewed({
    url: `sqlite:${file}`,
    async replace(name, path, unique) {
      database.exec(`DROP INDEX "formdb_index_people.${name}"`);
      const guard = unique ? `, (CASE WHEN json_type(doc, '$."${path}"') = 'text' THEN 1 END)` : "";
      const columns = OLD_SQLITE(path) + guard;
      database.exec(
        `CREATE ${unique ? "UNIQUE " : ""}INDEX "formdb_index_people.${name}" ON people (${columns})`,
      );
    },
    async definition(name) {
      const select = database.prepare("SELECT sql FROM sqlite_master WHERE name = ?").pluck();
      return select.get(`formdb_index_people.${name}`) as string;
    },
  });
  database.close();
});

it("an index over elements that an earlier version has made in a SQLite file is made anew", async () => {
  const file = join(folder, "elements.db");
  {
    await using db = await open(`sqlite:${file}`);
    await db.insert("posts", { id: "1", tags: ["a"] });
    await db.createIndex("posts", "tags[*]", { name: "by_tag" });
  }
  const database = new Database(file);
  const definition = () =>
    database
      .prepare("SELECT sql FROM sqlite_master WHERE name = 'formdb_index_posts.by_tag'")
      .pluck()
      .get() as string;
  const made = definition();
  const old = made
    .replace("INSERT INTO formdb_elements", "INSERT OR IGNORE INTO formdb_elements")
    .replace(" WHERE TRUE ON CONFLICT DO NOTHING", "");
  database.exec(`DROP TRIGGER "formdb_index_posts.by_tag"; ${old}`);
  expect(definition()).not.toBe(made);
  await using db = await open(`sqlite:${file}`);
  expect(definition()).toBe(made);
  database.close();
  await db.upsert("posts", { id: "1", tags: ["b", "b"] });
  expect((await db.query("SELECT id FROM posts WHERE tags CONTAINS 'b'")).rows).toEqual([{ id: "1" }]);
});

describe.each(
  postgresVersions().flatMap((version) => [
    { version, form: "0.1.0", columns: OLD_POSTGRES },
    { version, form: "long keys", columns: LONG_KEY },
  ]),
)("on PostgreSQL ($version), $form", ({ version, columns }) => {
  const server = usePostgres({ version });

  it("indexes of an earlier version are made anew when the database is opened", async () => {
    const url = await server.createDatabase();
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await expectRenewed({
      url,
      async replace(name, path, unique) {
        const physical = physicalIndexName("people", name);
        await client.query(`DROP INDEX ${physical}`);
        const guard = unique ? `, (CASE WHEN jsonb_typeof((doc -> '${path}')) = 'string' THEN '' END)` : "";
        await client.query(
          `CREATE ${unique ? "UNIQUE " : ""}INDEX ${physical} ON people (${columns(path)}${guard})`,
        );
        await client.query("ANALYZE people");
      },
      async definition(name) {
        const { rows } = await client.query("SELECT pg_get_indexdef($1::regclass) AS definition", [
          physicalIndexName("people", name),
        ]);
        return rows[0].definition;
      },
    });
    await client.end();
  });
});
