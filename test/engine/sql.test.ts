import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FormDB } from "../../src/engine/form-db.ts";
import { open } from "../../src/engine/open.ts";
import { failure } from "../support/failure.ts";
import { useFolder, usePostgres } from "../support/hooks.ts";

const folder = useFolder();
const server = usePostgres({ version: "18" });

describe.each([
  ["a SQLite file", () => `sqlite:${join(folder, "app.db")}`],
  ["SQLite in memory", () => "sqlite::memory:"],
  ["PostgreSQL", () => server.url],
])("sql on %s", (engine, url) => {
  const postgres = engine === "PostgreSQL";
  let db: FormDB;
  beforeAll(async () => {
    db = await open(url(), { pool: { acquireTimeoutMs: 2_000 } });
    await db.sql("CREATE TABLE orders (id INTEGER PRIMARY KEY, who TEXT NOT NULL, total BIGINT)");
    const rows = [
      [1, "a", 10],
      [2, "a", 30],
      [3, "b", 20],
    ] as const;
    for (const [id, who, total] of rows) {
      await db.sql`INSERT INTO orders (id, who, total) VALUES (${id}, ${who}, ${total})`;
    }
    await db.batchInsert("users", [
      { id: "a", name: "Ada" },
      { id: "b", name: "Bob" },
    ]);
  });
  afterAll(async () => {
    if (db === undefined) return;
    await db.sql("DROP TABLE orders");
    await db.close();
  });

  it("joins a collection with a table", async () => {
    const { rows } = await db.sql<{ name: string; n: number }>`
      SELECT u.doc ->> 'name' AS name, count(*) AS n FROM users u JOIN orders o ON o.who = u.id
      GROUP BY u.doc ->> 'name' ORDER BY 1`;
    expect(rows).toEqual([
      { name: "Ada", n: 2 },
      { name: "Bob", n: 1 },
    ]);
  });

  it("has window functions", async () => {
    const { rows } = await db.sql(
      "SELECT id, rank() OVER (PARTITION BY who ORDER BY total DESC) AS place FROM orders ORDER BY id",
    );
    expect(rows.map(({ place }) => place)).toEqual([2, 1, 1]);
  });

  it("searches full text", async () => {
    const text = "a quick brown fox";
    if (postgres) {
      const { rows } =
        await db.sql`SELECT to_tsvector('english', ${text}) @@ to_tsquery('english', ${"foxes"}) AS found`;
      expect(rows).toEqual([{ found: true }]);
      return;
    }
    await db.sql("CREATE VIRTUAL TABLE texts USING fts5(body)");
    await db.sql`INSERT INTO texts (body) VALUES (${text})`;
    expect((await db.sql`SELECT body FROM texts WHERE texts MATCH ${"fox"}`).rows).toEqual([{ body: text }]);
    await db.sql("DROP TABLE texts");
  });

  it("puts values, fragments and names where they stand", async () => {
    const { fragment, identifier } = db.sql;
    const condition = fragment`total > ${15} AND who = ${"a"}`;
    const { rows } = await db.sql`SELECT ${identifier("id")} FROM ${identifier("orders")}
      WHERE ${condition} AND id < ${10} ORDER BY ${identifier("id")}`;
    expect(rows).toEqual([{ id: 2 }]);
    const whole = fragment`SELECT ${"x' OR 1=1"} || ${"y"} AS text`;
    expect((await db.sql(whole, { timeoutMs: 10_000 })).rows).toEqual([{ text: "x' OR 1=1y" }]);
    await expect(db.sql`SELECT * FROM ${identifier('no"such')}`).rejects.toMatchObject({
      message: expect.stringMatching(/no\\?"such/),
    });
  });

  it("counts the rows that a statement changes, and gives those that it returns", async () => {
    expect(await db.sql`UPDATE orders SET total = total + ${0} WHERE who = ${"a"}`).toEqual({
      rows: [],
      rowCount: 2,
    });
    const returned = await db.sql`UPDATE orders SET total = 20 WHERE id = ${3} RETURNING id, total`;
    expect(returned).toEqual({ rows: [{ id: 3, total: 20 }], rowCount: 1 });
  });

  it("keeps whole numbers that a double can't hold", async () => {
    const big = 2n ** 60n + 1n;
    const { rows } = await db.sql`SELECT CAST(${big} AS BIGINT) AS big, CAST(${7} AS BIGINT) AS small`;
    expect(rows).toEqual([{ big, small: 7 }]);
  });

  it("gives all of a long result", async () => {
    const text =
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT i FROM n ORDER BY i";
    const { rows, rowCount } = await db.sql(text, [], { readOnly: true });
    expect([rowCount, rows.length, rows.at(-1)]).toEqual([5_000, 5_000, { i: 5_000 }]);
  });

  it("is part of a transaction by tx.sql, and undone with it", async () => {
    const undone = db.transaction(async (tx) => {
      await tx.sql`DELETE FROM orders WHERE who = ${"a"}`;
      expect((await tx.sql("SELECT id FROM orders")).rows).toEqual([{ id: 3 }]);
      await tx.sql("SAVEPOINT s");
      await tx.sql("DELETE FROM orders");
      await tx.sql("ROLLBACK TO s");
      expect((await tx.sql("SELECT id FROM orders")).rows).toEqual([{ id: 3 }]);
      throw new Error("no");
    });
    await expect(undone).rejects.toThrow("no");
    expect((await db.sql("SELECT count(*) AS n FROM orders")).rows).toEqual([{ n: 3 }]);
  });

  it("refuses to begin or end a transaction, and to write beside one", async () => {
    for (const text of ["BEGIN", "COMMIT", "/* x */ ROLLBACK", "SAVEPOINT a"]) {
      await expect(db.sql(text)).rejects.toMatchObject({ code: "FORMDB_UNSUPPORTED" });
    }
    await db.transaction(async (tx) => {
      await expect(tx.sql("COMMIT")).rejects.toMatchObject({ code: "FORMDB_UNSUPPORTED" });
      await expect(db.sql("DELETE FROM orders")).rejects.toMatchObject({ code: "FORMDB_UNSUPPORTED" });
    });
    expect((await db.sql("SELECT count(*) AS n FROM orders")).rows).toEqual([{ n: 3 }]);
  });

  it("refuses values that can't be bound", async () => {
    const place = postgres ? "$1" : "?";
    await expect(db.sql(`SELECT ${place}`, [undefined])).rejects.toMatchObject({
      code: "FORMDB_PARAMETER_MISMATCH",
    });
    await expect(db.sql(`SELECT ${place}`, [() => 1])).rejects.toMatchObject({
      code: "FORMDB_PARAMETER_MISMATCH",
    });
    for (const values of [[], [1, 2]]) {
      await expect(db.sql(`SELECT ${place}`, values)).rejects.toMatchObject({
        code: "FORMDB_PARAMETER_MISMATCH",
        message: expect.stringContaining("can't be given its values"),
      });
    }
    await expect(db.sql(`SELECT ${place}`, 5 as never)).rejects.toThrow("must be an array, not 5");
  });

  it("refuses values that can't be written before they are sent, so that a transaction goes on", async () => {
    const place = postgres ? "CAST($1 AS text)" : "?";
    const circular: unknown[] = [];
    circular.push({ circular });
    for (const value of [new Date(Number.NaN), circular, [2n, { big: 2n }]]) {
      const given = await db.transaction(async (tx) => {
        await expect(tx.sql(`SELECT ${place}`, [value])).rejects.toMatchObject({
          code: "FORMDB_PARAMETER_MISMATCH",
        });
        return (await tx.sql("SELECT 1 AS one")).rows;
      });
      expect(given).toEqual([{ one: 1 }]);
    }
  });

  it("refuses texts that hold no statement, or U+0000, behind which an engine would read no further", async () => {
    for (const text of ["", " ", "SELECT 1 \0 WHERE 1 = 2"]) {
      await expect(db.sql(text)).rejects.toMatchObject({ code: "FORMDB_SYNTAX" });
    }
  });

  it("is reported by its shape, without its literals", async () => {
    await db.sql("SELECT id FROM orders WHERE who = 'secret'");
    const shapes = db.statements().map(({ shape }) => shape);
    expect(shapes).toContain("SELECT id FROM orders WHERE who = ?");
    expect(shapes.join()).not.toContain("secret");
  });

  it("looks at the signal first, and ping goes to the engine", async () => {
    await expect(db.sql("SELECT 1", [], { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "FORMDB_ABORTED",
    });
    await expect(db.ping()).resolves.toBeUndefined();
  });
});

describe("sql on PostgreSQL", () => {
  it("is told of ? for a value, which is an operator elsewhere", async () => {
    await using db = await open(server.url);
    await expect(db.sql("SELECT ? AS n", [1])).rejects.toMatchObject({
      code: "FORMDB_PARAMETER_MISMATCH",
      message: expect.stringContaining("must be written $1 and so on for this engine, not ?"),
    });
    const { rows } = await db.sql(`SELECT '{"a":1}'::jsonb ? $1 AS has`, ["a"]);
    expect(rows).toEqual([{ has: true }]);
  });

  it("refuses more values than the protocol can count", async () => {
    await using db = await open(server.url);
    const values = Array.from({ length: 65_536 }, (_, i) => i);
    await expect(db.sql("SELECT $1", values)).rejects.toMatchObject({
      code: "FORMDB_PARAMETER_MISMATCH",
      message: expect.stringContaining("at most 65535 values, not 65536"),
    });
  });
});

describe.each([
  ["a SQLite file", () => `sqlite:${join(folder, "reads.db")}`],
  ["SQLite in memory", () => "sqlite::memory:"],
])("sql on %s", (_, url) => {
  it("refuses a write that is said to be a read, before it runs", async () => {
    await using db = await open(url());
    await db.insert("c", { id: "1" });
    await expect(db.sql("DELETE FROM c", [], { readOnly: true })).rejects.toMatchObject({
      code: "FORMDB_UNSUPPORTED",
    });
    expect(await db.get("c", "1")).toEqual({ id: "1" });
  });

  it("says of a write that failed that it was rejected", async () => {
    await using db = await open(url());
    await db.sql("CREATE TABLE numbers (n INTEGER PRIMARY KEY)");
    const twice = failure(db.sql("INSERT INTO numbers VALUES (1), (1)"));
    expect(await twice).toMatchObject({ outcome: "rejected" });
  });

  it("gives bytes as Buffers, on whichever thread the statement runs", async () => {
    await using db = await open(url());
    const kinds = new Set<unknown>();
    for (let run = 0; run < 50; run++) {
      const { rows } = await db.sql("SELECT x'0102' AS bytes");
      kinds.add((rows[0]!.bytes as object).constructor);
    }
    await db.sql("CREATE TABLE files (bytes BLOB)");
    for (const text of ["INSERT INTO files VALUES (x'03') RETURNING bytes", "SELECT bytes FROM files"]) {
      const { rows } = await db.transaction((tx) => tx.sql(text));
      kinds.add((rows[0]!.bytes as object).constructor);
    }
    expect([...kinds]).toEqual([Buffer]);
  });

  it("gives bytes as Buffers in all of a long result", async () => {
    await using db = await open(url());
    const numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)";
    const { rows } = await db.sql(`${numbers} SELECT x'0102' AS bytes FROM n`);
    expect(rows.filter(({ bytes }) => !Buffer.isBuffer(bytes))).toEqual([]);
    expect(rows).toHaveLength(5000);
  });
});

describe("sql on a SQLite file", () => {
  it("refuses values that can't be handed to another thread", async () => {
    await using db = await open(`sqlite:${join(folder, "values.db")}`);
    await db.sql("CREATE TABLE t (a)");
    await expect(db.sql("INSERT INTO t VALUES (?)", [{ f() {} }])).rejects.toMatchObject({
      code: "FORMDB_PARAMETER_MISMATCH",
      message: expect.stringContaining("can't be given its values"),
    });
    expect((await db.sql("SELECT a FROM t")).rows).toEqual([]);
  });

  it("is told of $1 for a value and of a table that is not there", async () => {
    await using db = await open(`sqlite:${join(folder, "places.db")}`);
    await expect(db.sql("SELECT $1", [1])).rejects.toMatchObject({
      code: "FORMDB_PARAMETER_MISMATCH",
      message: expect.stringContaining("each ? in SQLite's SQL is a value's place, and $1 is none"),
    });
    await expect(db.sql("SELECT * FROM nowhere")).rejects.toMatchObject({
      code: "FORMDB_UNKNOWN_COLLECTION",
      message: 'There is no collection or table "nowhere"',
    });
  });

  it("is answered by a reader while a transaction holds the writer", async () => {
    await using db = await open(`sqlite:${join(folder, "beside.db")}`);
    await db.insert("c", { id: "1" });
    await db.transaction(async (tx) => {
      await tx.delete("c", "1");
      expect((await db.sql("SELECT id FROM c")).rows).toEqual([{ id: "1" }]);
    });
  });
});

it("ping of a closed database is refused", async () => {
  const db = await open("sqlite::memory:");
  await db.close();
  await expect(db.ping()).rejects.toMatchObject({ code: "FORMDB_CLOSED" });
});

describe("sql on PostgreSQL, on one connection", () => {
  const one = { pool: { maxConnections: 1 } };

  it("refuses a COPY that waits for data", async () => {
    await using db = await open(server.url, one);
    await db.sql("CREATE TEMP TABLE copied (n int)");
    const copy = "COPY copied FROM STDIN";
    expect(await failure(db.sql(copy))).toMatchObject({ code: "FORMDB_UNSUPPORTED", outcome: "rejected" });
    const inTransaction = db.transaction((tx) => tx.sql(copy));
    expect(await failure(inTransaction)).toMatchObject({ code: "FORMDB_UNSUPPORTED", outcome: "rejected" });
    expect((await db.sql("SELECT count(*) AS n FROM copied")).rows).toEqual([{ n: 0 }]);
  });

  it("refuses a COPY whose data would be lost", async () => {
    await using db = await open(server.url, one);
    const error = await failure(db.sql("COPY (VALUES (1), (2)) TO STDOUT"));
    expect(error).toMatchObject({ code: "FORMDB_UNSUPPORTED", message: expect.stringContaining("SELECT") });
    expect((await db.sql("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
  });

  it("reads each cursor by its own columns, though all have one name", async () => {
    await using db = await open(server.url, one);
    const firstOf = (query: string): Promise<unknown> =>
      db.transaction(async (tx) => {
        await tx.sql(`DECLARE c CURSOR FOR ${query}`);
        return (await tx.sql("FETCH 1 FROM c")).rows[0];
      });
    expect(await firstOf("SELECT 1 AS n, true AS yes")).toEqual({ n: 1, yes: true });
    expect(await firstOf("SELECT 't' AS text, 2 AS m")).toEqual({ text: "t", m: 2 });
    expect(await firstOf("SELECT 1 AS a, 2 AS b, 3 AS c")).toEqual({ a: 1, b: 2, c: 3 });
  });

  it.each(["DEALLOCATE ALL", "DISCARD ALL"])(
    "%s costs no more than the statements that it drops",
    async (text) => {
      await using db = await open(server.url, one);
      const kept = async (): Promise<unknown> => {
        for (const n of [1, 2]) expect((await db.sql`SELECT ${n}::int AS n`).rows).toEqual([{ n }]);
        return (await db.sql("SELECT count(*) > 1 AS many FROM pg_prepared_statements")).rows[0];
      };
      expect(await kept()).toEqual({ many: true });
      await db.sql(text);
      await db.transaction((tx) => tx.sql`SELECT ${3}::int AS n`);
      expect(await kept()).toEqual({ many: true });
    },
  );
});
