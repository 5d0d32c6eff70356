import { describe, expect, it } from "vitest";
import { parse, parseShape, statementOf } from "../../src/query/parser.ts";
import { shapeOf } from "../../src/query/shape.ts";
import type { Expression, Select, Statement } from "../../src/query/syntax-tree.ts";

const a = { type: "path", path: ["a"] } as const;
const slot = (index: number) => ({ type: "slot", index }) as const;

function where(text: string): Expression | undefined {
  return (parse(`SELECT * FROM c WHERE ${text}`).statement as Select).where;
}

function select(text: string): Select {
  return parse(text).statement as Select;
}

describe("statements", () => {
  it.each<[text: string, statement: Statement]>([
    ["CREATE COLLECTION users", { type: "createCollection", collection: "users" }],
    ["DROP COLLECTION users", { type: "dropCollection", collection: "users" }],
    [
      "CREATE UNIQUE INDEX by_city ON users (address.city, tags[0])",
      {
        type: "createIndex",
        collection: "users",
        name: "by_city",
        paths: [
          ["address", "city"],
          ["tags", 0],
        ],
        unique: true,
      },
    ],
    [
      "CREATE INDEX ON count (a)",
      { type: "createIndex", collection: "count", name: undefined, paths: [["a"]], unique: false },
    ],
    ["DROP INDEX by_city ON users", { type: "dropIndex", collection: "users", name: "by_city" }],
    ["INTROSPECT COLLECTIONS", { type: "introspect", collection: undefined }],
    ["INTROSPECT INDEXES users", { type: "introspect", collection: "users" }],
    ['INSERT INTO c {"a": 1}', { type: "insert", collection: "c", documents: [slot(0)] }],
    ['INSERT INTO c {"a": 1}, {"a": 2}', { type: "insert", collection: "c", documents: [slot(0)] }],
    [
      'INSERT INTO c {"a": 1}, $1, {"a": 2}',
      { type: "insert", collection: "c", documents: [slot(0), { type: "parameter", index: 0 }, slot(1)] },
    ],
    [
      "UPDATE c SET a = b -1 - (2 * c.d)",
      {
        type: "update",
        collection: "c",
        assignments: [
          {
            path: ["a"],
            value: {
              type: "arithmetic",
              operator: "-",
              left: {
                type: "arithmetic",
                operator: "-",
                left: { type: "path", path: ["b"] },
                right: slot(0),
              },
              right: {
                type: "arithmetic",
                operator: "*",
                left: slot(1),
                right: { type: "path", path: ["c", "d"] },
              },
            },
          },
        ],
        where: undefined,
      },
    ],
    ["INSERT INTO c $1", { type: "insert", collection: "c", documents: [{ type: "parameter", index: 0 }] }],
    ["INSERT INTO c :doc", { type: "insert", collection: "c", documents: [{ type: "named", name: "doc" }] }],
    [
      "UPDATE c SET a = 1, b.c = ? WHERE a = ?",
      {
        type: "update",
        collection: "c",
        assignments: [
          { path: ["a"], value: slot(0) },
          { path: ["b", "c"], value: { type: "parameter", index: 0 } },
        ],
        where: { type: "compare", operator: "=", left: a, right: { type: "parameter", index: 1 } },
      },
    ],
    ["DELETE FROM c", { type: "delete", collection: "c", where: undefined }],
    [
      "EXPLAIN DELETE FROM c",
      { type: "explain", statement: { type: "delete", collection: "c", where: undefined } },
    ],
  ])("%s", (text, statement) => {
    expect(parse(text).statement).toEqual(statement);
  });
});

