import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FormDB, open } from "../../src/index.ts";
import { usePostgres } from "../support/hooks.ts";

const documents = Array.from({ length: 2_000 }, (_, n) => ({ id: `${n}`, age: n, name: `name ${n}` }));

const server = usePostgres();

describe.each(["SQLite", "PostgreSQL"])("an explanation on %s", (engine) => {
  let db: FormDB;

  beforeAll(async () => {
    db = await open(engine === "SQLite" ? "sqlite::memory:" : server.url);
    await db.batchInsert("people", documents);
    await db.createIndex("people", "age");
  });

  afterAll(() => db?.close());

  it("says of each condition whether an index leads to its documents, and counts that in the cost", async () => {
    const text = "SELECT * FROM people WHERE age = $1 AND NOT name LIKE 'x%'";
    expect(await db.explain(text, [5])).toMatchObject({
      cost: "indexed",
      index: "by_age",
      conditions: [
        { text: "age = …", index: "by_age" },
        { text: "NOT name LIKE …", index: undefined },
      ],
    });
    const { rows } = await db.query(`EXPLAIN ${text}`, [5]);
    expect(rows.map(({ plan }) => plan)).toContain("├─ where      age = …          by_age");
  });

  it("says that all documents are looked at where no index leads to them", async () => {
    expect(await db.explain("SELECT * FROM people WHERE name = 'x' AND age != 5")).toMatchObject({
      cost: "scan",
      indexes: [],
      conditions: [
        { text: "name = …", index: undefined },
        { text: "age != …", index: undefined },
      ],
    });
  });

  it("knows a look-up by id", async () => {
    expect(await db.explain("SELECT * FROM people WHERE 7 = id")).toMatchObject({
      cost: "point",
      index: "primary key",
      conditions: [{ text: "… = id", index: "primary key" }],
    });
  });
});
