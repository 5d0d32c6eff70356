import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JsonValue } from "../../src/base/document.ts";
import { canonicalJson } from "../../src/dialect/canonical-json.ts";
import { choice, choicesIn, combine, join, settle, sql, steps } from "../../src/dialect/fragment.ts";
import { likePrefix, parseLike, textAfter } from "../../src/dialect/like-pattern.ts";
import { expressionsFor } from "../../src/dialect/postgres/expressions.ts";
import { sqliteExpressions } from "../../src/dialect/sqlite/expressions.ts";
import { sqliteFunctions } from "../../src/dialect/sqlite/functions.ts";

describe("a fragment", () => {
  const place = { operand: 0, encode: (value: JsonValue): unknown => value };

  it("joins texts and keeps places apart", () => {
    expect(sql`a ${"b"} c`).toEqual(["a b c"]);
    expect(sql`a = ${place} AND ${sql`b = ${place}`}`).toEqual(["a = ", place, " AND b = ", place]);
    expect(join(["a", sql`b`, "c"], ", ")).toEqual(["a, b, c"]);
  });

  it("asks what is cheap of all parts of an AND before the rest, and each question once", () => {
    const part = (name: string) => steps(sql`${name} > ${place}`, ["is number"]);
    const or = sql`(${part("c")} OR d)`;
    const settled = settle(combine("AND", [part("a"), combine("AND", [part("b"), or])]), []);
    expect(settled.map((piece) => (typeof piece === "string" ? piece : "?")).join("")).toBe(
      "(a > ? AND b > ? AND ((c > ? AND is number) OR d) AND is number)",
    );
  });

  it("makes its choices in their order, wherever they stand", () => {
    const pick = (operand: number) => choice(operand, String, (kind) => [`${operand}${kind}`]);
    const fragment = sql`x ${combine("AND", [pick(0), sql`(${pick(1)} OR y)`])} ${pick(2)}`;
    expect(choicesIn(fragment).map(({ operand }) => operand)).toEqual([0, 1, 2]);
    expect(settle(fragment, ["a", "b", "c"])).toEqual(["x (0a AND (1b OR y)) 2c"]);
  });

  it("nests many conditions only as deep as their number's logarithm", () => {
    const all = combine(
      "AND",
      Array.from({ length: 1_000 }, (_, i) => sql`c${String(i)}`),
    );
    const text = settle(all, []).join("");
    let depth = 0;
    let deepest = 0;
    for (const char of text) {
      if (char === "(") deepest = Math.max(deepest, ++depth);
      if (char === ")") depth--;
    }
    expect(deepest).toBeLessThan(12);
    expect(text.match(/c\d+/g)).toHaveLength(1_000);
  });
});

describe("canonical JSON", () => {
  it.each([
    [{ b: 1, a: 2, aa: 3 }, '{"a": 2, "b": 1, "aa": 3}'],
    [{ é: 1, zz: 2, z: 3 }, '{"z": 3, "zz": 2, "é": 1}'],
    [[1, "a", null, true, []], '[1, "a", null, true, []]'],
    [1e21, "1000000000000000000000"],
    [1.5e300, `15${"0".repeat(299)}`],
    [-1.25e-7, "-0.000000125"],
    [5e-324, `0.${"0".repeat(323)}5`],
    [0.1, "0.1"],
  ])("of %j is %s", (value, text) => {
    expect(canonicalJson(value as JsonValue)).toBe(text);
  });

  it("is JSON of the same value, and does not depend on the order of keys", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (raw) => {
        const value = JSON.parse(JSON.stringify(raw)) as JsonValue;
        expect(JSON.parse(canonicalJson(value))).toEqual(value);
        if (typeof value === "object" && value !== null && !Array.isArray(value)) {
          const turned = Object.fromEntries(Object.entries(value).reverse());
          expect(canonicalJson(turned as JsonValue)).toBe(canonicalJson(value));
        }
      }),
    );
  });

  it("is what the function in SQLite gives", () => {
    const { name, deterministic, fn } = sqliteFunctions[0]!;
    expect([name, deterministic]).toEqual(["formdb_canonical", true]);
    expect(fn('{"b":[1.0],"a":null}')).toBe('{"a": null, "b": [1]}');
    expect(fn(null)).toBeNull();
  });
});

describe("a pattern of LIKE", () => {
  it("is literals, single characters and any text", () => {
    expect(parseLike("a%_b")).toEqual([{ literal: "a" }, "any", "one", { literal: "b" }]);
    expect(parseLike("\\%\\_\\\\\\a\\")).toEqual([{ literal: "%_\\a\\" }]);
    expect(parseLike("%%%")).toEqual(["any"]);
    expect(parseLike("")).toEqual([]);
  });

  it("has a prefix, and a text after all that start with it", () => {
    expect(likePrefix("ab\\%c%d")).toBe("ab%c");
    expect(likePrefix("%a")).toBe("");
    expect(likePrefix("")).toBe("");
    expect(likePrefix(5)).toBeNull();
    expect(textAfter("ab")).toBe("ac");
    expect(textAfter("a\ud7ff")).toBe("a\ue000");
    expect(textAfter("a\u{10ffff}\u{10ffff}")).toBe("b");
    expect(textAfter("\u{10ffff}")).toBeUndefined();
    expect(textAfter("")).toBeUndefined();
  });

  it("leaves nothing between a prefix and the text after it but what starts with it", () => {
    const compare = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (prefix, other) => {
        const after = textAfter(prefix);
        const within = compare(other, prefix) >= 0 && (after === undefined || compare(other, after) < 0);
        expect(within).toBe(other.startsWith(prefix) || (after === undefined && compare(other, prefix) >= 0));
        expect(compare(prefix + other, prefix) >= 0).toBe(true);
        if (after !== undefined) expect(compare(prefix + other, after)).toBe(-1);
      }),
    );
  });
});

describe.each([
  ["SQLite", sqliteExpressions],
  ["PostgreSQL", expressionsFor()],
])("indexes in %s", (_, dialect) => {
  it("hold expressions that filters use", () => {
    for (const path of [["age"], ["a", "b"], ["t", 0], ["it's", '"']]) {
      const filter = settle(dialect.conditions.equals({ type: "path", path }, 0, true), ["number"])
        .filter((piece) => typeof piece === "string")
        .join("");
      for (const expression of dialect.indexExpressions(path)) expect(filter).toContain(expression);
    }
  });

  it("use the key itself for id", () => {
    expect(dialect.indexExpressions(["id"])).toEqual(["id"]);
    const byId = { type: "path", path: ["id"], descending: true } as const;
    const all = {
      where: [],
      from: undefined,
      inOrder: true,
      locks: false,
      limit: undefined,
      offset: undefined,
    };
    expect(dialect.documents({ list: "id", table: "c", orderBy: [byId], ...all })).toEqual([
      "SELECT id FROM c ORDER BY id DESC",
    ]);
  });

  it("have their guards at the end, and only where they are unique", () => {
    const plain = dialect.indexColumns([["a"], ["b"]], false);
    expect(plain).toEqual([...dialect.indexExpressions(["a"]), ...dialect.indexExpressions(["b"])]);
    expect(dialect.indexColumns([["a"], ["b"]], true)).toEqual([
      ...plain,
      dialect.indexColumns([["a"]], true).at(-1),
      dialect.indexColumns([["b"]], true).at(-1),
    ]);
  });
});