describe("expressions", () => {
  it.each<[text: string, expression: Expression]>([
    ["a = 5", { type: "compare", operator: "=", left: a, right: slot(0) }],
    ["5 < a", { type: "compare", operator: "<", left: slot(0), right: a }],
    ["a <> a", { type: "compare", operator: "!=", left: a, right: a }],
    ["a IN (1, 2)", { type: "in", subject: a, list: { type: "array", operand: slot(0) }, negated: false }],
    [
      "a NOT IN $2",
      {
        type: "in",
        subject: a,
        list: { type: "array", operand: { type: "parameter", index: 1 } },
        negated: true,
      },
    ],
    [
      "a IN ($1, 2)",
      {
        type: "in",
        subject: a,
        list: { type: "elements", elements: [{ type: "parameter", index: 0 }, slot(0)] },
        negated: false,
      },
    ],
    ["a BETWEEN 1 AND 2", { type: "between", subject: a, low: slot(0), high: slot(1), negated: false }],
    ["a NOT LIKE 'x%'", { type: "like", subject: a, pattern: slot(0), negated: true }],
    ["a CONTAINS 'x'", { type: "contains", subject: a, operand: slot(0) }],
    ["a NOT CONTAINS 'x'", { type: "not", operand: { type: "contains", subject: a, operand: slot(0) } }],
    ["LOWER(a) = 'x'", { type: "compare", operator: "=", left: { ...a, type: "lower" }, right: slot(0) }],
    [
      "upper(a) <> LOWER(a.b)",
      {
        type: "compare",
        operator: "!=",
        left: { ...a, type: "upper" },
        right: { type: "lower", path: ["a", "b"] },
      },
    ],
    ["a IS NULL", { type: "isNull", subject: a, negated: false }],
    ["a IS NOT NULL", { type: "isNull", subject: a, negated: true }],
    [
      "tags[*] = 5",
      {
        type: "some",
        arrays: [["tags"]],
        where: { type: "compare", operator: "=", left: { type: "path", path: [] }, right: slot(0) },
      },
    ],
    [
      "5 < a.b[*].a",
      {
        type: "some",
        arrays: [["a", "b"]],
        where: { type: "compare", operator: "<", left: slot(0), right: a },
      },
    ],
    [
      "a[*].b[ * ][2].a NOT CONTAINS 'x'",
      {
        type: "some",
        arrays: [["a"], ["b"]],
        where: {
          type: "not",
          operand: { type: "contains", subject: { type: "path", path: [2, "a"] }, operand: slot(0) },
        },
      },
    ],
    [
      "NOT a[*].`*` IS NOT NULL",
      {
        type: "not",
        operand: {
          type: "some",
          arrays: [["a"]],
          where: { type: "isNull", subject: { type: "path", path: ["*"] }, negated: true },
        },
      },
    ],
    [
      "LOWER(a[*].b) LIKE 'x'",
      {
        type: "some",
        arrays: [["a"]],
        where: { type: "like", subject: { type: "lower", path: ["b"] }, pattern: slot(0), negated: false },
      },
    ],
  ])("%s", (text, expression) => {
    expect(where(text)).toEqual(expression);
  });

  it("AND binds tighter than OR, NOT tighter than AND, and chains are flat", () => {
    const expected = where("((NOT (a = 1)) AND a = 2 AND a = 3) OR a = 4 OR (a = 5 AND a = 6)");
    expect(where("NOT a = 1 AND a = 2 AND a = 3 OR a = 4 OR a = 5 AND a = 6")).toEqual(expected);
    expect(expected).toMatchObject({
      type: "or",
      operands: [
        { type: "and", operands: [{ type: "not" }, { type: "compare" }, { type: "compare" }] },
        { type: "compare" },
        { type: "and" },
      ],
    });
  });

  it("the AND of BETWEEN is not that of a chain", () => {
    expect(where("a BETWEEN 1 AND 2 AND a = 3")).toMatchObject({
      type: "and",
      operands: [{ type: "between" }, { type: "compare" }],
    });
  });

  it("NULL after a comparison is a value; after IS it is part of the operator", () => {
    expect(parse("SELECT * FROM c WHERE NULL = a AND a IS NULL").values).toEqual([null]);
    expect(parse("SELECT * FROM c WHERE a IS NOT NULL AND NOT a = NULL").values).toEqual([null]);
  });
});

