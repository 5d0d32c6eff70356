import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../support/random.ts";
import { contents, ENGINES, prepare, query, type TestEngine } from "./engines.ts";

const DOCUMENTS = 10_000;

/** Each filter or ordering on an indexed path, and its parameters. */
const INDEXED: readonly [query: string, parameters?: readonly unknown[]][] = [
  ["SELECT * FROM big WHERE age = 5"],
  ["SELECT * FROM big WHERE age = $1", ["5"]],
  ["SELECT name FROM big WHERE age = $1", [5]],
  ["SELECT * FROM big WHERE age > 49998"],
  ["SELECT * FROM big WHERE 3 >= age"],
  ["SELECT * FROM big WHERE age BETWEEN 10 AND $1", [12]],
  ["SELECT * FROM big WHERE age > $1 AND age < $2", [10, 14]],
  ["SELECT * FROM big WHERE age IN (1, 2, 3)"],
  ["SELECT * FROM big WHERE age IN $1", [[1, "a", true]]],
  ["SELECT * FROM big WHERE age IS NULL"],
  ["SELECT * FROM big WHERE age = 5 AND name != 'x'"],
  ["SELECT * FROM big WHERE age = 5 OR age = 7"],
  ["SELECT * FROM big WHERE NOT (age <= 49998 OR age IS NULL OR age != 49999)"],
  ["SELECT * FROM big ORDER BY age LIMIT 10"],
  ["SELECT * FROM big ORDER BY age DESC LIMIT 10"],
  ["SELECT * FROM big WHERE age > 10 ORDER BY age LIMIT 10"],
  ["SELECT * FROM big WHERE name = 'name 77'"],
  ["SELECT * FROM big WHERE name > $1", ["name 9998"]],
  ["SELECT * FROM big WHERE name >= $1", ["name 9998"]],
  ["SELECT * FROM big WHERE name <= $1", ["name 1"]],
  ["SELECT * FROM big WHERE name BETWEEN $1 AND $2", ["name 77", "name 78"]],
  ["SELECT * FROM big WHERE name LIKE 'name 777%'"],
  ["SELECT * FROM big WHERE LOWER(mail) = 'user7@x.no'"],
  ["SELECT * FROM big WHERE LOWER(mail) IN $1", [["user7@x.no", "user8@x.no", 3]]],
  ["SELECT * FROM big WHERE LOWER(mail) LIKE 'user777%'"],
  ["SELECT * FROM big WHERE LOWER(mail) BETWEEN $1 AND $2", ["user77", "user78"]],
  ["SELECT * FROM big WHERE LOWER(mail) IS NULL"],
  ["SELECT * FROM big ORDER BY LOWER(mail) LIMIT 5"],
  ["SELECT * FROM big ORDER BY LOWER(mail) DESC LIMIT 5"],
  ["SELECT * FROM big WHERE UPPER(id) = 'K7'"],
  ["SELECT * FROM big WHERE address.city = 'c7'"],
  ["SELECT * FROM big WHERE tags[0] = 't7'"],
  ["SELECT * FROM big WHERE address.city = 'c7' AND name = 'name 7'"],
  ["SELECT * FROM big WHERE flag = TRUE"],
  ["UPDATE big SET seen = TRUE WHERE age = 5"],
  ["DELETE FROM big WHERE age = 5"],
];

/** What only the key's own index serves. */
const BY_KEY: readonly [query: string, parameters?: readonly unknown[]][] = [
  ["SELECT * FROM big WHERE id = 5"],
  ["SELECT * FROM big WHERE id = $1", ["5"]],
  ["SELECT * FROM big WHERE id IN (1, 2, 3)"],
  ["SELECT * FROM big WHERE id > '99998'"],
  ["SELECT * FROM big ORDER BY id LIMIT 3"],
];

describe.each(ENGINES)("%s", (_, open) => {
  let engine: TestEngine;

  beforeAll(async () => {
    engine = await open();
    await engine.load(
      "big",
      Array.from({ length: DOCUMENTS }, (_, i) => ({
        key: String(i),
        doc: {
          age: i % 1_000 === 0 ? undefined : i * 5,
          name: `name ${i}`,
          mail: i % 1_000 === 0 ? null : `User${i}@X.no`,
          address: { city: `c${i % 5_000}` },
          tags: [`t${i}`],
          flag: i % 1_000 === 3,
        },
      })),
    );
    for (const path of [["age"], ["name"], ["address", "city"], ["tags", 0], ["flag"]]) {
      await engine.index("big", [path]);
    }
    await engine.index("big", [{ type: "lower", path: ["mail"] }]);
    await engine.index("big", [{ type: "upper", path: ["id"] }]);
  });

  afterAll(async () => {
    await engine?.close();
  });

  async function explain(text: string, parameters: readonly unknown[]): Promise<string> {
    const { plan, values } = prepare(text, engine.dialect);
    const { statement, values: bound } = plan.bind(values, parameters);
    return engine.explain(statement!.text, bound);
  }

  function expectIndex(explained: string): void {
    // PostgreSQL's node names; SQLite says USING INDEX where it searches or walks one.
    // What SQLite sorts by ranks it scans only if the first documents leave a doubt: that one scan, with its guard, is
    // all that may be there without an index.
    const chosen = explained.replace(/^SCAN formdb_doubt\nSCAN big$/m, "");
    expect(chosen).not.toMatch(/Seq Scan on big|^SCAN big(?! USING)/m);
    expect(chosen).toMatch(/Index (Only )?Scan|Bitmap Index Scan|USING (COVERING )?(INDEX|PRIMARY KEY)/);
  }

  it.each(INDEXED)("uses the index for %s", async (text, parameters = []) => {
    expectIndex(await explain(text, parameters));
  });

  it.each(BY_KEY)("uses the key for %s", async (text, parameters = []) => {
    expectIndex(await explain(text, parameters));
  });

  it("scans where no index helps", async () => {
    expect(await explain("SELECT * FROM big WHERE other = 5", [])).toMatch(/Seq Scan on big|SCAN big/);
  });
});

