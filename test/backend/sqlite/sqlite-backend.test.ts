import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { Backend, Connection, GroupWrite } from "../../../src/backend/backend.ts";
import { sqliteBackend } from "../../../src/backend/sqlite/sqlite-backend.ts";
import { useFolderEach } from "../../support/hooks.ts";
import { change, never, statement } from "../../support/statements.ts";

function group(kind: GroupWrite["kind"], documents: Record<string, unknown>, token?: string): GroupWrite {
  const ids = Object.keys(documents).sort();
  return { kind, collection: "users", ids, json: ids.map((id) => JSON.stringify(documents[id])), token };
}

const folder = useFolderEach();

/** What the test has opened, closed at its end. */
const opened: { backend: Backend; writer: Connection }[] = [];
afterEach(async () => {
  for (const { backend, writer } of opened.splice(0)) {
    await writer.close();
    await backend.stop();
  }
});

async function started(url: string): Promise<{ backend: Backend; writer: Connection }> {
  const backend = sqliteBackend(url);
  await backend.start(never);
  const writer = await backend.connect("write", never);
  for (const text of backend.dialect.ddl.createCollection("users")) await writer.execute(change(text), []);
  opened.push({ backend, writer });
  return { backend, writer };
}

describe.each([["a file"], ["memory"]])("a connection to SQLite in %s", (place) => {
  const url = (): string => (place === "memory" ? "sqlite::memory:" : `sqlite:${join(folder(), "test.db")}`);

  async function withUniqueIndex(): Promise<Connection> {
    const { backend, writer } = await started(url());
    const index = { collection: "users", name: "n", paths: [["n"]], unique: true };
    for (const text of backend.dialect.ddl.createIndex(index)) await writer.execute(change(text), []);
    return writer;
  }

  it("writes a group in one transaction and says what was missing", async () => {
    const { writer } = await started(url());
    expect(await writer.write(group("insert", { a: { n: 1 }, b: { n: 2 } }))).toEqual({
      missing: [],
      rejected: [],
    });
    expect((await writer.write(group("insert", { b: { n: 3 }, c: { n: 4 } }))).missing).toEqual(["b"]);
    expect((await writer.write(group("update", { a: { m: 1 }, z: { m: 1 } }))).missing).toEqual(["z"]);
    expect((await writer.write(group("delete", { c: "", y: "" }))).missing).toEqual(["y"]);
    const found = await writer.getMany("users", ["a", "b", "c"]);
    expect(found.map(({ id, json }) => [id, JSON.parse(json)])).toEqual([
      ["a", { n: 1, m: 1 }],
      ["b", { n: 2 }],
    ]);
  });

  it("refuses single rows that break a unique index and keeps the others", async () => {
    const writer = await withUniqueIndex();
    const result = await writer.write(group("insert", { a: { n: 1 }, b: { n: 1 }, c: { n: 2 } }));
    expect(result.missing).toEqual([]);
    expect(result.rejected).toMatchObject([{ id: "b", error: { code: "FORMDB_CONSTRAINT" } }]);
    expect((await writer.getMany("users", ["a", "b", "c"])).map(({ id }) => id)).toEqual(["a", "c"]);
  });

  it("finds the rows at fault in a large group, and keeps all others", async () => {
    const writer = await withUniqueIndex();
    const key = (n: number): string => String(n).padStart(3, "0");
    await writer.write(group("insert", { [key(40)]: { n: -40 }, [key(130)]: { n: -130 } }));
    const many = Object.fromEntries(Array.from({ length: 150 }, (_, n) => [key(n), { n: n === 7 ? 6 : n }]));
    const inserted = await writer.write(group("insert", many));
    expect(inserted.missing).toEqual([key(40), key(130)]);
    expect(inserted.rejected.map(({ id }) => id)).toEqual([key(7)]);
    const upserted = await writer.write(group("upsert", { ...many, [key(8)]: { n: 9 } }));
    expect(upserted.missing).toEqual([]);
    expect(upserted.rejected.map(({ id }) => id)).toEqual([key(7), key(8)]);
    expect(await writer.getMany("users", Object.keys(many))).toHaveLength(149);
  });

  it("stores a token with what its group did, and forgets old ones", async () => {
    const { writer } = await started(url());
    await writer.write(group("insert", { a: {} }, "first"));
    const second = group("insert", { a: {}, b: {} }, "second");
    await writer.write(second);
    expect(await writer.lookUpToken(second)).toEqual({ missing: ["a"], rejected: [] });
    expect(await writer.lookUpToken({ ...second, token: "third" })).toBeUndefined();
    await writer.pruneTokens(-1_000);
    expect(await writer.lookUpToken(second)).toBeUndefined();
  });

  it("rolls back what a transaction did", async () => {
    const { writer } = await started(url());
    await writer.begin(undefined);
    await writer.write(group("insert", { a: {} }));
    expect(await writer.getMany("users", ["a"])).toHaveLength(1);
    await writer.rollback();
    expect(await writer.getMany("users", ["a"])).toHaveLength(0);
  });

  it("streams in chunks and can be left early", async () => {
    const { backend, writer } = await started(url());
    const many = Object.fromEntries(
      Array.from({ length: 1_200 }, (_, i) => [String(i).padStart(4, "0"), { i }]),
    );
    await writer.write(group("insert", many));
    const reader = await backend.connect("read", never);
    const select = statement('SELECT id FROM "users" ORDER BY id');
    let rows = 0;
    for await (const chunk of reader.stream(select, [])) rows += chunk.length;
    expect(rows).toBe(1_200);
    for await (const chunk of reader.stream(select, [])) {
      expect(chunk[0]).toEqual(["0000"]);
      break;
    }
    expect((await reader.execute(select, [])).rowCount).toBe(1_200);
    await reader.close();
  });

  it("names the collection that a statement misses", async () => {
    const { writer } = await started(url());
    await expect(writer.execute(statement("SELECT * FROM nowhere"), [])).rejects.toMatchObject({
      code: "FORMDB_UNKNOWN_COLLECTION",
      collection: "nowhere",
    });
  });
});

