import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FormDB, open } from "../../src/index.ts";
import { useFolder, usePostgres } from "../support/hooks.ts";
import { postgresVersions } from "../support/postgres-server.ts";

interface Order {
  readonly id: string;
  readonly items?: readonly {
    readonly sku?: string;
    readonly count: number;
    readonly parts?: readonly { readonly name: string; readonly size: number }[];
  }[];
  readonly tags?: readonly (string | number)[] | string;
  readonly seen?: boolean;
}

const orders: readonly Order[] = [
  {
    id: "1",
    items: [
      { sku: "a", count: 1, parts: [{ name: "x", size: 9 }] },
      { sku: "b", count: 5, parts: [] },
    ],
    tags: ["new", 7],
  },
  {
    id: "2",
    items: [
      {
        sku: "b",
        count: 1,
        parts: [
          { name: "x", size: 1 },
          { name: "y", size: 9 },
        ],
      },
      { count: 9 },
    ],
    tags: [],
  },
  { id: "3", items: [], tags: "new" },
  { id: "4" },
];

describe("SQLite", () => {
  hasElements(async () => open("sqlite::memory:"));
  hasIndexes(async () => open("sqlite::memory:"));

  describe("indexes over elements that another process changes", () => {
    const folder = useFolder();
    const ids = async (db: FormDB, condition: string) =>
      (await db.query(`SELECT id FROM orders WHERE ${condition} ORDER BY id`)).rows
        .map(({ id }) => id)
        .join("");

    it("never change an answer: dropped, made anew over another path, or gone with their collection", async () => {
      const url = `sqlite:${join(folder, "a.db")}`;
      await using here = await open(url);
      await here.batchInsert("orders", orders);
      await here.createIndex("orders", "items[*].sku", { name: "by_part" });
      // Asked again it would look which indexes there are.
      const { statement } = await here.explain("SELECT id FROM orders WHERE items[*].sku = 'b' ORDER BY id");
      expect(statement).toContain("formdb_elements");
      expect(await ids(here, "items[*].sku = 'b'")).toBe("12");

      await using there = await open(url);
      await there.dropIndex("orders", "by_part");
      await there.insert("orders", { id: "5", items: [{ sku: "b" }] });
      expect(await ids(here, "items[*].sku = 'b'")).toBe("125");

      await there.createIndex("orders", "items[*].parts[*].name", { name: "by_part" });
      await there.insert("orders", { id: "6", items: [{ sku: "b" }] });
      expect(await ids(here, "items[*].sku = 'b'")).toBe("1256");
      expect(await ids(there, "items[*].parts[*].name = 'y'")).toBe("2");

      await there.dropCollection("orders");
      await there.batchInsert("orders", [{ id: "7", items: [{ sku: "b", parts: [{ name: "y" }] }] }]);
      expect(await ids(here, "items[*].sku = 'b'")).toBe("7");
      expect(await ids(there, "items[*].parts[*].name = 'y'")).toBe("7");
      expect((await here.check()).problems).toEqual([]);
      expect((await here.sql("SELECT count(*) AS n FROM formdb_elements")).rows).toEqual([{ n: 0 }]);
    });

    it("hold what other programs write", async () => {
      const file = join(folder, "b.db");
      await using db = await open(`sqlite:${file}`);
      await db.batchInsert("orders", orders);
      await db.createIndex("orders", "tags[*]");
      const other = new Database(file);
      other.exec(`INSERT INTO orders (id, doc, updated_at) VALUES ('5', jsonb('{"tags": ["x"]}'), 0)`);
      other.exec(
        `INSERT OR REPLACE INTO orders (id, doc, updated_at) VALUES ('1', jsonb('{"tags": ["x", true]}'), 0)`,
      );
      other.exec(`UPDATE orders SET id = '9', doc = jsonb_set(doc, '$.tags[#]', 'y') WHERE id = '2'`);
      other.exec("DELETE FROM orders WHERE id = '3'");
      other.close();
      expect(await ids(db, "tags[*] = 'x'")).toBe("15");
      expect(await ids(db, "tags[*] = TRUE")).toBe("1");
      expect(await ids(db, "tags[*] = 1 OR tags[*] = 'new'")).toBe("");
      expect(await ids(db, "tags[*] = 'y'")).toBe("9");
      expect(await ids(db, "tags CONTAINS 'new'")).toBe("");
    });

    it("are kept by look-ups, and none goes through all elements that there are", async () => {
      await using db = await open("sqlite::memory:");
      await db.createCollection("orders");
      for (const path of ["tags[*]", "items[*].sku", "items[*].parts[*].name"])
        await db.createIndex("orders", path);
      const { rows } = await db.sql(
        "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND sql GLOB '*DELETE FROM*'",
      );
      expect(rows).toHaveLength(6);
      for (const { sql } of rows as { sql: string }[]) {
        const [statement] = /DELETE FROM formdb_elements[^;]*/.exec(sql)!;
        const alone = statement
          .replaceAll(/\b(?:old|new)\.doc/g, "jsonb('{}')")
          .replaceAll(/\b(?:old|new)\.id/g, "'x'");
        const plan = (await db.sql(`EXPLAIN QUERY PLAN ${alone}`)).rows.map(({ detail }) => detail);
        expect(plan[0]).toBe("SEARCH formdb_elements USING PRIMARY KEY (index_key=? AND value=? AND id=?)");
        expect(plan.slice(1).join()).not.toContain("formdb_elements");
      }
    });

    it("are reported by check() if they are not there", async () => {
      const file = join(folder, "c.db");
      await using db = await open(`sqlite:${file}`);
      await db.batchInsert("orders", orders);
      await db.createIndex("orders", "tags[*]");
      expect((await db.check()).problems).toEqual([]);
      const other = new Database(file);
      other.exec('DROP TRIGGER "formdb_index_orders.by_tags_each"');
      other.close();
      expect((await db.check()).problems).toMatchObject([{ kind: "index", index: "by_tags_each" }]);
    });
  });
});

