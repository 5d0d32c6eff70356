import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type FormDB, open } from "../../src/index.ts";
import { useFolder, usePostgres } from "../support/hooks.ts";

const folder = useFolder();
const server = usePostgres();

interface Row {
  readonly call: (db: FormDB) => Promise<unknown>;
  readonly gives?: unknown;
}

const CALLS: Record<string, Row> = {
  "get()": { call: (db) => db.get("c", "1") },
  "get() of a handle": { call: (db) => db.collection("c").get("1") },
  "get() with the version": { call: (db) => db.collection("c").get("1", { version: true }) },
  "get() of many at once": {
    call: (db) => Promise.all(["1", "2", "3"].map((id) => db.get("c", id))),
    gives: [undefined, undefined, undefined],
  },
  "find()": { call: (db) => db.collection("c").find({ n: 1 }).toArray(), gives: [] },
  "get() in a transaction": { call: (db) => db.transaction((tx) => tx.get("c", "1")) },
  "find() in a transaction": {
    call: (db) => db.transaction((tx) => tx.collection("c").find({ n: 1 }).toArray()),
    gives: [],
  },
  "insert() in a transaction": {
    call: (db) => db.transaction((tx) => tx.insert("c", { id: "1" })),
    gives: "1",
  },
  "INSERT of several in a transaction": {
    call: (db) => db.transaction((tx) => tx.query('INSERT INTO c {"id": "1"}, {"id": "2"}')),
    gives: expect.objectContaining({ rowCount: 2 }),
  },
};

describe.each([
  ["a SQLite file", async (name: string) => `sqlite:${join(folder, `${name}.db`)}`],
  ["PostgreSQL", () => server.createDatabase()],
])("a collection that another process has dropped, on %s", (_, urlOf) => {
  it.each(Object.entries(CALLS))("is missed by %s at most once", async (name, { call, gives }) => {
    const url = await urlOf(name.replaceAll(/\W/g, "-"));
    await using db = await open(url);
    await db.insert("c", { id: "1", n: 1 });
    await using other = await open(url);
    await other.dropCollection("c");
    await call(db).catch((error) => expect(error).toMatchObject({ code: "FORMDB_UNKNOWN_COLLECTION" }));
    expect(await call(db)).toEqual(gives);
  });

  it("is named by explain() as any that is not there", async () => {
    const url = await urlOf("explained");
    await using db = await open(url);
    await db.insert("cats", { id: "1" });
    await db.insert("dogs", { id: "1" });
    await using other = await open(url);
    await other.dropCollection("cats");
    const explain = (): Promise<unknown> => db.explain("SELECT * FROM cats");
    await expect(explain()).rejects.toMatchObject({ code: "FORMDB_UNKNOWN_COLLECTION" });
    await expect(explain()).rejects.toThrow('there is "dogs"');
  });
});