describe("a connection to a SQLite file", () => {
  it("reads by key on the caller's thread and finds what the writer has committed", async () => {
    const { backend, writer } = await started(`sqlite:${join(folder(), "test.db")}`);
    const reader = await backend.connect("read", never);
    const select = statement('SELECT json(doc) FROM "users" WHERE id = ?', { cost: "point" });
    expect((await reader.execute(select, ["a"])).rows).toEqual([]);
    await writer.write(group("insert", { a: { n: 1 } }));
    expect((await reader.execute(select, ["a"])).rows).toEqual([['{"n":1}']]);
    await reader.close();
  });

  it("is of no more use once a call in its worker was given up", async () => {
    const { backend } = await started(`sqlite:${join(folder(), "test.db")}`);
    const reader = await backend.connect("read", never);
    const endless = statement(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 30000000) SELECT max(i) FROM n",
    );
    await expect(reader.execute(endless, [], { timeoutMs: 30 })).rejects.toMatchObject({
      code: "FORMDB_TIMEOUT",
    });
    expect(reader.usable).toBe(false);
    await reader.close();
  });
});

describe("a place that can't be a SQLite database is refused", () => {
  it.each([
    ["a directory", "", "FORMDB_CONFIG", "is a directory"],
    ["a file in a folder that is not there", "no/app.db", "FORMDB_CONFIG", "no folder"],
    ["a file that is no database", "text.db", "FORMDB_CONNECT_FAILED", "no SQLite database"],
  ])("%s", async (_, path, code, message) => {
    writeFileSync(join(folder(), "text.db"), "a text and no database, whatever its name says\n".repeat(100));
    const started = async (): Promise<void> => sqliteBackend(`sqlite:${join(folder(), path)}`).start(never);
    await expect(started()).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  });

  it("for writing where it was opened for reading", async () => {
    const file = join(folder(), "app.db");
    const { writer } = await started(`sqlite:${file}`);
    await writer.close();
    const backend = sqliteBackend(`sqlite:${file}?mode=ro`);
    await backend.start(never);
    const reading = await backend.connect("write", never);
    await expect(reading.write(group("insert", { a: {} }))).rejects.toMatchObject({
      code: "FORMDB_UNSUPPORTED",
      message: expect.stringContaining("reading only"),
    });
    await reading.close();
  });
});
