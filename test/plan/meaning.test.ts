import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { statementName } from "../../src/dialect/statement-name.ts";
import { contents, ENGINES, query, type TestEngine } from "./engines.ts";

const DOCUMENTS: Readonly<Record<string, { readonly [name: string]: unknown }>> = {
  big: { v: 2 ** 60 },
  bigger: { v: 2 ** 63 },
  billion: { v: 1e21 },
  one: { v: 1 },
  oneText: { v: "1" },
  yes: { v: true },
  no: { v: false },
  nothing: { v: null },
  missing: {},
  question: { v: "what?" },
  star: { v: "a*b" },
  bracket: { v: "[x]" },
  percent: { v: "100%" },
  backslash: { v: "a\\b" },
  astral: { v: "😀" },
  replacement: { v: "\ufffd" },
  nested: { v: [[1, 2], [{ b: 2, a: 1 }]] },
  list: { v: [1, "1", true] },
  object: { v: { 0: "zero", a: { b: 5 } } },
  scalar: { v: 5 },
};

/** A condition, and the keys of the documents for which it is true. */
const CONDITIONS: readonly [condition: string, parameters: readonly unknown[], found: readonly string[]][] = [
  ["v = $1", [2 ** 60], ["big"]],
  ["v = $1", [2 ** 63], ["bigger"]],
  ["v = $1", [1e21], ["billion"]],
  ["v >= $1 AND v <= $1", [2 ** 60], ["big"]],
  ["v IN $1", [[2 ** 60, 2 ** 63, 7]], ["big", "bigger"]],
  ["v > 9007199254740991", [], ["big", "bigger", "billion"]],
  ["v = 1", [], ["one"]],
  ["v = '1'", [], ["oneText"]],
  ["v = $1", ["[x]"], ["bracket"]],
  ["v = $1", ['[1,"1",true]'], []],
  ["v = $1", ['{"0":"zero","a":{"b":5}}'], []],
  ["v = 0", [], []],
  ["v != 0 AND v = FALSE", [], ["no"]],
  ["v != 5 AND v IN (1, TRUE, 5)", [], ["one", "yes"]],
  ["v = TRUE", [], ["yes"]],
  ["v < TRUE", [], ["no"]],
  ["v IN (1, FALSE)", [], ["one", "no"]],
  ["v IN (TRUE, 5)", [], ["yes", "scalar"]],
  ["v IS NULL", [], ["nothing", "missing"]],
  ["v = NULL", [], []],
  ["v != NULL", [], []],
  ["v IN ()", [], []],
  ["v NOT IN (1, NULL)", [], []],
  ["v LIKE 'what_'", [], ["question"]],
  ["v LIKE '%?'", [], ["question"]],
  ["v LIKE 'a*b'", [], ["star"]],
  ["v LIKE 'a_b'", [], ["star", "backslash"]],
  ["v LIKE 'a\\\\b'", [], ["backslash"]],
  ["v LIKE 'a\\*b'", [], ["star"]],
  ["v LIKE '[x]'", [], ["bracket"]],
  ["v LIKE '%\\%'", [], ["percent"]],
  ["v LIKE '_'", [], ["oneText", "astral", "replacement"]],
  ["v LIKE 'A*B'", [], []],
  ["v > '\ufffd'", [], ["astral"]],
  ["v CONTAINS 1", [], ["list"]],
  ["v CONTAINS '1'", [], ["oneText", "list", "percent"]],
  ["v CONTAINS TRUE", [], ["list"]],
  ["v CONTAINS $1", [[1]], []],
  ["v CONTAINS $1", [[1, 2]], ["nested"]],
  ["v[1] CONTAINS $1", [{ a: 1, b: 2 }], ["nested"]],
  ["v[1] CONTAINS $1", [{ a: 1 }], []],
  ["v = $1", [[[1, 2], [{ a: 1, b: 2 }]]], ["nested"]],
  ["v = $1", [{ a: { b: 5 }, 0: "zero" }], ["object"]],
  ["v IN $1", [[{ a: { b: 5 }, 0: "zero" }, [1, "1", true], 1]], ["object", "list", "one"]],
  ["v < $1 OR v >= $1", [[]], []],
  ["v.a.b = 5", [], ["object"]],
  ["v.`0` = 'zero'", [], ["object"]],
  ["v[0] = 'zero'", [], []],
  ["v[0] = 5", [], []],
  ["v.`0` = 1", [], []],
  ["v[0] = 1", [], ["list"]],
  ["v[0][1] = 2", [], ["nested"]],
  ["id = 'one'", [], ["one"]],
  ["id < 'big'", [], ["astral", "backslash"]],
  ["id = 5", [], []],
  ["id LIKE 'no%'", [], ["no", "nothing"]],
  ["id CONTAINS 'big'", [], ["big", "bigger"]],
  ["id IN ('one', 7, NULL)", [], ["one"]],
  ["v = id", [], []],
];