describe.each(ENGINES)("an index in %s", (_, open) => {
  it("takes texts of any length, and still finds and orders them", async () => {
    const engine = await open();
    try {
      const random = new Random(1);
      const long = random
        .some(20_000, 20_000, () => String.fromCodePoint(0x4e00 + random.below(20_000)))
        .join("");
      await engine.load("texts", []);
      await engine.index("texts", [["v"]]);
      await engine.load(
        "texts",
        [`${long}b`, long, `${long}a`, "short"].map((v, i) => ({ key: `${i}`, doc: { v } })),
      );
      const keys = async (rest: string, ...parameters: unknown[]) =>
        (await query(engine, `SELECT id FROM texts ${rest}`, parameters)).rows.map(({ id }) => id).join("");
      expect(await keys("ORDER BY v")).toBe("3120");
      expect(await keys("ORDER BY v DESC")).toBe("0213");
      expect(await keys("WHERE v = $1", `${long}a`)).toBe("2");
      expect(await keys("WHERE v > $1 ORDER BY v", long)).toBe("20");
      expect(await keys("WHERE v <= $1 ORDER BY v", long)).toBe("31");
      expect(await keys("WHERE v IN ($1, $2) ORDER BY v", long, `${long}b`)).toBe("10");
      expect(await keys("WHERE v LIKE $1 ORDER BY v", `${long.slice(0, 200)}%b`)).toBe("0");
    } finally {
      await engine.close();
    }
  });
});

describe.each(ENGINES)("an index that is known in %s", (_, open) => {
  it("tells apart texts that are as long as what it holds of them, and longer ones", async () => {
    const engine = await open();
    try {
      const texts = [
        "x".repeat(63),
        "x".repeat(64),
        "x".repeat(65),
        "\u{1F600}".repeat(63),
        "\u{1F600}".repeat(65),
        "1",
        "true",
      ];
      await engine.load(
        "texts",
        [...texts, 1, true, null, ["1"]].map((v, i) => ({ key: `${i}`, doc: { v } })),
      );
      await engine.index("texts", [["v"]]);
      const dialect = engine.dialect.knowing!((path) =>
        JSON.stringify(path) === '["v"]'
          ? { collection: "texts", name: "by_v", paths: [path], unique: false }
          : undefined,
      );
      for (const [i, value] of [...texts, 1, true].entries()) {
        const { rows } = await query(engine, "SELECT id FROM texts WHERE v = $1", [value], dialect);
        expect(rows).toEqual([{ id: `${i}` }]);
      }
    } finally {
      await engine.close();
    }
  });
});

describe.each(ENGINES)("a unique index in %s", (_, open) => {
  let engine: TestEngine;

  beforeAll(async () => {
    engine = await open();
  });

  afterAll(async () => {
    await engine?.close();
  });

  const accepted: readonly (readonly [string, readonly unknown[]])[] = [
    ["documents without the field", [undefined, undefined]],
    ["nulls", [null, null]],
    ["equal arrays", [[1], [1]]],
    ["equal objects", [{ a: 1 }, { a: 1 }]],
    ["values of different types", [1, "1", true, [1]]],
    ["strings that differ in case", ["a", "A"]],
    ["long strings that differ at their ends", ["x".repeat(20_000), `${"x".repeat(20_000)}y`]],
  ];

  it.each(accepted.map(([what, values], i) => ({ what, values, i })))(
    "takes $what",
    async ({ values, i }) => {
      const collection = `accepted${i}`;
      await engine.load(collection, []);
      await engine.index(collection, [["u"]], true);
      await engine.load(
        collection,
        values.map((u, key) => ({ key: String(key), doc: { u } })),
      );
      expect(await contents(engine, collection)).toHaveLength(values.length);
    },
  );

  it.each([
    [1, 1],
    [1.5, 1.5],
    ["a", "a"],
    [true, true],
    ["é".repeat(500), "é".repeat(500)],
  ])("refuses a second %j", async (...values) => {
    const collection = `refused_${typeof values[0]}_${String(values[0]).length}`;
    await engine.load(collection, []);
    await engine.index(collection, [["u"]], true);
    const load = engine.load(
      collection,
      values.map((u, key) => ({ key: String(key), doc: { u } })),
    );
    await expect(load).rejects.toThrow(/unique/i);
  });

  it("over two paths refuses only what is equal in both", async () => {
    await engine.load("pairs", []);
    await engine.index("pairs", [["a"], ["b"]], true);
    const insert = (key: string, doc: { readonly [name: string]: unknown }) =>
      engine.load("pairs", [{ key, doc }]);
    await insert("1", { a: 1, b: 1 });
    await insert("2", { a: 1, b: 2 });
    await insert("3", { a: 1 });
    await insert("4", { a: 1 });
    await expect(insert("5", { a: 1, b: 2 })).rejects.toThrow(/unique/i);
    expect((await query(engine, "SELECT * FROM pairs WHERE a = 1 AND b = 2")).rows).toHaveLength(1);
  });
});