describe.each(postgresVersions())("PostgreSQL (%s)", (version) => {
  const server = usePostgres({ version });
  hasIndexes(async () => open(await server.createDatabase()));
  hasElements(async () => open(await server.createDatabase()));
  hasElements(async () => open(await server.createDatabase(), { batch: { reads: "always" } }), "merged, ");

  it("gives documents their index again when the database is opened anew", async () => {
    const url = await server.createDatabase();
    await (async () => {
      await using db = await open(url);
      await db.batchInsert("orders", orders);
      await db.createIndex("orders", "items[*].sku");
      expect((await db.check()).problems).toEqual([]);
    })();
    await using db = await open(url);
    const { statement } = await db.explain("SELECT id FROM orders WHERE items[*].sku = 'a'");
    expect(statement).toContain("jsonb_path_query_array");
    expect(await db.createIndex("orders", "items[*].sku")).toBe("by_items_each_sku");
  });
});

function hasIndexes(openDatabase: () => Promise<FormDB>): void {
  it("holds an element once that an array has twice, however the document is written", async () => {
    await using db = await openDatabase();
    await db.createCollection("posts");
    await db.createIndex("posts", "tags[*]");
    const posts = db.collection("posts");
    const twice = ["b", "b", 1, true, 1];
    const found = (tag: unknown) => posts.find({ tags: { contains: tag } }, { select: ["id"] }).toArray();
    const ways = [
      () => posts.upsert({ id: "1", tags: twice }),
      () => db.batchUpsert("posts", [{ id: "0" }, { id: "1", tags: twice }]),
      () => posts.replace("1", { tags: twice }),
      () => posts.update("1", { set: { tags: twice } }),
      () => db.update("posts", "1", { tags: twice }),
      () => db.transaction((tx) => tx.upsert("posts", { id: "1", tags: twice })),
    ];
    for (const write of ways) {
      await posts.upsert({ id: "1", tags: ["a"] });
      await write();
      for (const tag of ["b", 1, true]) expect(await found(tag)).toEqual([{ id: "1" }]);
      expect(await found("a")).toEqual([]);
    }
  });

  it("finds elements by an index over them", async () => {
    await using db = await openDatabase();
    await db.batchInsert(
      "orders",
      Array.from({ length: 5_000 }, (_, i) => ({
        id: `o${i}`,
        items: [{ sku: `s${i % 1_000}`, count: i % 1_000 }, { sku: `t${i % 1_000}` }],
        tags: i % 1_000 === 9 ? "a text with t9 in it" : [`t${i % 1_000}`, { formdb: "text" }],
      })),
    );
    expect(await db.createIndex("orders", "items[*].sku")).toBe("by_items_each_sku");
    await db.query("CREATE INDEX by_tags ON orders (tags[*])");
    expect((await db.query("INTROSPECT INDEXES orders")).rows).toEqual([
      { name: "by_items_each_sku", paths: ["items[*].sku"], unique: false },
      { name: "by_tags", paths: ["tags[*]"], unique: false },
    ]);
    const used = async (condition: string) => {
      const { cost, index, conditions } = await db.explain(`SELECT id FROM orders WHERE ${condition}`);
      expect(cost === "indexed").toBe(index !== undefined);
      expect(conditions[0]?.index).toBe(index);
      const { rows } = await db.query(`SELECT id FROM orders WHERE ${condition}`);
      return { index, count: rows.length };
    };
    expect(await used("items[*].sku = 's7'")).toEqual({ index: "by_items_each_sku", count: 5 });
    expect(await used("'t7' = items[*].sku AND items[*].count > 3")).toEqual({
      index: "by_items_each_sku",
      count: 5,
    });
    expect(await used("tags[*] = 't9'")).toEqual({ index: "by_tags", count: 0 });
    expect(await used("tags CONTAINS 't9'")).toEqual({ index: "by_tags", count: 5 });
    expect(await used("tags CONTAINS 't7'")).toEqual({ index: "by_tags", count: 5 });
    expect(await used("items[*].sku IN ('s7', 's8')")).toEqual({ index: undefined, count: 10 });
    expect(await used("items[*].sku != 's7'")).toEqual({ index: undefined, count: 5_000 });
    expect(await used("NOT items[*].sku = 's7'")).toEqual({ index: undefined, count: 4_995 });
    const one = db.collection("orders").find({ "items[*]": { count: { gte: 5 }, sku: "s7" } });
    expect(await one.explain()).toMatchObject({
      index: "by_items_each_sku",
      conditions: [
        { text: "items[*].count >= …", index: undefined },
        { text: "items[*].sku = …", index: "by_items_each_sku" },
      ],
    });
    expect(await one.toArray()).toHaveLength(5);
    await db.dropIndex("orders", "by_items_each_sku");
    expect(await used("items[*].sku = 's7'")).toEqual({ index: undefined, count: 5 });
  });

  it("has an index over elements of one path, and none that is unique", async () => {
    await using db = await openDatabase();
    await db.createCollection("orders");
    for (const paths of [
      ["items[*].sku", "name"],
      ["name", "tags[*]"],
    ]) {
      await expect(db.createIndex("orders", paths)).rejects.toThrow(/must have one path and can't be unique/);
    }
    await expect(db.query("CREATE UNIQUE INDEX ON orders (tags[*])")).rejects.toThrow(/can't be unique/);
    await expect(db.createIndex("orders", "a[*][*][*][*][*]")).rejects.toThrow(/\[\*\] at most 4 times/);
  });
}

function hasElements(openDatabase: () => Promise<FormDB>, how = ""): void {
  describe(`${how}elements of arrays`, () => {
    let db: FormDB;
    beforeAll(async () => {
      db = await openDatabase();
      await db.batchInsert("orders", orders);
    });
    afterAll(() => db?.close());

    const found = async (filter: Parameters<ReturnType<typeof handle>["find"]>[0]) =>
      (
        await handle()
          .find(filter, { select: ["id"], orderBy: { id: "asc" } })
          .toArray()
      )
        .map(({ id }) => id)
        .join("");
    const handle = () => db.collection<Order>("orders");

    it("are what a filter with [*] asks for", async () => {
      expect(await found({ "items[*].sku": "a" })).toBe("1");
      expect(await found({ "items[*].sku": { in: ["b", "z"] } })).toBe("12");
      expect(await found({ "items[*].count": { gt: 5, lt: 100 } })).toBe("2");
      expect(await found({ "tags[*]": 7 })).toBe("1");
      expect(await found({ "tags[*]": { like: "n%" } })).toBe("1");
      expect(await found({ tags: { contains: "new" } })).toBe("13");
      expect(await found({ "items[*].sku": { exists: false } })).toBe("2");
      expect(await found({ "items[*].sku": null })).toBe("2");
      expect(await found({ "items[*].sku": { in: ["a", null] } })).toBe("12");
      expect(await found({ "items[*].sku": { ne: "b" } })).toBe("1");
      expect(await found({ not: { "items[*].sku": "b" } })).toBe("34");
      expect(await found({ "items[*].parts[*].name": "y" })).toBe("2");
      expect(await found({ "items[*]": { eq: { count: 9 } } })).toBe("2");
      expect(await found({ "items[*].parts": { eq: [] } })).toBe("1");
    });

    it("are asked for all that an object says of one of them", async () => {
      expect(await found({ "items[*].sku": "b", "items[*].count": 1 })).toBe("12");
      expect(await found({ "items[*]": { sku: "b", count: 1 } })).toBe("2");
      expect(await found({ "items[*]": { sku: "b", count: { gte: 5 } } })).toBe("1");
      expect(await found({ "items[*].count": { gt: 1, lt: 6 } })).toBe("1");
      expect(await found({ "items[*]": { or: [{ sku: "a" }, { count: 9 }] } })).toBe("12");
      expect(await found({ "items[*]": { not: { sku: "b" } } })).toBe("1");
      expect(await found({ not: { "items[*]": { sku: "b", count: 1 } } })).toBe("134");
      expect(await found({ "items[*].parts[*]": { name: "x", size: 9 } })).toBe("1");
      const nested = { "items[*]": { count: 1, "parts[*]": { name: "x", size: { lt: 5 } } } };
      expect(await found(nested as never)).toBe("2");
    });

    it("are asked for in pages, counts and explanations", async () => {
      const users = handle();
      expect(await users.count({ "items[*].sku": "b" })).toBe(2);
      const filter = { "items[*]": { sku: "b", count: { gt: 0 } } } as const;
      const options = { orderBy: { id: "desc" }, limit: 1 } as const;
      const first = await users.find(filter, options).page();
      const second = await users.find(filter, { ...options, after: first.next }).page();
      expect([...first.rows, ...second.rows].map(({ id }) => id)).toEqual(["2", "1"]);
      expect(second.next).toBeUndefined();
      const { conditions } = await db.explain(
        "SELECT * FROM orders WHERE NOT items[*].parts[*].name LIKE 'x%'",
      );
      expect(conditions).toEqual([{ text: "NOT items[*].parts[*].name LIKE …", index: undefined }]);
      const explained = await users.find(filter).explain();
      expect(explained.conditions.map(({ text }) => text)).toEqual([
        "items[*].sku = …",
        "items[*].count > …",
      ]);
    });

    it("share a plan between a text and its filter", async () => {
      expect((await handle().find({ "items[*].sku": "r" }).explain()).cache).not.toBe("hit");
      await db.query("SELECT * FROM orders WHERE items[*].sku = 'q'");
      expect((await handle().find({ "items[*].sku": "r" }).explain()).cache).toBe("hit");
    });

    it("are refused where one place is needed, and beyond the limit", async () => {
      const users = handle();
      const message = /must name one place/;
      expect(() => users.find({}, { select: ["items[*].sku" as never] })).toThrow(message);
      expect(() => users.find({}, { orderBy: { "items[*].sku": "asc" } as never })).toThrow(message);
      await expect(users.update("1", { set: { "items[*].sku": "z" } as never })).rejects.toThrow(message);
      const deep = { "a[*].b[*]": { "c[*].d[*]": { "e[*]": 1 } } };
      await expect(users.find(deep as never).toArray()).rejects.toThrow(/at most 4 times within each other/);
      const beside = { or: [{ "a[*].b[*].c[*].d[*]": 1 }, { "a[*].b[*].c[*].e[*]": 1 }] };
      expect(await users.find(beside as never).toArray()).toEqual([]);
    });

    it("say which documents are changed and deleted", async () => {
      const name = `changed${how.length}`;
      await db.batchInsert(name, orders);
      const changed = db.collection<Order>(name);
      await db.query(`UPDATE ${name} SET seen = TRUE WHERE items[*].sku = $1 AND NOT items[*].count > 5`, [
        "b",
      ]);
      expect(await changed.find({ seen: true }, { select: ["id"] }).toArray()).toEqual([{ id: "1" }]);
      const taken = await changed.findOneAndUpdate(
        { "items[*]": { count: { gt: 5 } } },
        { set: { seen: false } },
      );
      expect(taken).toMatchObject({ id: "2", seen: false });
      await db.query(`DELETE FROM ${name} WHERE items[*].count IS NOT NULL`);
      expect((await changed.find({}, { orderBy: { id: "asc" } }).toArray()).map(({ id }) => id)).toEqual([
        "3",
        "4",
      ]);
    });
  });
}
