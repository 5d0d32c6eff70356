import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Document } from "../src/base/document.ts";
import { FormDBError } from "../src/base/errors.ts";
import { type EngineProfile, PROFILES } from "../src/dialect/postgres/profiles.ts";
import type { DatabaseStats, FormDB } from "../src/engine/form-db.ts";
import type { Transaction } from "../src/index.ts";
import { MAX_INDEX_PATHS } from "../src/query/limits.ts";
import { failure } from "./support/failure.ts";

/** The calls of a database, wherever it is. */
type Database = Pick<FormDB, keyof FormDB>;

type Values = Parameters<Database["query"]>[1];

/** A database that is not opened here. */
export interface Remote {
  readonly stats: (db: Database) => Promise<DatabaseStats>;
}

/**
 * What every backend must do alike. Each backend's test gives a database of its own and runs all of it;
 * `npm run conformance -- --db URL` runs it against any server.
 */
export function describeConformance(
  name: string,
  openDatabase: () => Promise<Database>,
  remote?: Remote,
): void {
  describe(`${name} conforms`, () => {
    let db: Database;
    let profile: string;
    const made: string[] = [];
    /** Nobody else's collections are touched, whatever database this is run against. */
    const prefix = `conf_${randomBytes(4).toString("hex")}_`;

    beforeAll(async () => {
      db = await openDatabase();
      ({ profile } = await statsNow());
    });

    async function statsNow(): Promise<DatabaseStats> {
      return remote === undefined ? db.stats() : remote.stats(db);
    }

    afterAll(async () => {
      if (db === undefined) return;
      for (const collection of made) await db.dropCollection(collection);
      await db.close();
    });

    /** What the profile says that this engine can't do. SQLite has none, and can all of it. */
    function facts(): Pick<
      EngineProfile,
      "distributes" | "expressionIndexes" | "isolationLevels" | "nestsSubqueries" | "uniqueIndexes"
    > {
      return PROFILES[profile as keyof typeof PROFILES] ?? PROFILES.postgres;
    }

    /** A fresh collection with these documents. */
    async function collectionOf(documents: readonly unknown[] = []): Promise<string> {
      const collection = `${prefix}${made.length + 1}`;
      made.push(collection);
      await db.createCollection(collection);
      if (documents.length > 0) {
        expect(await db.batchInsert(collection, documents)).toEqual({
          successful: documents.length,
          failed: 0,
          errors: [],
        });
      }
      return collection;
    }

    async function rowsOf(text: string, parameters: Values = []): Promise<readonly Document[]> {
      return (await db.query(text, parameters)).rows;
    }

    async function ids(text: string, parameters: Values = []): Promise<unknown[]> {
      return (await rowsOf(text, parameters)).map((row) => row.id);
    }

    async function codeOf(work: Promise<unknown>): Promise<string> {
      return work.then(
        () => "no error",
        (error: unknown) => (error instanceof FormDBError ? error.code : String(error)),
      );
    }

    describe("documents", () => {
      const kinds: Readonly<Record<string, Document>> = {
        empty: {},
        "of scalars": {
          string: "text",
          integer: 42,
          fraction: 0.1,
          negative: -7,
          yes: true,
          no: false,
          nothing: null,
        },
        "with empty containers": { list: [], object: {}, text: "" },
        nested: { a: { b: { c: [1, [2, { d: "e" }], null] } } },
        "of Unicode": { text: "naïve 漢字 🎉 \u{10ffff} e\u0301 \ufeff\u2028", "ключ 🔑": 1 },
        "with control characters": { text: 'tab\t newline\n quote" backslash\\ \u0001\u001f' },
        "with big numbers": {
          max: Number.MAX_SAFE_INTEGER,
          min: Number.MIN_SAFE_INTEGER,
          huge: 1e300,
          tiny: 5e-324,
        },
        "with odd names": { "": 1, "a.b": 2, "x[0]": 3, 'quote"': 4, $where: 5, __proto: 6 },
        deep: deep(100),
        wide: Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`field${i}`, i])),
      };

      for (const [kind, document] of Object.entries(kinds)) {
        it(`${kind} come back as they went in`, async () => {
          const collection = await collectionOf();
          const id = await db.insert(collection, document);
          expect(await db.get(collection, id)).toEqual({ id, ...document });
          expect(await rowsOf(`SELECT * FROM ${collection}`)).toEqual([{ id, ...document }]);
        });
      }

      it("keep their own id, and show it as a string everywhere, a safe integer as its decimal digits", async () => {
        const collection = await collectionOf();
        expect(await db.insert(collection, { id: "a", n: 1 })).toBe("a");
        expect(await db.insert(collection, { n: 2, a: 0, id: 5 })).toBe("5");
        expect(await db.get(collection, "a")).toEqual({ id: "a", n: 1 });
        const five = { id: "5", n: 2, a: 0 };
        for (const id of [5, "5"]) {
          expect(await db.get(collection, id)).toEqual(five);
          const rows = await rowsOf(`SELECT * FROM ${collection} WHERE id = $1`, [id]);
          expect(rows).toEqual([five]);
          if (!remote) expect(await db.transaction((tx) => tx.get(collection, id))).toEqual(five);
        }
        expect(await rowsOf(`SELECT id FROM ${collection} ORDER BY id`)).toEqual([{ id: "5" }, { id: "a" }]);
        const all = await db.query(`SELECT * FROM ${collection} ORDER BY n DESC`);
        expect(all.rows.map((row) => row.id)).toEqual(["5", "a"]);
        for await (const row of db.stream(`SELECT * FROM ${collection} WHERE n = 2`))
          expect(row).toEqual(five);
        expect(await db.get(collection, "b")).toBeUndefined();
      });

      it.each([
        ["a number that is not finite", { a: { b: Number.NaN } }, "a.b"],
        ["U+0000", { a: "x\0y" }, "U+0000"],
        ["a lone surrogate", { a: "\ud800" }, "surrogate"],
        ["a BigInt", { a: 1n }, "BigInt"],
        ["nothing but an array", [1], "array"],
        ["null", null, "null"],
        ["a string", "text", "text"],
      ])("with %s are refused by name", async (_, document, mentioned) => {
        const collection = await collectionOf();
        await expect(db.insert(collection, document)).rejects.toMatchObject({
          code: "FORMDB_INVALID_DOCUMENT",
          message: expect.stringContaining(mentioned),
        });
      });

      it.each([[""], [1.5], [true], [null], [{}], [2 ** 60]])("with the id %j are refused", async (id) => {
        const collection = await collectionOf();
        expect(await codeOf(db.insert(collection, { id }))).toBe("FORMDB_INVALID_ID");
      });
    });

    describe("writes", () => {
      it("insert refuses an id that is taken and keeps the first document", async () => {
        const collection = await collectionOf([{ id: "1", n: 1 }]);
        expect(await codeOf(db.insert(collection, { id: "1", n: 2 }))).toBe("FORMDB_DUPLICATE_ID");
        expect(await db.get(collection, "1")).toEqual({ id: "1", n: 1 });
      });

      it("upsert inserts, then replaces", async () => {
        const collection = await collectionOf();
        await db.upsert(collection, { id: "1", a: 1, b: 2 });
        await db.upsert(collection, { id: "1", a: 3 });
        expect(await db.get(collection, "1")).toEqual({ id: "1", a: 3 });
      });

      it("update of a missing id is NOT_FOUND, delete of one says false", async () => {
        const collection = await collectionOf([{ id: "1" }]);
        expect(await codeOf(db.update(collection, "2", { a: 1 }))).toBe("FORMDB_NOT_FOUND");
        expect(await db.delete(collection, "2")).toBe(false);
        expect(await db.delete(collection, "1")).toBe(true);
        expect(await db.get(collection, "1")).toBeUndefined();
      });

      // The examples of RFC 7396, appendix A, whose targets and results are objects.
      it.each([
        [{ a: "b" }, { a: "c" }, { a: "c" }],
        [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
        [{ a: "b" }, { a: null }, {}],
        [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
        [{ a: ["b"] }, { a: "c" }, { a: "c" }],
        [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
        [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
        [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
        [{ e: null }, { a: 1 }, { e: null, a: 1 }],
        [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
        [{ a: { b: 1 } }, {}, { a: { b: 1 } }],
        [{ a: 1 }, { a: { b: null, c: { d: null, e: [null] } } }, { a: { c: { e: [null] } } }],
      ])("update merges %j with %j by RFC 7396", async (document, patch, merged) => {
        const collection = await collectionOf([{ id: "1", ...document }]);
        await db.update(collection, "1", patch);
        expect(await db.get(collection, "1")).toEqual({ id: "1", ...merged });
      });

      it("a batch gives each operation its own outcome, by index", async () => {
        const collection = await collectionOf([{ id: "2" }]);
        const result = await db.batchInsert(collection, [
          { id: "1" },
          { id: "2" },
          { n: Number.NaN },
          { id: "3" },
          "no",
        ]);
        expect(result).toMatchObject({ successful: 2, failed: 3 });
        expect(result.errors.map(({ index, code, outcome }) => ({ index, code, outcome }))).toEqual([
          { index: 1, code: "FORMDB_DUPLICATE_ID", outcome: "rejected" },
          { index: 2, code: "FORMDB_INVALID_DOCUMENT", outcome: "rejected" },
          { index: 4, code: "FORMDB_INVALID_DOCUMENT", outcome: "rejected" },
        ]);
        expect(await ids(`SELECT id FROM ${collection} ORDER BY id`)).toEqual(["1", "2", "3"]);
      });

      it("a batch of updates and of deletes reports what was not there", async () => {
        const collection = await collectionOf([{ id: "1" }, { id: "2" }]);
        const updated = await db.batchUpdate(collection, [
          { id: "1", document: { n: 1 } },
          { id: "9", document: { n: 9 } },
        ]);
        expect(updated).toMatchObject({
          successful: 1,
          failed: 1,
          errors: [{ index: 1, code: "FORMDB_NOT_FOUND", id: "9" }],
        });
        expect(await db.batchDelete(collection, ["1", "9", "2"])).toMatchObject({ successful: 3, failed: 0 });
        expect(await ids(`SELECT id FROM ${collection}`)).toEqual([]);
      });

      it("operations on one id keep their order", async () => {
        const collection = await collectionOf();
        const results = await Promise.allSettled([
          db.insert(collection, { id: "1", n: 0 }),
          db.update(collection, "1", { n: 1 }),
          db.delete(collection, "1"),
          db.update(collection, "1", { n: 2 }),
          db.insert(collection, { id: "1", n: 3 }),
          db.update(collection, "1", { m: 4 }),
        ]);
        expect(results.map(({ status }) => status)).toEqual([
          "fulfilled",
          "fulfilled",
          "fulfilled",
          "rejected",
          "fulfilled",
          "fulfilled",
        ]);
        expect(await db.get(collection, "1")).toEqual({ id: "1", n: 3, m: 4 });
      });

      it.each(["$inc", "$set", "$"])(
        "a patch with the field %j is refused, wherever it is given",
        async (name) => {
          const collection = await collectionOf([{ id: "1", n: 1 }]);
          const patch = { [name]: { n: 1 } };
          const refused = {
            code: "FORMDB_INVALID_DOCUMENT",
            path: name,
            message: expect.stringContaining("operators"),
          };
          await expect(db.update(collection, "1", patch)).rejects.toMatchObject(refused);
          if (!remote) {
            const inside = db.transaction((tx) => tx.update(collection, "1", patch));
            await expect(inside).rejects.toMatchObject(refused);
          }
          expect(await db.batchUpdate(collection, [{ id: "1", document: patch }])).toMatchObject({
            errors: [{ code: "FORMDB_INVALID_DOCUMENT", outcome: "rejected" }],
          });
          await db.update(collection, "1", { below: patch });
          expect(await db.get(collection, "1")).toEqual({ id: "1", n: 1, below: patch });
        },
      );

      it("a patch must not have another id than its own, in a transaction too", async () => {
        const collection = await collectionOf([{ id: "1" }]);
        expect(await codeOf(db.update(collection, "1", { id: "2" }))).toBe("FORMDB_INVALID_ID");
        if (remote) return;
        const inside = db.transaction((tx) => tx.update(collection, "1", { id: "2" }));
        expect(await codeOf(inside)).toBe("FORMDB_INVALID_ID");
      });

      it("many concurrent writes are all there, each once", async () => {
        const collection = await collectionOf();
        await Promise.all(Array.from({ length: 500 }, (_, n) => db.insert(collection, { id: `d${n}`, n })));
        const rows = await rowsOf(`SELECT COUNT(*) AS n, SUM(n) AS total FROM ${collection}`);
        expect(rows).toEqual([{ n: 500, total: 124_750 }]);
      });

      it("an import reads any iterable, rejects by index, and can be run again", async () => {
        const collection = await collectionOf();
        async function* source(): AsyncGenerator<unknown> {
          for (let n = 0; n < 2_500; n++) yield n === 7 ? "bad" : { id: `d${n % 2_400}`, n: n % 2_400 };
        }
        const first = await db.import(collection, source());
        expect(first).toMatchObject({ read: 2_500, successful: 2_400, failed: 100, unchanged: 0 });
        expect(first.errors[0]).toMatchObject({ index: 7, code: "FORMDB_INVALID_DOCUMENT" });
        const again = await db.import(
          collection,
          Array.from({ length: 2_400 }, (_, n) => ({ id: `d${n}`, n: n === 5 ? -1 : n })),
          { ifExists: "skip-identical" },
        );
        expect(again).toMatchObject({ read: 2_400, successful: 0, unchanged: 2_399, failed: 1 });
        expect(again.errors).toMatchObject([{ index: 5, code: "FORMDB_DUPLICATE_ID" }]);
      });
    });

    describe("queries", () => {
      const people: readonly Document[] = [
        { id: "1", name: "Ada", age: 36, tags: ["math", "engine"], address: { city: "London" } },
        { id: "2", name: "Grace", age: 45, tags: ["navy"], address: { city: "New York" } },
        { id: "3", name: "Barbara", age: null, tags: [], active: true },
        { id: "4", name: "ada", age: "36", active: false },
        { id: "5", name: "Éva", tags: "math", address: "none" },
      ];
      const conditions: readonly (readonly [string, readonly unknown[], readonly string[]])[] = [
        ["age = $1", [36], ["1"]],
        ["age = $1", ["36"], ["4"]],
        ["age != $1", [36], ["2", "4"]],
        ["age > $1", [36], ["2"]],
        ["age >= $1", [36], ["1", "2"]],
        ["age < $1", [100], ["1", "2"]],
        ["age BETWEEN 40 AND 50", [], ["2"]],
        ["age NOT BETWEEN 40 AND 50", [], ["1", "4"]],
        ["age IN (36, 45)", [], ["1", "2"]],
        ["age IN $1", [[36, "36"]], ["1", "4"]],
        ["age NOT IN (36)", [], ["2", "4"]],
        ["age IN $1", [[]], []],
        ["age IS NULL", [], ["3", "5"]],
        ["age IS NOT NULL", [], ["1", "2", "4"]],
        ["age = NULL", [], []],
        ["NOT age = $1", [36], ["2", "4"]],
        ["NOT (age = 36 OR name = 'Grace')", [], ["4"]],
        ["active = TRUE", [], ["3"]],
        ["active = false", [], ["4"]],
        ["active = 1", [], []],
        ["active != 1", [], ["3", "4"]],
        ["name LIKE 'A%'", [], ["1"]],
        ["name LIKE '_da'", [], ["1", "4"]],
        ["name NOT LIKE '%a%'", [], []],
        ["name LIKE $1", ["É%"], ["5"]],
        ["tags CONTAINS 'math'", [], ["1", "5"]],
        ["name CONTAINS 'ar'", [], ["3"]],
        ["tags[0] = 'math'", [], ["1"]],
        ["tags[*] = 'math'", [], ["1"]],
        ["tags[*] != $1", ["math"], ["1", "2"]],
        ["NOT tags[*] = 'math'", [], ["2", "3", "4", "5"]],
        ["tags[*] LIKE '%a%'", [], ["1", "2"]],
        ["tags[*] IN $1", [["navy", "engine"]], ["1", "2"]],
        ["tags = $1", [["math", "engine"]], ["1"]],
        ["address.city = 'London'", [], ["1"]],
        ["address = $1", [{ city: "London" }], ["1"]],
        ["name > 'Ada' AND name < 'b'", [], ["2", "3", "4"]],
        ["name > 'z'", [], ["5"]],
        ["id = 1", [], ["1"]],
        ["id IN ('2', '3')", [], ["2", "3"]],
      ];
      let collection: string;

      beforeAll(async () => {
        collection = await collectionOf(people);
      });

      it.each(conditions)("WHERE %s with %j finds %j", async (condition, parameters, expected) => {
        const found = await ids(`SELECT id FROM ${collection} WHERE ${condition} ORDER BY id`, parameters);
        expect(found).toEqual(expected);
      });

      it("order by type: NULL, booleans, numbers, strings, arrays, objects; ties by id", async () => {
        const values = [{ a: 1 }, [1], "b", "B", "a\u{1f600}", "a\uffee", 10, 9, -1, true, false, null];
        const mixed = await collectionOf(
          values.map((v, i) => ({ id: String.fromCharCode(97 + i), v })).concat([{ id: "z" } as never]),
        );
        const ascending = await ids(`SELECT id FROM ${mixed} ORDER BY v`);
        expect(ascending).toEqual(["l", "z", "k", "j", "i", "h", "g", "d", "f", "e", "c", "b", "a"]);
        const descending = await ids(`SELECT id FROM ${mixed} ORDER BY v DESC`);
        expect(descending).toEqual(["a", "b", "c", "e", "f", "d", "g", "h", "i", "j", "k", "l", "z"]);
      });

      it("page through an order with LIMIT and OFFSET", async () => {
        expect(await ids(`SELECT id FROM ${collection} ORDER BY id LIMIT 2`)).toEqual(["1", "2"]);
        expect(await ids(`SELECT id FROM ${collection} ORDER BY id LIMIT $1 OFFSET $2`, [2, 3])).toEqual([
          "4",
          "5",
        ]);
        expect(await ids(`SELECT id FROM ${collection} ORDER BY id DESC OFFSET 4`)).toEqual(["1"]);
      });

      it("aggregate and group", async () => {
        const sales = await collectionOf([
          { id: "1", city: "a", n: 1 },
          { id: "2", city: "a", n: 2 },
          { id: "3", city: "b", n: 4 },
          { id: "4", n: "x" },
          { id: "5", city: null, n: null },
        ]);
        const all = "COUNT(*) AS all, COUNT(n) AS some, SUM(n) AS s, AVG(n) AS a, MIN(n) AS lo, MAX(n) AS hi";
        expect(await rowsOf(`SELECT ${all} FROM ${sales}`)).toEqual([
          { all: 5, some: 4, s: 7, a: 7 / 3, lo: 1, hi: "x" },
        ]);
        const grouped = `SELECT city, COUNT(*) AS n, SUM(n) AS s FROM ${sales} GROUP BY city ORDER BY city`;
        expect(await rowsOf(grouped)).toEqual([
          { city: null, n: 2, s: null },
          { city: "a", n: 2, s: 3 },
          { city: "b", n: 1, s: 4 },
        ]);
        expect(await rowsOf(`SELECT SUM(n) AS s, COUNT(*) AS n FROM ${sales} WHERE id = 'none'`)).toEqual([
          { s: null, n: 0 },
        ]);
      });

      it("HAVING says which groups are given", async () => {
        const sales = await collectionOf([
          { id: "1", city: "a", n: 1 },
          { id: "2", city: "a", n: 2 },
          { id: "3", city: "b", n: 4 },
          { id: "4", city: "c", n: "x" },
          { id: "5", n: 7 },
          { id: "6", n: null },
        ]);
        const cities = async (having: string, parameters: readonly unknown[] = []) => {
          const text = `SELECT city, COUNT(*) AS docs FROM ${sales} GROUP BY city HAVING ${having} ORDER BY city`;
          return (await rowsOf(text, parameters)).map(({ city }) => city);
        };
        expect(await cities("COUNT(*) > $1", [1])).toEqual([null, "a"]);
        expect(await cities("docs > 1 AND SUM(n) >= 5")).toEqual([null]);
        expect(await cities("AVG(n) = 1.5")).toEqual(["a"]);
        expect(await cities("NOT AVG(n) > 1.5")).toEqual(["a"]);
        expect(await cities("AVG(n) IS NULL")).toEqual(["c"]);
        expect(await cities("MIN(n) = MAX(n) AND city IS NOT NULL")).toEqual(["b", "c"]);
        expect(await cities("MIN(n) < 3 OR MAX(n) LIKE 'x%'")).toEqual(["a", "c"]);
        expect(await cities("city IN ('b', 'c') AND COUNT(DISTINCT n) NOT BETWEEN 2 AND 9")).toEqual([
          "b",
          "c",
        ]);
        const all = (having: string) => rowsOf(`SELECT COUNT(*) AS n FROM ${sales} HAVING ${having}`);
        expect(await all("COUNT(city) = 4")).toEqual([{ n: 6 }]);
        expect(await all("n > 6")).toEqual([]);
        expect(await codeOf(db.query(`SELECT city FROM ${sales} GROUP BY city HAVING n > 1`))).toBe(
          "FORMDB_SYNTAX",
        );
      });

      it("LOWER and UPPER of the letters from A to Z, in conditions, columns, groups and orders", async () => {
        const names = await collectionOf(
          ["Ada", "ADA", "Åse", "ÅSE", "ada", 5, null].map((name, i) => ({ id: `${i}`, name })),
        );
        const where = (condition: string, ...parameters: unknown[]) =>
          ids(`SELECT id FROM ${names} WHERE ${condition} ORDER BY id`, parameters);
        expect(await where("LOWER(name) = $1", "ada")).toEqual(["0", "1", "4"]);
        expect(await where("UPPER(name) IN ('ÅSE', 'X')")).toEqual(["2", "3"]);
        expect(await where("lower(name) IS NULL")).toEqual(["5", "6"]);
        expect(await where("NOT LOWER(name) LIKE 'a%'")).toEqual(["2", "3"]);
        const grouped = `SELECT LOWER(name), COUNT(*) AS n FROM ${names} GROUP BY LOWER(name) ORDER BY LOWER(name) DESC`;
        expect(await rowsOf(grouped)).toEqual([
          { "LOWER(name)": "Åse", n: 2 },
          { "LOWER(name)": "ada", n: 3 },
          { "LOWER(name)": null, n: 2 },
        ]);
        const ordered = `SELECT id FROM ${names} WHERE name LIKE '_d%' OR name LIKE '_D%' ORDER BY UPPER(name), name LIMIT 2`;
        expect(await ids(ordered)).toEqual(["1", "0"]);
        expect(await rowsOf(`SELECT COUNT(DISTINCT UPPER(name)) AS n FROM ${names}`)).toEqual([{ n: 2 }]);
        expect(await rowsOf(`SELECT DISTINCT UPPER(name) AS u FROM ${names} WHERE name > ''`)).toHaveLength(
          2,
        );
      });

      it("project paths, with names, missing ones as null", async () => {
        const rows = await rowsOf(
          `SELECT name, address.city AS city, tags[1] AS second FROM ${collection} WHERE id IN (1, 3) ORDER BY id`,
        );
        expect(rows).toEqual([
          { name: "Ada", city: "London", second: "engine" },
          { name: "Barbara", city: null, second: null },
        ]);
      });

      it("take parameters by position, in order, and by name", async () => {
        const text = `SELECT id FROM ${collection} WHERE name =`;
        expect(await ids(`${text} $1`, ["Ada"])).toEqual(["1"]);
        expect(await ids(`${text} ?`, ["Ada"])).toEqual(["1"]);
        expect(await ids(`${text} :name`, { name: "Ada" })).toEqual(["1"]);
        expect(await codeOf(db.query(`${text} $1`, []))).toBe("FORMDB_PARAMETER_MISMATCH");
        expect(await codeOf(db.query(`${text} $1`, ["a", "b"]))).toBe("FORMDB_PARAMETER_MISMATCH");
        // What NOT IN of such a list means holds for every document.
        const notIn = db.query(`DELETE FROM ${collection} WHERE id NOT IN ($1)`, [["1", "2"]]);
        await expect(notIn).rejects.toMatchObject({
          code: "FORMDB_PARAMETER_MISMATCH",
          message: expect.stringContaining("IN $1 takes its elements, and = $1 compares with the array"),
        });
        expect(await ids(`SELECT id FROM ${collection} WHERE id IN $1 ORDER BY id`, [["1", "2"]])).toEqual([
          "1",
          "2",
        ]);
        expect(await codeOf(db.query(`${text} :name`, { nam: "Ada" }))).toBe("FORMDB_PARAMETER_MISMATCH");
      });

      it("INSERT, UPDATE and DELETE as texts", async () => {
        const written = await collectionOf();
        const inserted = await db.query(`INSERT INTO ${written} {"id": "1", "a": {"b": 1}, "n": 1}`);
        expect(inserted).toEqual({ rows: [{ id: "1" }], rowCount: 1 });
        await db.query(`INSERT INTO ${written} $1`, [{ id: "2", n: 2 }]);
        const update = `UPDATE ${written} SET a.c = $1, n = NULL, x.y.z = true WHERE id = '1'`;
        expect((await db.query(update, [[1]])).rowCount).toBe(1);
        expect(await db.get(written, "1")).toEqual({
          id: "1",
          a: { b: 1, c: [1] },
          n: null,
          x: { y: { z: true } },
        });
        const computing = async (set: string, where: string): Promise<unknown> =>
          db.query(`UPDATE ${written} SET ${set} WHERE ${where}`).then(
            ({ rowCount }) => rowCount,
            ({ code, message }: FormDBError) => `${code}: ${message}`,
          );
        const failed = "FORMDB_CONSTRAINT: The UPDATE failed, and no document was changed: the result of";
        expect(await computing("n = 6 / (n - 2), m = 1", "TRUE = x.y.z OR n = 2")).toMatch(
          facts().nestsSubqueries
            ? `${failed} 6 / 0 must be a finite number`
            : /^FORMDB_UNSUPPORTED: Arithmetic in SET can be one operation on/,
        );
        expect(await computing("n = 6 / n, m = 1", "TRUE = x.y.z OR n = 2")).toBe(2);
        expect(await computing("n = n - 1, m = NULL", "n = 3")).toBe(1);
        expect(await computing("n = n / 0", "id = '2'")).toBe(`${failed} 2 / 0 must be a finite number`);
        expect(await computing("n = n * 1e308", "id = '2'")).toMatch(
          /the result of 2 \* 1e\+308 must be a finite number$/,
        );
        // What the text itself calculates fails whether a document matches or not.
        expect(await computing("n = n + 1 / 0", "id = 'none'")).toBe(
          "FORMDB_CONSTRAINT: The UPDATE can't be run: the result of 1 / 0 must be a finite number",
        );
        expect(await computing("n = n / 0", "id = 'none'")).toBe(0);
        expect(await computing("n = n / 0", "id = '1'")).toBe(1);
        expect(await computing("n = 6 / n", "n != 0")).toBe(1);
        expect(await ids(`SELECT id FROM ${written} WHERE n = 3 AND m IS NULL`)).toEqual(["2"]);
        expect((await db.query(`DELETE FROM ${written} WHERE n = 3`)).rowCount).toBe(1);
        expect((await db.query(`DELETE FROM ${written}`)).rowCount).toBe(1);
        expect(await ids(`SELECT * FROM ${written}`)).toEqual([]);
      });

      it("INSERT of several documents gives their ids in order, and inserts all or none", async () => {
        const written = await collectionOf([{ id: "old", n: 0 }]);
        const all = async () => ids(`SELECT id FROM ${written} ORDER BY id`);
        const text = `INSERT INTO ${written}`;
        expect(await db.query(`${text} {"id": "c"}, {"id": "a", "n": 1}, {"id": 7}`)).toEqual({
          rows: [{ id: "c" }, { id: "a" }, { id: "7" }],
          rowCount: 3,
        });
        const { rows, rowCount } = await db.query(`${text} {"id": "x"}, $1, {"n": 2}`, [[{ id: "y" }, {}]]);
        expect(rowCount).toBe(4);
        expect([rows[0], rows[1]]).toEqual([{ id: "x" }, { id: "y" }]);
        expect(await db.get(written, rows[3]!.id as string)).toEqual({ id: rows[3]!.id, n: 2 });
        expect(await db.query(`${text} $1`, [[]])).toEqual({ rows: [], rowCount: 0 });
        expect(await db.query(`${text} :docs`, { docs: [{ id: "z" }] })).toEqual({
          rows: [{ id: "z" }],
          rowCount: 1,
        });
        const before = await all();
        const refused = (documents: unknown) => failure(db.query(`${text} $1`, [documents]));
        const taken = await refused([{ id: "new" }, { id: "old" }, { id: "newer" }]);
        expect(taken).toMatchObject({
          code: "FORMDB_DUPLICATE_ID",
          id: "old",
          index: 1,
          collection: written,
        });
        expect(taken.message).toContain('"old"');
        expect(await refused([{ id: "new" }, { id: "same" }, { id: "same" }])).toMatchObject({
          code: "FORMDB_DUPLICATE_ID",
          id: "same",
          index: 2,
        });
        expect(await refused([{ id: "new" }, "text"])).toMatchObject({
          code: "FORMDB_INVALID_DOCUMENT",
          index: 1,
        });
        expect(await refused([{ id: "new" }, { id: "" }])).toMatchObject({
          code: "FORMDB_INVALID_ID",
          index: 1,
        });
        expect(await all()).toEqual(before);
        expect(await db.get(written, "old")).toEqual({ id: "old", n: 0 });
        const many = Array.from({ length: 2_500 }, (_, n) => ({ id: `m${String(n).padStart(4, "0")}`, n }));
        expect(await refused([...many, { id: "a" }])).toMatchObject({ code: "FORMDB_DUPLICATE_ID", id: "a" });
        expect(await all()).toEqual(before);
        expect((await db.query(`${text} $1`, [many])).rowCount).toBe(2_500);
        expect(await ids(`SELECT id FROM ${written} WHERE n = 2499`)).toEqual(["m2499"]);
        // The first documents make their collection.
        made.push(`${written}_too`);
        await db.query(`INSERT INTO ${written}_too {"id": "1"}, {"id": "2"}`);
        expect(await ids(`SELECT id FROM ${written}_too ORDER BY id`)).toEqual(["1", "2"]);
      });

      it("stream all rows, and may be left early", async () => {
        const many = await collectionOf(
          Array.from({ length: 2_100 }, (_, n) => ({ id: String(n).padStart(5, "0"), n })),
        );
        let sum = 0;
        for await (const row of db.stream(`SELECT n FROM ${many} ORDER BY id`)) sum += row.n as number;
        expect(sum).toBe((2_099 * 2_100) / 2);
        for await (const row of db.stream(`SELECT n FROM ${many} ORDER BY id`)) {
          expect(row).toEqual({ n: 0 });
          break;
        }
        await expect.poll(async () => (await statsNow()).pool.inUse).toBe(0);
      });

      it("an aborted signal ends a call before it begins", async () => {
        const options = { signal: AbortSignal.abort(new Error("enough")) };
        expect(await codeOf(db.query(`SELECT * FROM ${collection}`, [], options))).toBe("FORMDB_ABORTED");
        expect(await codeOf(db.get(collection, "1", options))).toBe("FORMDB_ABORTED");
      });

      it("EXPLAIN names the shape, the statement and how the cache answered", async () => {
        const text = `SELECT name FROM ${collection} WHERE age > 7654321 AND name = 'x'`;
        const first = await db.explain(text);
        expect(first).toMatchObject({ kind: "select", collection, cache: "cold" });
        expect(first.statement).not.toContain("7654321");
        expect(await db.explain(text.replace("7654321", "7654322"))).toMatchObject({
          cache: "hit",
          shape: first.shape,
        });
        const rows = await rowsOf(`EXPLAIN ${text}`);
        expect(rows.length).toBeGreaterThan(2);
      });
    });

    describe("schema", () => {
      it("an unknown collection is an error that names the nearest", async () => {
        const collection = await collectionOf();
        for (const where of ["", "WHERE id = '1'"]) {
          await expect(db.query(`SELECT * FROM ${collection}x ${where}`)).rejects.toMatchObject({
            code: "FORMDB_UNKNOWN_COLLECTION",
            message: expect.stringContaining(collection),
          });
        }
        expect(await codeOf(db.query("UPDATE nowhere_at_all SET a = 1"))).toBe("FORMDB_UNKNOWN_COLLECTION");
        expect(await codeOf(db.createIndex("nowhere_at_all", "a"))).toBe("FORMDB_UNKNOWN_COLLECTION");
      });

      it("an index is not made over what only looks like a path, but over a field of that name by a query", async () => {
        const collection = await collectionOf([{ id: "1", "LENGTH(name)": 1 }]);
        for (const [text, rule] of [
          ["LENGTH(name)", "no other function"],
          ["LOWER(TRIM(a.b))", "no other function"],
          ["name DESC", "no ASC or DESC"],
          ["city, age", "an array of them"],
          ["a b(", "no other function"],
          ["items.*.sku", "as in items[*].sku"],
        ] as const) {
          await expect(db.createIndex(collection, text)).rejects.toMatchObject({
            code: "FORMDB_CONFIG",
            message: expect.stringContaining(rule),
          });
          await db.query(`CREATE INDEX ON ${collection} (\`${text}\`)`);
        }
        expect((await db.listIndexes(collection)).length).toBe(6);
      });

      it("a collection that is not there yet is as good as an empty one for calls by id and by filter", async () => {
        const collection = await collectionOf();
        const missing = `${collection}x`;
        const handle = db.collection(missing);
        const change = { set: { a: 1 } };
        for (const [get, remove] of [
          [() => db.get(missing, "1"), () => db.delete(missing, "1")],
          [() => handle.get("1"), () => handle.delete("1")],
          [() => handle.findOne({}), () => handle.delete("1", { ifVersion: 1 })],
        ] as const) {
          expect(await get()).toBeUndefined();
          expect(await remove()).toBe(false);
        }
        expect(await handle.get("1", { version: true })).toBeUndefined();
        expect(await handle.find().toArray()).toEqual([]);
        expect(await handle.count()).toBe(0);
        for await (const { id } of handle.find()) expect.unreachable(String(id));
        expect(await db.batchDelete(missing, ["1"])).toMatchObject({ successful: 1, failed: 0 });
        const { errors } = await db.batchUpdate(missing, [{ id: "1", document: {} }]);
        expect(errors).toMatchObject([{ code: "FORMDB_NOT_FOUND", id: "1" }]);
        for (const update of [
          () => db.update(missing, "1", {}),
          () => handle.update("1", change),
          () => handle.replace("1", {}),
        ]) {
          await expect(update()).rejects.toMatchObject({
            code: "FORMDB_NOT_FOUND",
            message: expect.stringContaining(`no collection "${missing}"; did you mean "${collection}"?`),
          });
        }
        expect(await db.listCollections()).not.toContain(missing);
      });

      it.each([
        ['a"; drop table x'],
        [""],
        ["x".repeat(200)],
        ["1a"],
        ["sqlite_x"],
        ["formdb_indexes"],
        ["a b"],
      ])("the collection name %j is refused", async (name) => {
        expect(await codeOf(db.insert(name, { a: 1 }))).toBe("FORMDB_CONFIG");
        expect(await codeOf(db.createCollection(name))).toBe("FORMDB_CONFIG");
      });

      it("a collection can be dropped and made again, with no stale plan served", async () => {
        const collection = await collectionOf([{ id: "1", n: 1 }]);
        const text = `SELECT * FROM ${collection} WHERE n = 1`;
        expect(await ids(text)).toEqual(["1"]);
        expect(await db.dropCollection(collection)).toBe(true);
        expect(await db.dropCollection(collection)).toBe(false);
        expect(await codeOf(db.query(text))).toBe("FORMDB_UNKNOWN_COLLECTION");
        await db.query(`CREATE COLLECTION ${collection}`);
        expect(await ids(text)).toEqual([]);
        await db.insert(collection, { id: "2", n: 1 });
        expect(await ids(text)).toEqual(["2"]);
      });

      it("an index is used, listed and dropped, or refused where the engine has none", async () => {
        // Of fewer a planner would rather read them all, and a node holds a part of them only.
        const length = facts().distributes ? 100_000 : 3_000;
        const collection = await collectionOf(
          Array.from({ length }, (_, n) => ({ id: String(n), n, address: { city: `c${n}` } })),
        );
        const text = `SELECT id FROM ${collection} WHERE address.city = $1`;
        if (!facts().expressionIndexes) {
          expect(await codeOf(db.createIndex(collection, "address.city"))).toBe("FORMDB_UNSUPPORTED");
          expect(await ids(text, ["c7"])).toEqual(["7"]);
          return;
        }
        expect(await db.createIndex(collection, "address.city")).toBe("by_address_city");
        expect(await rowsOf(`INTROSPECT INDEXES ${collection}`)).toEqual([
          { name: "by_address_city", paths: ["address.city"], unique: false },
        ]);
        expect(await db.explain(text, ["c7"])).toMatchObject({ index: "by_address_city" });
        expect(await ids(text, ["c7"])).toEqual(["7"]);
        await db.query(`DROP INDEX by_address_city ON ${collection}`);
        expect(await ids(text, ["c7"])).toEqual(["7"]);
        expect(await codeOf(db.dropIndex(collection, "by_address_city"))).toBe("FORMDB_NOT_FOUND");
      });

      it("an index over the elements of arrays serves them, or is refused where the engine has none", async () => {
        const collection = await collectionOf(
          Array.from({ length: 2_000 }, (_, n) => ({
            id: String(n),
            items: [{ sku: `a${n}` }, { sku: `b${n % 500}` }],
          })),
        );
        const text = `SELECT id FROM ${collection} WHERE items[*].sku = $1 ORDER BY id`;
        const made = await db
          .createIndex(collection, "items[*].sku")
          .catch((error: FormDBError) => error.code);
        expect(["by_items_each_sku", "FORMDB_UNSUPPORTED"]).toContain(made);
        expect(await ids(text, ["b7"])).toEqual(["1007", "1507", "507", "7"]);
        if (made === "FORMDB_UNSUPPORTED") return;
        expect(await db.explain(text, ["b7"])).toMatchObject({ index: "by_items_each_sku", cost: "indexed" });
        await db.query(`UPDATE ${collection} SET items[1].sku = 'b7' WHERE items[*].sku = 'a8'`);
        await db.delete(collection, "507");
        expect(await ids(text, ["b7"])).toEqual(["1007", "1507", "7", "8"]);
        expect(await ids(text, ["b8"])).toEqual(["1008", "1508", "508"]);
        await db.dropIndex(collection, "by_items_each_sku");
        expect(await ids(text, ["b7"])).toEqual(["1007", "1507", "7", "8"]);
      });

      it("a unique index keeps values apart, or is refused with what it lacks", async () => {
        const collection = await collectionOf(
          Array.from({ length: 10 }, (_, n) => ({ id: String(n), n, m: n % 2 })),
        );
        const { expressionIndexes, uniqueIndexes } = facts();
        const made = db.query(`CREATE UNIQUE INDEX only_n ON ${collection} (n)`);
        if (!expressionIndexes || uniqueIndexes === "with id") {
          await expect(made).rejects.toMatchObject({
            code: "FORMDB_UNSUPPORTED",
            message: expect.stringMatching(
              expressionIndexes ? /id must be one of its paths, unlike n/ : /no indexes/,
            ),
          });
          expect(await rowsOf(`INTROSPECT INDEXES ${collection}`)).toEqual([]);
          expect(await db.insert(collection, { id: "again", n: 7 })).toBe("again");
          if (!expressionIndexes) return;
          await db.query(`CREATE UNIQUE INDEX with_id ON ${collection} (id, n)`);
          expect(await rowsOf(`INTROSPECT INDEXES ${collection}`)).toEqual([
            { name: "with_id", paths: ["id", "n"], unique: true },
          ]);
          return;
        }
        await made;
        expect(await rowsOf(`INTROSPECT INDEXES ${collection}`)).toEqual([
          { name: "only_n", paths: ["n"], unique: true },
        ]);
        expect(await codeOf(db.createIndex(collection, "m", { unique: true }))).toBe("FORMDB_CONSTRAINT");
        expect(await failure(db.insert(collection, { id: "again", n: 7 }))).toMatchObject({
          code: "FORMDB_CONSTRAINT",
          constraint: "only_n",
          paths: ["n"],
          collection,
          id: "again",
          outcome: "rejected",
          message: `The insert of document "again" in ${collection} failed: values in the unique index only_n of ${collection}, over n, must differ between documents`,
        });
        const several = db.query(`INSERT INTO ${collection} {"id": "one", "n": 70}, {"id": "again", "n": 7}`);
        await expect(several).rejects.toMatchObject({
          code: "FORMDB_CONSTRAINT",
          constraint: "only_n",
          collection,
        });
        expect(await db.get(collection, "one")).toBeUndefined();
        await db.createIndex(collection, "tags[0]", { unique: true, name: "first_tag" });
        await db.insert(collection, { id: "tagged", n: 71, tags: ["a", "b"] });
        await expect(db.insert(collection, { n: 72, tags: ["a"] })).rejects.toMatchObject({
          constraint: "first_tag",
          paths: ["tags[0]"],
        });
        if (!remote) {
          const inside = db.transaction((tx) => tx.insert(collection, { id: "again", n: 7 }));
          await expect(inside).rejects.toMatchObject({ code: "FORMDB_CONSTRAINT", constraint: "only_n" });
        }
        const result = await db.batchInsert(collection, [
          { id: "x", n: 5_000 },
          { id: "y", n: 7 },
          { id: "w", n: 5_001 },
        ]);
        expect(result).toMatchObject({
          successful: 2,
          failed: 1,
          errors: [{ index: 1, id: "y", code: "FORMDB_CONSTRAINT" }],
        });
        await db.query(`DROP INDEX only_n ON ${collection}`);
        expect(await db.insert(collection, { id: "again", n: 7 })).toBe("again");
      });

      it("an index over LOWER or UPPER serves it, and keeps texts apart that differ in the case of letters only", async () => {
        if (facts().expressionIndexes === false) return;
        const collection = await collectionOf(
          Array.from({ length: 300 }, (_, n) => ({ id: String(n), mail: `User${n}@Example.com`, n })),
        );
        const sure = facts().uniqueIndexes === "with id" ? { unique: false } : { unique: true };
        expect(await db.createIndex(collection, "LOWER(mail)", sure)).toBe("by_lower_mail");
        await db.query(`CREATE INDEX loud ON ${collection} (upper(mail), n)`);
        expect(await rowsOf(`INTROSPECT INDEXES ${collection}`)).toEqual([
          { name: "by_lower_mail", paths: ["LOWER(mail)"], unique: sure.unique },
          { name: "loud", paths: ["UPPER(mail)", "n"], unique: false },
        ]);
        // The same definition again is no error, and another one is.
        expect(await db.createIndex(collection, "lower(mail)", sure)).toBe("by_lower_mail");
        expect(await codeOf(db.createIndex(collection, "mail", { name: "loud" }))).toBe("FORMDB_CONSTRAINT");
        const text = `SELECT id FROM ${collection} WHERE LOWER(mail) = $1`;
        expect(await ids(text, ["user7@example.com"])).toEqual(["7"]);
        const { conditions } = await db.explain(text, ["user7@example.com"]);
        expect(conditions.map(({ text }) => text)).toEqual(["LOWER(mail) = …"]);
        expect(["by_lower_mail", undefined]).toContain(conditions[0]!.index);
        if (sure.unique) {
          const again = db.insert(collection, { id: "x", mail: "USER7@example.COM" });
          await expect(again).rejects.toMatchObject({
            code: "FORMDB_CONSTRAINT",
            constraint: "by_lower_mail",
            paths: ["LOWER(mail)"],
          });
        }
        await db.batchInsert(collection, [{ id: "a", mail: null }, { id: "b", mail: 5 }, { id: "c" }]);
        expect(await ids(`SELECT id FROM ${collection} WHERE LOWER(mail) IS NULL ORDER BY id`)).toEqual([
          "a",
          "b",
          "c",
        ]);
        await db.dropIndex(collection, "by_lower_mail");
        expect(await ids(text, ["user7@example.com"])).toEqual(["7"]);
        expect(await codeOf(db.createIndex(collection, "LOWER(items[*].a)"))).toBe("FORMDB_CONFIG");
        expect(await codeOf(db.query(`CREATE INDEX ON ${collection} (LOWER(a), LOWER(a))`))).toBe(
          "FORMDB_SYNTAX",
        );
      });

      it("an index over as many paths as there may be takes the longest texts", async () => {
        const collection = await collectionOf();
        const paths = Array.from({ length: MAX_INDEX_PATHS }, (_, i) => `field${i}`);
        expect(await codeOf(db.createIndex(collection, [...paths, "more"]))).toBe("FORMDB_CONFIG");
        const { expressionIndexes, uniqueIndexes } = facts();
        if (!expressionIndexes) {
          expect(await codeOf(db.createIndex(collection, paths))).toBe("FORMDB_UNSUPPORTED");
          return;
        }
        await db.createIndex(collection, paths, { unique: uniqueIndexes === "any", name: "widest" });
        const long = (last: string): Document => {
          // Different characters, of four bytes each, so that no compression makes them short.
          const text = String.fromCodePoint(...Array.from({ length: 500 }, (_, i) => 0x20000 + i * 37));
          return Object.fromEntries(paths.map((path) => [path, text + last]));
        };
        await db.insert(collection, { id: "1", ...long("a") });
        await db.insert(collection, { id: "2", ...long("b") });
        const again = await codeOf(db.insert(collection, { id: "3", ...long("b") }));
        expect(again).toBe(uniqueIndexes === "any" ? "FORMDB_CONSTRAINT" : "no error");
        expect(await ids(`SELECT id FROM ${collection} WHERE field0 = $1`, [long("a").field0])).toEqual([
          "1",
        ]);
      });

      it("INTROSPECT COLLECTIONS lists them", async () => {
        const collection = await collectionOf();
        const rows = await rowsOf("INTROSPECT COLLECTIONS");
        expect(rows).toContainEqual({ collection });
        expect(await db.listCollections()).toContain(collection);
      });
    });

    describe("collections as handles", () => {
      it("find, count and page by filters", async () => {
        const name = await collectionOf(
          Array.from({ length: 9 }, (_, n) => ({ id: `d${n}`, n, "a`b#0": n % 3 })),
        );
        const handle = db.collection<{ id: string; n: number; "a`b#0": number }>(name);
        expect(await handle.find({ n: { gte: 7 } }, { orderBy: { n: "desc" } }).toArray()).toMatchObject([
          { n: 8 },
          { n: 7 },
        ]);
        expect(await handle.count({ n: { in: [1, 2, 30] } })).toBe(2);
        const first = await handle.find({}, { orderBy: { n: "asc" }, limit: 5 }).page();
        expect(first.rows.map(({ n }) => n)).toEqual([0, 1, 2, 3, 4]);
        const rest = { orderBy: { n: "asc" }, limit: 5, after: first.next! } as const;
        const second = await handle.find({}, rest).page();
        expect(second.rows.map(({ n }) => n)).toEqual([5, 6, 7, 8]);
        expect(second.next).toBeUndefined();
        expect((await handle.find({}, { ...rest, select: ["id"] }).toArray()).map(({ id }) => id)).toEqual([
          "d5",
          "d6",
          "d7",
          "d8",
        ]);
        expect(await handle.findOne({}, rest)).toMatchObject({ n: 5 });
        const streamed: number[] = [];
        for await (const { n } of handle.find({}, rest)) streamed.push(n);
        expect(streamed).toEqual([5, 6, 7, 8]);
        const short = handle.find({}, { orderBy: { n: "desc" }, limit: 4, select: ["id"] });
        const page = await short.page();
        expect(page.rows).toEqual([{ id: "d8" }, { id: "d7" }, { id: "d6" }, { id: "d5" }]);
        expect(await codeOf(handle.find({ n: 1 }, rest).page())).toBe("FORMDB_PARAMETER_MISMATCH");
        let sum = 0;
        for await (const { n } of handle.find({ n: { lt: 4 } })) sum += n;
        expect(sum).toBe(6);
        expect(await db.collection(`${name}x`).find({ n: 1 }).toArray()).toEqual([]);
        expect(await db.collection(`${name}x`).find({ n: 1 }).page()).toEqual({ rows: [], next: undefined });
      });

      it("find, count and page by several conditions on one element", async () => {
        const name = await collectionOf([
          {
            id: "1",
            items: [
              { sku: "a", n: 1 },
              { sku: "b", n: 5 },
            ],
          },
          { id: "2", items: [{ sku: "a", n: 7 }] },
          { id: "3", items: [{ sku: "a", n: 9 }] },
        ]);
        const handle = db.collection<{ id: string; items: { sku: string; n: number }[] }>(name);
        const both = { "items[*]": { sku: "a", n: { gt: 4 } } } as never;
        const found = handle.find(both, { select: ["id"], orderBy: { id: "asc" } });
        expect(await found.toArray()).toEqual([{ id: "2" }, { id: "3" }]);
        expect(await handle.findOne(both, { orderBy: { id: "desc" } })).toMatchObject({ id: "3" });
        expect(await handle.count(both)).toBe(2);
        const { next } = await handle.find(both, { limit: 1 }).page();
        expect((await handle.find(both, { limit: 1, after: next! }).page()).rows).toMatchObject([
          { id: "3" },
        ]);
      });

      it("change by path, all of it or nothing, and give the new version", async () => {
        const name = await collectionOf([{ id: "1", n: 1, gone: true, tags: ["a", "b"] }]);
        const handle = db.collection<{
          id: string;
          n: number;
          gone?: boolean;
          tags: string[];
          at?: { x: Date };
        }>(name);
        const at = new Date(0);
        const changed = await handle.update("1", {
          set: { "at.x": at },
          unset: ["gone"],
          inc: { n: 2 },
          push: { tags: "c" },
        });
        expect(changed).toEqual({ version: 2 });
        expect(await handle.update(1, { pull: { tags: "a" } })).toEqual({ version: 3 });
        const document = { id: "1", n: 3, tags: ["b", "c"], at: { x: at.toISOString() } };
        expect(await db.get(name, "1")).toEqual(document);
        await expect(
          handle.update("1", { set: { n: 9 }, inc: { "at.x": 1 } } as never),
        ).rejects.toMatchObject({
          code: "FORMDB_CONSTRAINT",
          path: "at.x",
        });
        expect(await codeOf(handle.update("2", { set: { n: 1 } }))).toBe("FORMDB_NOT_FOUND");
        expect(await codeOf(handle.update("1", { set: { n: Number.NaN } }))).toBe(
          "FORMDB_PARAMETER_MISMATCH",
        );
        expect(await codeOf(handle.update("1", {}))).toBe("FORMDB_CONFIG");
        expect(await db.get(name, "1")).toEqual(document);
      });

      it("change, replace and delete the version they were made for alone", async () => {
        const name = await collectionOf([{ id: "a/b?ü", n: 1 }]);
        const handle = db.collection<{ id: string; n: number; m?: number }>(name);
        const id = "a/b?ü";
        expect(await handle.get(id, { version: true })).toEqual({ document: { id, n: 1 }, version: 1 });
        expect(await handle.get("none", { version: true })).toBeUndefined();
        expect(await handle.update(id, { inc: { n: 1 } }, { ifVersion: 1 })).toEqual({ version: 2 });
        const conflict = { code: "FORMDB_CONFLICT", version: 2, outcome: "rejected", retryable: false };
        await expect(handle.update(id, { inc: { n: 1 } }, { ifVersion: 1 })).rejects.toMatchObject(conflict);
        await expect(handle.replace(id, { n: 9 }, { ifVersion: 1 })).rejects.toMatchObject(conflict);
        await expect(handle.delete(id, { ifVersion: 1 })).rejects.toMatchObject(conflict);
        expect(await db.get(name, id)).toEqual({ id, n: 2 });
        expect(await handle.replace(id, { n: 5, m: 1 }, { ifVersion: 2 })).toEqual({ version: 3 });
        expect(await handle.replace(id, { n: 6 })).toEqual({ version: 4 });
        expect(await codeOf(handle.replace("none", { n: 6 }))).toBe("FORMDB_NOT_FOUND");
        expect(await codeOf(handle.replace(id, { id: "other", n: 6 }))).toBe("FORMDB_INVALID_ID");
        expect(await handle.get(id, { version: true })).toEqual({ document: { id, n: 6 }, version: 4 });
        expect(await handle.delete("none", { ifVersion: 4 })).toBe(false);
        expect(await handle.delete(id, { ifVersion: 4 })).toBe(true);
        expect(await handle.get(id)).toBeUndefined();
        expect(await codeOf(handle.delete(id, { ifVersion: -1 }))).toBe("FORMDB_CONFIG");
      });

      it("change the first document of a filter for one caller alone", async () => {
        const name = await collectionOf(Array.from({ length: 30 }, (_, n) => ({ id: `j${n}`, n, taken: 0 })));
        const handle = db.collection<{ id: string; n: number; taken: number }>(name);
        const take = () =>
          handle.findOneAndUpdate({ taken: 0 }, { inc: { taken: 1 } }, { orderBy: { n: "desc" } });
        expect(await take()).toEqual({ id: "j29", n: 29, taken: 1 });
        const others = (await Promise.all(Array.from({ length: 40 }, take))).filter(
          (job) => job !== undefined,
        );
        expect(new Set(others.map(({ id }) => id)).size).toBe(29);
        expect(others).toHaveLength(29);
        expect(await handle.count({ taken: 1 })).toBe(30);
        expect(await codeOf(handle.findOneAndUpdate({ n: 4 }, { push: { n: 1 } } as never))).toBe(
          "FORMDB_CONSTRAINT",
        );
        expect(await codeOf(handle.findOneAndUpdate({}, { rename: { n: "m" } } as never))).toBe(
          "FORMDB_CONFIG",
        );
      });
    });

    if (remote) {
      it("transactions and the parts that are elsewhere are refused by name", async () => {
        const refused = (use: () => unknown): unknown => {
          try {
            return use();
          } catch (error) {
            return (error as FormDBError).code;
          }
        };
        expect(await codeOf(db.transaction(async () => 1))).toBe("FORMDB_UNSUPPORTED");
        for (const use of [
          () => db.sql,
          () => db.pool,
          () => db.cache,
          () => db.batch,
          () => db.metrics,
          () => db.stats(),
          () => db.statements(),
        ]) {
          expect(refused(use)).toBe("FORMDB_UNSUPPORTED");
        }
      });
      return;
    }

    describe("transactions", () => {
      it("a collection that is not there yet is as good as an empty one by id; a query names the nearest", async () => {
        const missing = `${await collectionOf()}x`;
        expect(await db.transaction((tx) => tx.get(missing, "1"))).toBeUndefined();
        for (const remove of [
          (tx: Transaction) => tx.delete(missing, "1"),
          (tx: Transaction) => tx.collection(missing).delete("1"),
        ]) {
          expect(await db.transaction(remove)).toBe(false);
        }
        await expect(db.transaction((tx) => tx.update(missing, "1", {}))).rejects.toMatchObject({
          code: "FORMDB_NOT_FOUND",
          message: expect.stringContaining(`no collection "${missing}"; did you mean`),
        });
        await expect(db.transaction((tx) => tx.query(`SELECT * FROM ${missing}`))).rejects.toMatchObject({
          code: "FORMDB_UNKNOWN_COLLECTION",
          message: expect.stringContaining(missing.slice(0, -1)),
        });
        expect(await db.listCollections()).not.toContain(missing);
      });

      it("INSERT of several documents in a transaction leaves it as it was if it fails", async () => {
        const written = await collectionOf([{ id: "old" }]);
        await db.transaction(async (tx) => {
          await tx.insert(written, { id: "before" });
          const failing = tx.query(`INSERT INTO ${written} {"id": "a"}, {"id": "old"}, {"id": "b"}`);
          await expect(failing).rejects.toMatchObject({ code: "FORMDB_DUPLICATE_ID", id: "old" });
          expect((await tx.query(`SELECT id FROM ${written} ORDER BY id`)).rows).toEqual([
            { id: "before" },
            { id: "old" },
          ]);
          const { rowCount } = await tx.query(`INSERT INTO ${written} {"id": "a"}, {"id": "b"}`);
          expect(rowCount).toBe(2);
        });
        expect(await ids(`SELECT id FROM ${written} ORDER BY id`)).toEqual(["a", "b", "before", "old"]);
      });

      it("commit what they did, or nothing", async () => {
        const collection = await collectionOf([{ id: "1", n: 1 }]);
        const seen = await db.transaction(async (tx) => {
          await tx.insert(collection, { id: "2", n: 2 });
          await tx.update(collection, "1", { n: 10 });
          await tx.query(`UPDATE ${collection} SET m = 1 WHERE n = 10`);
          return (await tx.query(`SELECT id FROM ${collection} ORDER BY id`)).rows.length;
        });
        expect(seen).toBe(2);
        const failed = db.transaction(async (tx) => {
          await tx.delete(collection, "1");
          throw new Error("changed my mind");
        });
        await expect(failed).rejects.toThrow("changed my mind");
        expect(await db.get(collection, "1")).toEqual({ id: "1", n: 10, m: 1 });
        expect(await db.get(collection, "2")).toEqual({ id: "2", n: 2 });
      });

      it("calls of one that are made together run in the order in which they were made", async () => {
        const collection = await collectionOf([{ id: "1", v: 0 }]);
        const given = await db.transaction((tx) =>
          Promise.all([
            tx.get(collection, "1"),
            tx.update(collection, "1", { v: 1 }),
            tx.insert(collection, { id: "2", v: 2 }),
            tx.query(`SELECT id, v FROM ${collection} ORDER BY id`),
            tx.collection(collection).find({ v: 2 }).toArray(),
          ]),
        );
        const rows = [
          { id: "1", v: 1 },
          { id: "2", v: 2 },
        ];
        expect(given).toEqual([{ id: "1", v: 0 }, undefined, "2", { rows, rowCount: 2 }, rows.slice(1)]);
      });

      it("calls that are not awaited belong to it, and if one of them fails, so does the transaction", async () => {
        const collection = await collectionOf([{ id: "taken" }]);
        await db.transaction(async (tx) => {
          for (const id of ["1", "2", "3"]) void tx.insert(collection, { id });
        });
        expect(await ids(`SELECT id FROM ${collection} ORDER BY id`)).toEqual(["1", "2", "3", "taken"]);

        const told: unknown[] = [];
        const failed = db.transaction(async (tx) => {
          for (const id of ["4", "taken", "5"]) void tx.insert(collection, { id }).catch((e) => told.push(e));
        });
        await expect(failed).rejects.toMatchObject({ code: "FORMDB_DUPLICATE_ID", outcome: "rejected" });
        expect(told).toMatchObject([{ code: "FORMDB_DUPLICATE_ID" }]);
        expect(await ids(`SELECT id FROM ${collection} ORDER BY id`)).toEqual(["1", "2", "3", "taken"]);
      });

      /** As many callers as there are documents to take turns at, at the same time. */
      function atOnce<T>(callers: number, call: (n: number) => Promise<T>): Promise<T[]> {
        return Promise.all(Array.from({ length: callers }, (_, n) => call(n)));
      }

      it("50 that read, change and write one document at once all count", async () => {
        const collection = await collectionOf([{ id: "x", v: 0 }]);
        await atOnce(50, () =>
          db.transaction(async (tx) => {
            const found = await tx.get(collection, "x");
            await tx.update(collection, "x", { v: (found?.v as number) + 1 });
          }),
        );
        expect(await db.get(collection, "x")).toEqual({ id: "x", v: 50 });
      });

      it("50 that read by a query and write what they found all count", async () => {
        const collection = await collectionOf([{ id: "x", v: 0 }]);
        await atOnce(50, () =>
          db.transaction(async (tx) => {
            const { rows } = await tx.query(`SELECT v FROM ${collection} WHERE v >= 0`);
            await tx.query(`UPDATE ${collection} SET v = $1 WHERE id = 'x'`, [(rows[0]?.v as number) + 1]);
          }),
        );
        expect(await db.get(collection, "x")).toEqual({ id: "x", v: 50 });
      });

      it("50 that move an amount from one document to another keep the sum", async () => {
        const collection = await collectionOf(["a", "b", "c", "d"].map((id) => ({ id, v: 100 })));
        await atOnce(50, (n) =>
          db.transaction(async (tx) => {
            const [from, to] = ["abcd"[n % 4]!, "abcd"[(n + 1 + (n % 3)) % 4]!];
            const [one, two] = [await tx.get(collection, from), await tx.get(collection, to)];
            await tx.update(collection, from, { v: (one?.v as number) - 1 });
            await tx.update(collection, to, { v: (two?.v as number) + 1 });
          }),
        );
        expect(await rowsOf(`SELECT SUM(v) AS total FROM ${collection}`)).toEqual([{ total: 400 }]);
      });

      it("what each checks before its write still holds at its end (no write skew)", async () => {
        if (!facts().isolationLevels.includes("serializable")) return;
        const collection = await collectionOf(
          Array.from({ length: 10 }, (_, n) => ({ id: `d${n}`, duty: true })),
        );
        await atOnce(10, (n) =>
          db.transaction(async (tx) => {
            const { rows } = await tx.query(`SELECT id FROM ${collection} WHERE duty = true`);
            if (rows.length > 1) await tx.update(collection, `d${n}`, { duty: false });
          }),
        );
        expect(await ids(`SELECT id FROM ${collection} WHERE duty = true`)).toHaveLength(1);
      });

      it("two reads of one see the same, whatever is written between them", async () => {
        const collection = await collectionOf([{ id: "x", v: 1 }]);
        if (db.stats().writer === undefined && db.pool.stats().max === 1) return;
        const outside = AsyncLocalStorage.snapshot();
        let changed: Promise<unknown> | undefined;
        const seen = await db.transaction(async (tx) => {
          const first = await tx.get(collection, "x");
          changed ??= outside(() => db.update(collection, "x", { v: 2 }));
          // Where there is one writer it waits for the end of the transaction.
          if (db.stats().writer === undefined) await changed;
          return [first, await tx.get(collection, "x")];
        });
        expect(seen).toEqual([seen[0], seen[0]]);
        await changed;
        expect(await db.get(collection, "x")).toEqual({ id: "x", v: 2 });
      });

      it("20 first inserts make their collection once", async () => {
        const collection = await collectionOf();
        await db.dropCollection(collection);
        await atOnce(20, (n) => db.transaction((tx) => tx.insert(collection, { id: String(n) })));
        expect(await ids(`SELECT id FROM ${collection}`)).toHaveLength(20);
      });

      it("nested ones and writes beside them are errors that say so", async () => {
        const collection = await collectionOf();
        await db.transaction(async (tx) => {
          expect(await codeOf(db.transaction(async () => 1))).toBe("FORMDB_UNSUPPORTED");
          expect(await codeOf(db.insert(collection, { a: 1 }))).toBe("FORMDB_UNSUPPORTED");
          await tx.insert(collection, { id: "1" });
        });
        expect(await ids(`SELECT id FROM ${collection}`)).toEqual(["1"]);
      });

      it("an ended one's methods are refused", async () => {
        const collection = await collectionOf();
        let kept: { get(collection: string, id: string): Promise<unknown> } | undefined;
        await db.transaction(async (tx) => {
          kept = tx;
        });
        expect(await codeOf(kept!.get(collection, "1"))).toBe("FORMDB_CLOSED");
      });
    });
  });
}

function deep(levels: number): Document {
  let document: Document = { bottom: true };
  for (let i = 0; i < levels; i++) document = i % 2 === 0 ? { down: document } : { list: [document] };
  return document;
}