describe.each(ENGINES)("%s", (_, open) => {
  let engine: TestEngine;

  beforeAll(async () => {
    engine = await open();
    const stored = Object.entries(DOCUMENTS).map(([key, doc]) => ({ key, doc }));
    await engine.load("plain", stored);
    await engine.load("indexed", stored);
    await engine.index("indexed", [["v"]]);
  });

  afterAll(async () => {
    await engine?.close();
  });

  it.each(CONDITIONS)("finds what it should WHERE %s with %j", async (condition, parameters, found) => {
    for (const collection of ["plain", "indexed"]) {
      const { rows } = await query(engine, `SELECT * FROM ${collection} WHERE ${condition}`, parameters);
      expect(rows.map(({ id }) => id).sort()).toEqual([...found].sort());
    }
  });

  it("orders by type first, then by value, and ties by id", async () => {
    const { rows } = await query(engine, "SELECT id AS k FROM indexed ORDER BY v");
    expect(rows.map(({ k }) => k)).toEqual([
      ...["missing", "nothing", "no", "yes", "one", "scalar", "big", "bigger", "billion"],
      ...["oneText", "percent", "bracket", "star", "backslash", "question", "replacement", "astral"],
      ...["list", "nested", "object"],
    ]);
    const { rows: reversed } = await query(engine, "SELECT id AS k FROM indexed ORDER BY v DESC");
    expect(reversed.map(({ k }) => k).slice(0, 4)).toEqual(["object", "list", "nested", "astral"]);
    expect(reversed.map(({ k }) => k).slice(-2)).toEqual(["missing", "nothing"]);
  });

  it("matches a numeric id by its digits and gives it as them", async () => {
    await engine.load("numbered", [{ key: "5", doc: { a: 1, id: 5 } }]);
    for (const condition of ["id = 5", "id = '5'", "id IN (4, 5)", "id != 6 AND id NOT IN (6)", "5 = id"]) {
      const { rows } = await query(engine, `SELECT * FROM numbered WHERE ${condition}`);
      expect(rows, condition).toEqual([{ id: "5", a: 1 }]);
      expect(Object.keys(rows[0]!)).toEqual(["id", "a"]);
    }
    for (const condition of ["id != 5", "id NOT IN (5)", "id > 4", "id = 5.5", "id = TRUE"]) {
      expect((await query(engine, `SELECT * FROM numbered WHERE ${condition}`)).rows, condition).toEqual([]);
    }
  });

  it("sums integers exactly and averages them", async () => {
    await engine.load(
      "sums",
      [2 ** 52, 2 ** 52 - 1, "7", null, true].map((n, i) => ({ key: `${i}`, doc: { n } })),
    );
    const { rows } = await query(
      engine,
      "SELECT SUM(n) AS s, AVG(n) AS a, COUNT(n) AS c, COUNT(*) AS all_, MIN(n) AS lo, MAX(n) AS hi, SUM(x) AS none FROM sums",
    );
    expect(rows).toEqual([
      { s: 2 ** 53 - 1, a: (2 ** 53 - 1) / 2, c: 4, all_: 5, lo: true, hi: "7", none: null },
    ]);
  });

  it.each<[values: readonly number[], sum: number, average: number]>([
    [[1.7e308, 1.7e308, 1], Number.POSITIVE_INFINITY, Number("1.1333333333333333e308")],
    [[2 ** 53 - 1, 2 ** 53 - 1, 3], 18014398509481984, 6004799503160662],
    [Array.from({ length: 10 }, () => 0.1), 1, 0.1],
    [[0.1, 0.2, 0.3], 0.6, 0.2],
    [[5e-324, 1e300, -1e300], 5e-324, 0],
  ])("adds decimals exactly and rounds once: %j", async (values, sum, average) => {
    const collection = `exact_${statementName(String(values)).slice(0, 12)}`;
    await engine.load(
      collection,
      values.map((n, i) => ({ key: `${i}`, doc: { n } })),
    );
    const { rows } = await query(engine, `SELECT SUM(n) AS s, AVG(n) AS a FROM ${collection}`);
    expect(rows).toEqual([{ s: sum, a: average }]);
    // HAVING compares what the columns show. A parameter can't be infinite.
    const greatest = Number.isFinite(sum) ? sum : Number.MAX_VALUE;
    const isSum = Number.isFinite(sum) ? "SUM(n) = $1" : "SUM(n) > $1";
    for (const [having, count] of [
      [`${isSum} AND AVG(n) = $2`, 1],
      [`NOT (${isSum}) OR AVG(n) <> $2`, 0],
      ["SUM(n) NOT IN ($1) AND SUM(n) <= $1 OR AVG(n) < $2", 0],
      ["SUM(n) = SUM(n) AND AVG(n) BETWEEN $2 AND $2 AND SUM(n) >= $1", 1],
    ] as const) {
      const text = `SELECT COUNT(*) AS n FROM ${collection} HAVING ${having}`;
      expect((await query(engine, text, [greatest, average])).rows, having).toHaveLength(count);
    }
  });

  it("orders groups by sums as doubles, and those that are one double by their keys", async () => {
    const sums = {
      b: [0.1, 0.2],
      a: [0.3, 1e-20],
      c: [0.30000000000000004],
      d: [1.7e308, 1.7e308],
      e: [1.6e308, 1.7e308],
    };
    const members = Object.entries(sums).flatMap(([g, values]) => values.map((n) => ({ g, n })));
    await engine.load(
      "level_sums",
      members.map((doc, i) => ({ key: `${i}`, doc })),
    );
    for (const [direction, groups] of [
      ["", ["a", "b", "c", "d", "e"]],
      [" DESC", ["d", "e", "c", "a", "b"]],
    ] as const) {
      const text = `SELECT g, SUM(n) AS s FROM level_sums GROUP BY g ORDER BY s${direction}`;
      expect((await query(engine, text)).rows.map(({ g }) => g)).toEqual(groups);
    }
  });

  it("takes as many conditions behind HAVING as there may be", async () => {
    const conditions = Array.from({ length: 99 }, (_, i) => `MIN(a${i}) <> MAX(LOWER(b${i}))`).join(" OR ");
    const text = `SELECT COUNT(*) AS n FROM plain HAVING COUNT(v) = 20 OR ${conditions}`;
    expect((await query(engine, text)).rows).toEqual([]);
    expect(
      (await query(engine, text.replace("20", String(Object.keys(DOCUMENTS).length - 2)))).rows,
    ).toHaveLength(1);
  });

  it("rounds arithmetic as doubles do, up to the smallest and the greatest one", async () => {
    const greatest = Number.MAX_VALUE;
    const cases: readonly [left: number, operator: string, right: number, result: number | null][] = [
      [5e-324, "/", 2, 0],
      [5e-324, "/", 1.9999999999999998, 5e-324],
      [5e-324, "*", 0.5, 0],
      [5e-324, "*", -0.5000000000000001, -5e-324],
      [1.5e-323, "/", -6, 0],
      [1e-200, "*", 1e-200, 0],
      [1e-300, "/", 1e300, 0],
      [greatest, "+", 0, greatest],
      [greatest, "+", 5e-324, greatest],
      [greatest, "-", -9e291, greatest],
      [greatest, "+", 9.979201547673599e291, null],
      [greatest / 2, "+", greatest / 2, greatest],
      [-greatest, "-", greatest, null],
      [greatest, "*", 1, greatest],
      [greatest, "/", -1, -greatest],
      [greatest, "*", 1.0000000000000002, null],
      [greatest / 4, "/", 0.25, greatest],
      [1e308, "*", 10, null],
      [1, "/", 0, null],
    ];
    await engine.load(
      "limits",
      cases.map(([n], i) => ({ key: `${i}`, doc: { n } })),
    );
    for (const [i, [left, operator, right, result]] of cases.entries()) {
      const parameters = [right, `${i}`];
      const writing = query(engine, `UPDATE limits SET r = n ${operator} $1 WHERE id = $2`, parameters);
      if (result === null) {
        await expect(writing, `${left} ${operator} ${right}`).rejects.toThrow("formdb: no result of");
        continue;
      }
      await writing;
      const { rows } = await query(engine, "SELECT r FROM limits WHERE id = $1", [`${i}`]);
      expect(rows, `${left} ${operator} ${right}`).toEqual([{ r: result }]);
    }
  });

  it("takes the first documents in the right order whatever types are among them", async () => {
    const values = [0, 1, -1, 0.5, true, false, "a", "[", "{", "z", null, undefined, [1], { a: 1 }, 2, 1];
    for (const name of ["first", "first_indexed"]) {
      await engine.load(
        name,
        values.map((v, i) => ({ key: String.fromCharCode(97 + i), doc: { v } })),
      );
      if (name === "first_indexed") await engine.index(name, [["v"]]);
      for (const direction of ["", " DESC"]) {
        const all = (await query(engine, `SELECT id FROM ${name} ORDER BY v${direction}`)).rows;
        for (const [limit, offset] of [
          [1, 0],
          [3, 1],
          [8, 4],
          [100, 0],
        ] as const) {
          const text = `SELECT id FROM ${name} ORDER BY v${direction} LIMIT ${limit} OFFSET ${offset}`;
          expect((await query(engine, text)).rows, text).toEqual(all.slice(offset, offset + limit));
        }
        const numbers = `SELECT id FROM ${name} WHERE v > 0.2 ORDER BY v${direction} LIMIT 2`;
        const found = (await query(engine, numbers)).rows.map(({ id }) => id);
        expect(found).toEqual(direction === "" ? ["d", "b"] : ["o", "b"]);
      }
    }
  });

  it("groups equal values of one type, NULLs together", async () => {
    await engine.load(
      "groups",
      [1, 1, true, "1", null, undefined, { a: 1, b: 2 }, { b: 2, a: 1 }, [1], [true]].map((g, i) => ({
        key: `${i}`,
        doc: { g },
      })),
    );
    const { rows } = await query(engine, "SELECT g, COUNT(*) AS n FROM groups GROUP BY g ORDER BY g");
    expect(rows).toEqual([
      { g: null, n: 2 },
      { g: true, n: 1 },
      { g: 1, n: 2 },
      { g: "1", n: 1 },
      { g: [1], n: 1 },
      { g: [true], n: 1 },
      { g: { a: 1, b: 2 }, n: 2 },
    ]);
  });

  it("sets places in documents, making what is on the way", async () => {
    const updated = async (
      name: string,
      doc: { readonly [name: string]: unknown },
      set: string,
      parameters: readonly unknown[] = [],
    ) => {
      await engine.load(name, [{ key: "k", doc }]);
      expect((await query(engine, `UPDATE ${name} SET ${set}`, parameters)).count).toBe(1);
      const { rows } = await engine.run(`SELECT version, updated_at FROM "${name}"`, []);
      expect(Number(rows[0]![0])).toBe(2);
      expect(Math.abs(Number(rows[0]![1]) - Date.now())).toBeLessThan(600_000);
      return (await contents(engine, name))[0]!.doc;
    };
    expect(await updated("u1", { x: 1 }, "a.b.c = 5")).toEqual({ x: 1, a: { b: { c: 5 } } });
    expect(await updated("u2", { a: 7 }, "a.b = 'x', c = NULL")).toEqual({ a: { b: "x" }, c: null });
    expect(await updated("u3", { a: { c: 1 } }, "a.b = 2, a.d = TRUE")).toEqual({
      a: { b: 2, c: 1, d: true },
    });
    expect(await updated("u4", { t: [1] }, "t[3] = 4")).toEqual({ t: [1, null, null, 4] });
    expect(await updated("u5", { t: "no" }, "t[1].x = 4, t[0] = 1")).toEqual({ t: [1, { x: 4 }] });
    expect(await updated("u6", { t: [[]] }, "t[0][1] = $1", [{ deep: [1] }])).toEqual({
      t: [[null, { deep: [1] }]],
    });
    expect(await updated("u7", { "0": 1 }, "`0` = 2, `a.b` = 3, `it's \"` = 4")).toEqual({
      "0": 2,
      "a.b": 3,
      "it's \"": 4,
    });
    expect(await updated("u8", {}, "d = $1", [new Date(0)])).toEqual({ d: "1970-01-01T00:00:00.000Z" });
  });

  it("counts what UPDATE and DELETE change", async () => {
    await engine.load(
      "counted",
      [1, 2, 3].map((n) => ({ key: `${n}`, doc: { n } })),
    );
    expect((await query(engine, "UPDATE counted SET seen = TRUE WHERE n > 1")).count).toBe(2);
    expect((await query(engine, "DELETE FROM counted WHERE seen = TRUE")).count).toBe(2);
    expect((await query(engine, "DELETE FROM counted")).count).toBe(1);
  });

  it("takes a thousand conditions, and hundreds of places to set", async () => {
    const many = Array.from({ length: 999 }, (_, i) => `v = ${i}`);
    const { rows } = await query(engine, `SELECT * FROM plain WHERE ${many.join(" OR ")}`);
    expect(rows.map(({ id }) => id).sort()).toEqual(["one", "scalar"]);
    const all = await query(engine, `SELECT * FROM plain WHERE NOT (${many.join(" OR ")}) AND v IS NOT NULL`);
    expect(all.rows).toHaveLength(Object.keys(DOCUMENTS).length - 4);
    await engine.load("wide", [{ key: "k", doc: {} }]);
    const sets = Array.from({ length: 500 }, (_, i) => `a.b.f${i} = ${i}`);
    await query(engine, `UPDATE wide SET ${sets.join(", ")}`);
    expect((await query(engine, "SELECT a.b.f499 AS last FROM wide")).rows).toEqual([{ last: 499 }]);
  });
});