describe("SELECT", () => {
  it("names a column by AS, else by its text", () => {
    const { items } = select(
      "SELECT a.b, tags[0].x, `two words`, a AS count, COUNT(*), max(`a`.b) FROM c GROUP BY a.b, tags[0].x, `two words`, a",
    );
    expect(items?.map(({ name }) => name)).toEqual([
      "a.b",
      "tags[0].x",
      "two words",
      "count",
      "COUNT(*)",
      "MAX(a.b)",
    ]);
  });

  it("takes LIMIT and OFFSET, alone or together", () => {
    expect(select("SELECT * FROM c LIMIT 5 OFFSET $1")).toMatchObject({
      limit: slot(0),
      offset: { type: "parameter" },
    });
    expect(select("SELECT * FROM c OFFSET 5")).toMatchObject({ limit: undefined, offset: slot(0) });
  });

  it("orders by paths, by what AS has named, and in groups by columns", () => {
    expect(select("SELECT b AS a, d FROM c ORDER BY a DESC, d, x.y ASC").orderBy).toEqual([
      { type: "path", path: ["b"], descending: true },
      { type: "path", path: ["d"], descending: false },
      { type: "path", path: ["x", "y"], descending: false },
    ]);
    expect(
      select("SELECT a, COUNT(*) AS n, MIN(b) FROM c GROUP BY a, d ORDER BY n, min(b) DESC, COUNT(*), a, d")
        .orderBy,
    ).toEqual([
      { type: "aggregate", function: "COUNT", of: undefined, descending: false },
      { type: "aggregate", function: "MIN", of: { type: "path", path: ["b"] }, descending: true },
      { type: "aggregate", function: "COUNT", of: undefined, descending: false },
      { type: "path", path: ["a"], descending: false },
      { type: "path", path: ["d"], descending: false },
    ]);
  });

  it("does not take a field for a column that merely has its name", () => {
    expect(select("SELECT a.b FROM c ORDER BY `a.b`").orderBy).toEqual([
      { type: "path", path: ["a.b"], descending: false },
    ]);
  });

  it("takes LOWER and UPPER of a path wherever a path can stand, and by their texts for names", () => {
    const text =
      "SELECT lower(a), UPPER(b.c) AS big, MIN(LOWER(d)), lower FROM upper GROUP BY LOWER(a), upper(b.c), lower ORDER BY big, LOWER(a)";
    const { items, groupBy, orderBy, collection } = select(text);
    expect(items?.map(({ name }) => name)).toEqual(["LOWER(a)", "big", "MIN(LOWER(d))", "lower"]);
    expect(collection).toBe("upper");
    const big = { type: "upper", path: ["b", "c"] };
    expect(groupBy).toEqual([{ type: "lower", path: ["a"] }, big, { type: "path", path: ["lower"] }]);
    expect(orderBy).toEqual([
      { ...big, descending: false },
      { type: "lower", path: ["a"], descending: false },
    ]);
  });

  it("accepts words as names where they can't mean anything else", () => {
    const text =
      "SELECT count, index, desc, a.order, min AS max FROM collection WHERE unique = 1 AND sum IN (1) ORDER BY asc ASC";
    expect(select(text).items?.map(({ name }) => name)).toEqual(["count", "index", "desc", "a.order", "max"]);
    expect(select(text).orderBy).toEqual([{ type: "path", path: ["asc"], descending: false }]);
    expect(parseShape("SELECT `select` FROM c")).toMatchObject({ items: [{ path: ["select"] }] });
  });
});

describe("statementOf", () => {
  it("gives the tree of the text from its shape", () => {
    const text = "select a from c where b in (1, 2) -- few";
    expect(statementOf(text, shapeOf(text))).toEqual(parse(text).statement);
  });

  it("points into the text where the text can't be read", () => {
    const text = "select a\nfrom c\nwhere b = 'long enough to move the place' or";
    const shape = shapeOf(text);
    expect(() => statementOf(text, shape)).toThrow(expect.objectContaining({ line: 3, column: 45 }));
  });
});
