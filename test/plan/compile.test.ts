import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { EngineStatement } from "../../src/base/engine-statement.ts";
import type { FormDBError } from "../../src/base/errors.ts";
import { postgresDialect } from "../../src/dialect/postgres/postgres-dialect.ts";
import { sqliteDialect } from "../../src/dialect/sqlite/sqlite-dialect.ts";
import { compile } from "../../src/plan/compile.ts";
import { resolveOperand } from "../../src/plan/parameters.ts";
import type { BoundStatement, Parameters, Plan } from "../../src/plan/plan.ts";
import type { Insert, Statement } from "../../src/query/syntax-tree.ts";
import { generateRead, generateWrite } from "../support/generate-queries.ts";
import { Random } from "../support/random.ts";
import { prepare } from "./engines.ts";

const DIALECTS = [sqliteDialect, postgresDialect];

function planOf(text: string, dialect = sqliteDialect): Plan {
  return prepare(text, dialect).plan;
}

function bindingOf(text: string, parameters: Parameters, dialect = sqliteDialect): unknown[] {
  const { plan, values } = prepare(text, dialect);
  return [...plan.bind(values, parameters).values];
}

/** The statement for these parameters. */
function statementOf(text: string, dialect = sqliteDialect, parameters: Parameters = []): EngineStatement {
  const { plan, values } = prepare(text, dialect);
  return plan.bind(values, parameters).statement!;
}

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return `${(error as FormDBError).code}: ${(error as FormDBError).message}`;
  }
  return "no error";
}

describe("a statement for SQLite", () => {
  it.each([
    "SELECT * FROM t WHERE a = 1 ORDER BY b LIMIT 10",
    "SELECT * FROM t WHERE a = 1 AND c = TRUE ORDER BY b DESC LIMIT 10 OFFSET 5",
    "SELECT * FROM t WHERE a > 1 AND a <= 9 AND c <> 'x' ORDER BY b, c LIMIT 3",
    "SELECT * FROM t WHERE a LIKE 'x%' ORDER BY id LIMIT 2",
    "SELECT a, COUNT(*) FROM t WHERE NOT (b < 3) GROUP BY a ORDER BY a LIMIT 4 OFFSET 1",
  ])("keeps SQLite from looking at bound values, for which it would compile anew each time: %s", (text) => {
    const { text: spelled } = statementOf(text);
    expect(spelled).toMatch(/\+\?/);
    expect(spelled).not.toMatch(/(?:[=<>]|GLOB|LIMIT|OFFSET) *\?/);
  });
});

describe.each(DIALECTS)("a plan for $name", (dialect) => {
  it("holds no value: queries of one shape and of the same types have one statement and one name", () => {
    const first = "SELECT name FROM users WHERE age > 21 AND name LIKE 'a%' AND x IN (1, 2)";
    const second = "select name from users where age > 5e3 and name like 'q' and x in (7)";
    expect(planOf(second, dialect).shape).toBe(planOf(first, dialect).shape);
    expect(statementOf(second, dialect)).toEqual(statementOf(first, dialect));
    expect(statementOf(first, dialect).text).not.toMatch(/21|a%/);
  });

  it("has a statement for each combination of types, and keeps those that come again", () => {
    const { plan } = prepare("SELECT * FROM c WHERE a = $1 AND b > $2", dialect);
    const statement = (...parameters: unknown[]) => plan.bind([], parameters).statement!;
    const numbers = statement(2, 2);
    expect(statement(2, "2").text).not.toBe(numbers.text);
    expect(statement(3, 4)).toBe(numbers);
    expect(statement(null, 4).text).toContain("FALSE");
    for (const a of [1, "a", true, null, [1], {}]) {
      for (const b of [1, "a", true, null, [1], {}]) statement(a, b);
    }
    expect(statement(3, 4)).toEqual(numbers);
    expect(statement(3, 4)).not.toBe(numbers);
  });

  it("has as many places as it binds values, for any query", () => {
    const place = dialect.name === "sqlite" ? /\?/g : /\$\d+/g;
    let refused = 0;
    for (let seed = 0; seed < 300; seed++) {
      const random = new Random(seed);
      const { text, parameters } = (seed % 2 ? generateRead : generateWrite)(random, "c");
      const { plan, values } = prepare(text, dialect);
      let given: BoundStatement;
      try {
        given = plan.bind(values, parameters);
      } catch (error) {
        // A few statements calculate with a value that is no number, or divide one of their values by 0.
        expect(String(error), text).toMatch(/must be a (?:number in arithmetic|finite number)/);
        refused++;
        continue;
      }
      const { statement, values: bound } = given;
      // What is quoted is no place.
      const bare = statement!.text.replaceAll(/'(?:[^']|'')*'/g, "");
      const places = new Set(dialect.name === "sqlite" ? [] : bare.match(place));
      const count = dialect.name === "sqlite" ? (bare.match(place)?.length ?? 0) : places.size;
      expect(bound, text).toHaveLength(count);
    }
    expect(refused).toBeLessThan(30);
  });

  it("is frozen", () => {
    const plan = planOf("SELECT * FROM users", dialect);
    expect(Object.isFrozen(plan)).toBe(true);
    expect(Object.isFrozen(plan.bind([], []).statement)).toBe(true);
    expect(Object.isFrozen(plan.collections)).toBe(true);
  });

  it("is named by its content", () => {
    const names = ["a = 1", "b = 1", "a > 1", "`a'` = 1"].map(
      (where) => statementOf(`SELECT * FROM c WHERE ${where}`, dialect).name,
    );
    expect(new Set(names).size).toBe(4);
    for (const name of names) expect(name).toMatch(/^f[0-9a-f]{32}$/);
  });

  it("quotes whatever a path holds", () => {
    const { text } = statementOf("SELECT * FROM c WHERE `a'; DROP TABLE c --` = 1", dialect);
    expect(text).toContain("a''; DROP TABLE c --");
  });

  it("weighs more when its statement is longer", () => {
    const short = planOf("SELECT * FROM c", dialect);
    const text = "SELECT * FROM c WHERE a = 1 AND b = 2 AND c IN (1)";
    const long = planOf(text, dialect);
    expect(short.bytes).toBeGreaterThan(500);
    expect(long.bytes).toBeGreaterThan(short.bytes + text.length);
  });
});

describe("the cost of a statement", () => {
  it.each([
    ["SELECT * FROM c WHERE id = 1", "point"],
    ["SELECT a FROM c WHERE $1 = id", "point"],
    ["SELECT a FROM c WHERE x > 1 AND id = 'a'", "point"],
    ["UPDATE c SET a = 1 WHERE id = 'a'", "point"],
    ["DELETE FROM c WHERE id = 'a'", "point"],
    ["SELECT * FROM c WHERE id IN (1, 2)", "bounded"],
    ["SELECT * FROM c WHERE id = 1 OR id = 2", "bounded"],
    ["SELECT * FROM c WHERE id = 1 OR a = 2", "scan"],
    ["SELECT * FROM c WHERE id NOT IN (1)", "scan"],
    ["SELECT * FROM c WHERE NOT id = 1", "scan"],
    ["SELECT * FROM c WHERE LOWER(id) = 'a'", "scan"],
    ["SELECT a FROM c WHERE id = 'a' GROUP BY a HAVING COUNT(*) > 0", "point"],
    ["SELECT id FROM c GROUP BY id HAVING id = 'a'", "scan"],
    ["SELECT * FROM c WHERE id > 'a'", "scan"],
    ["SELECT * FROM c LIMIT 1", "scan"],
  ])("%s is a %s", (text, cost) => {
    expect(planOf(text).cost).toBe(cost);
    expect(statementOf(text, sqliteDialect, text.includes("$1") ? [1] : []).cost).toBe(cost);
  });
});

describe("the id that a query reads", () => {
  const idOf = (text: string, parameters: Parameters = []): unknown => {
    const { plan, values } = prepare(text, sqliteDialect);
    return plan.pointId === undefined ? "none" : plan.pointId(values, parameters);
  };

  it("is known where it is SELECT * of one document and nothing more", () => {
    expect(idOf("SELECT * FROM c WHERE id = 'x'")).toBe("x");
    expect(idOf("SELECT * FROM c WHERE id = $1", [7])).toBe("7");
    expect(idOf("SELECT * FROM c WHERE :key = id", { key: "k" })).toBe("k");
  });

  it("is undefined where the value can be no id", () => {
    for (const value of [1.5, true, null, [1]]) {
      expect(idOf("SELECT * FROM c WHERE id = $1", [value])).toBeUndefined();
    }
  });

  it.each([
    "SELECT name FROM c WHERE id = 'x'",
    "SELECT * FROM c WHERE id = 'x' AND a = 1",
    "SELECT * FROM c WHERE id = 'x' LIMIT 1",
    "SELECT * FROM c WHERE id = 'x' ORDER BY a",
    "SELECT * FROM c WHERE id != 'x'",
    "SELECT * FROM c WHERE a = 'x'",
    "SELECT * FROM c",
    "DELETE FROM c WHERE id = 'x'",
  ])("is not there for %s", (text) => {
    expect(planOf(text).pointId).toBeUndefined();
  });

  it("is refused with the wrong parameters like any other binding", () => {
    expect(codeOf(() => idOf("SELECT * FROM c WHERE id = $1", []))).toMatch(/^FORMDB_PARAMETER_MISMATCH/);
  });
});

describe("parameters", () => {
  it.each<[query: string, parameters: unknown, message: RegExp]>([
    ["SELECT * FROM c WHERE a = $1", [], /takes 1 parameter, but was given 0/],
    [
      "SELECT * FROM c WHERE a = :city AND b = :c",
      { city: 1, at: 2 },
      /The parameter :c is missing; :at was given, which the query does not have/,
    ],
    ["SELECT * FROM c WHERE a = $2", ["a"], /takes 2 parameters, but was given 1/],
    ["SELECT * FROM c WHERE a = ?", [1, 2], /takes 1 parameter, but was given 2/],
    ["SELECT * FROM c", [1], /takes no parameters, but was given 1/],
    ["SELECT * FROM c WHERE a = $1", { a: 1 }, /must be an array of 1/],
    ["SELECT * FROM c WHERE a = :a", [1], /must be an object with :a/],
    ["SELECT * FROM c WHERE a = :age", {}, /:age is missing/],
    ["SELECT * FROM c WHERE a = :age", { age: 1, agee: 2 }, /no parameter :agee; did you mean "age"\?/],
    ["SELECT * FROM c WHERE a = :toString", {}, /:toString is missing/],
    ["SELECT * FROM c WHERE a = $1", null, /must be an array or an object, not null/],
    ["SELECT * FROM c WHERE a = $1", [undefined], /\$1 must be a JSON value, not undefined/],
    ["SELECT * FROM c WHERE a = $1", [Number.NaN], /\$1 must be a finite number, not NaN/],
    ["SELECT * FROM c WHERE a = $1", [Infinity], /finite/],
    ["SELECT * FROM c WHERE a = $1", [5n], /BigInt 5; give it as a string/],
    ["SELECT * FROM c WHERE a = $1", [() => 1], /not a function/],
    ["SELECT * FROM c WHERE a = $1", [Symbol("x")], /JSON value/],
    ["SELECT * FROM c WHERE a = $1", ["a\0"], /U\+0000/],
    ["SELECT * FROM c WHERE a = $1", ["\ud800"], /lone surrogates/],
    [
      "SELECT * FROM c WHERE a = $1",
      [{ b: [Number.NaN] }],
      /\$1 at b\[0\] must be a finite number, not NaN$/,
    ],
    ["SELECT * FROM c WHERE a = $1", [/x/], /\$1 must be a JSON value, not a RegExp, of/],
    ["SELECT * FROM c WHERE a = $1", [new Date(Number.NaN)], /Invalid Date/],
    ["SELECT * FROM c WHERE a IN $1", [5], /\$1 must be an array for IN, not 5/],
    ["SELECT * FROM c WHERE a IN $1", [null], /must be an array for IN/],
    ["SELECT * FROM c WHERE a IN $1", [[1, undefined]], /\$1\[1\] must be a JSON value/],
    ["SELECT * FROM c WHERE a LIKE $1", [5], /\$1 must be a string, a pattern for LIKE, not 5/],
    ["SELECT * FROM c WHERE a LIKE $1", ["x".repeat(10_001)], /at most 10000 characters/],
    ["SELECT * FROM c LIMIT $1", [-1], /\$1 must be a whole number of at least 0, not -1/],
    ["SELECT * FROM c LIMIT :n", { n: 1.5 }, /:n must be a whole number/],
    ["SELECT * FROM c LIMIT 1 OFFSET $1", ["1"], /whole number/],
    ["SELECT * FROM c LIMIT $1", [null], /whole number/],
    ["INSERT INTO c $1", [], /takes 1 parameter/],
    ["EXPLAIN SELECT * FROM c WHERE a = $1", [], /takes 1 parameter/],
    ["CREATE COLLECTION c", [1], /takes no parameters/],
  ])("of %s are refused where they do not fit (%#)", (text, parameters, message) => {
    for (const dialect of DIALECTS) {
      const said = codeOf(() => bindingOf(text, parameters as Parameters, dialect));
      expect(said).toMatch(/^FORMDB_PARAMETER_MISMATCH: /);
      expect(said).toMatch(message);
    }
  });

  it("take dates as ISO text, -0 as 0, and objects by their own toJSON", () => {
    const bind = (value: unknown) => bindingOf("SELECT * FROM c WHERE a = $1", [value]);
    expect(bind(new Date(0))).toEqual(bind("1970-01-01T00:00:00.000Z"));
    expect(Object.is(bind(-0)[0], 0)).toBe(true);
    expect(bind({ toJSON: () => "x" })).toEqual(bind("x"));
    expect(bind({ b: 1, a: [undefined] })).toEqual(bind({ a: [null], b: 1 }));
  });

  it("by position may be used again and out of order", () => {
    expect(bindingOf("SELECT * FROM c WHERE id = $2 OR id = $1 OR id = $2", ["a", "b"])).toEqual([
      "b",
      "a",
      "b",
    ]);
  });

  it("by name come from own fields only", () => {
    expect(bindingOf("SELECT * FROM c WHERE id = :a", { a: "x" })).toEqual(["x"]);
    expect(codeOf(() => bindingOf("SELECT * FROM c WHERE id = :a", Object.create({ a: 1 })))).toMatch(
      /missing/,
    );
  });
});

describe("a plan without a statement", () => {
  it("gives the documents of an INSERT as they came, in one list", () => {
    const document = { name: "Ada" };
    const { plan } = prepare("INSERT INTO people $1", sqliteDialect);
    expect(plan.cost).toBeUndefined();
    expect(plan.collections).toEqual(["people"]);
    expect(plan.bind([], [document])).toEqual({ statement: undefined, values: [[document]] });
    expect((plan.bind([], [document]).values[0] as unknown[])[0]).toBe(document);
    expect(plan.bind([], [[document, { a: 1 }]]).values).toEqual([[document, { a: 1 }]]);
    expect(plan.bind([], [[]]).values).toEqual([[]]);
    const literal = prepare(`INSERT INTO people {"name": "Ada"}`, sqliteDialect);
    expect(literal.plan.bind(literal.values, []).values).toEqual([[document]]);
    const { documents: operands } = literal.plan.tree as Insert;
    expect(resolveOperand(operands[0]!, literal.values, [])).toEqual(document);
    const mixed = prepare(`INSERT INTO people {"name": "Ada"}, $1, {"n": 1}, {"n": 2}, $2`, sqliteDialect);
    expect(mixed.plan.bind(mixed.values, [{ a: 1 }, [{ b: 1 }, { b: 2 }]]).values).toEqual([
      [document, { a: 1 }, { n: 1 }, { n: 2 }, { b: 1 }, { b: 2 }],
    ]);
  });

  it("refuses more documents in one INSERT than its limit", () => {
    const { plan } = prepare("INSERT INTO people $1, $2", sqliteDialect);
    const most = Array.from({ length: 9_999 }, () => ({}));
    expect(plan.bind([], [most, {}]).values[0]).toHaveLength(10_000);
    expect(codeOf(() => plan.bind([], [most, [{}, {}]]))).toBe(
      "FORMDB_PARAMETER_MISMATCH: An INSERT must have at most 10000 documents, not 10001: it is one transaction; " +
        "batchInsert() and import() take any number",
    );
  });

  it("of EXPLAIN holds the plan of what it explains", () => {
    const { plan, values } = prepare("EXPLAIN SELECT * FROM c WHERE id = 'x'", sqliteDialect);
    expect(plan.kind).toBe("explain");
    expect(plan.cost).toBeUndefined();
    expect(plan.pointId).toBeUndefined();
    expect(plan.explained!.bind(values, []).statement).toEqual(statementOf("SELECT * FROM c WHERE id = 'x'"));
    expect(plan.bind(values, []).values).toEqual(["x"]);
  });

  it.each([
    "CREATE COLLECTION c",
    "DROP COLLECTION c",
    "CREATE INDEX ON c (a)",
    "DROP INDEX i ON c",
    "INTROSPECT INDEXES c",
  ])("%s names its collection", (text) => {
    const plan = planOf(text);
    expect(plan.cost).toBeUndefined();
    expect(plan.collections).toEqual(["c"]);
    expect(plan.bind([], []).values).toEqual([]);
  });
});

describe("UPDATE", () => {
  it.each([
    ["UPDATE c SET id = 'x'", /FORMDB_UNSUPPORTED: An UPDATE can't set id: a document keeps its id/],
    ["UPDATE c SET id.x = 1", /can't set id.x/],
    ["UPDATE c SET t[10000] = 1", /an index must be at most 9999/],
    ["UPDATE c SET a.b = 1, a[0] = 2", /both as an object and as an array/],
  ])("refuses %s", (text, message) => {
    for (const dialect of DIALECTS) expect(codeOf(() => planOf(text, dialect))).toMatch(message);
  });

  it("refuses to set a place and a part of it in trees made by hand", () => {
    const value = { type: "literal", value: 1 } as const;
    const update = (...paths: string[][]): Statement => ({
      type: "update",
      collection: "c",
      assignments: paths.map((path) => ({ path, value })),
      where: undefined,
    });
    expect(codeOf(() => compile(update(["a"], ["a"]), "", sqliteDialect))).toMatch(/twice/);
    expect(codeOf(() => compile(update(["a", "b"], ["a"]), "", sqliteDialect))).toMatch(/a part of it/);
  });
});

describe("a condition on values alone", () => {
  const truth = (operator: string, left: unknown, right: unknown): unknown => {
    const tree = {
      type: "select",
      items: undefined,
      collection: "c",
      where: {
        type: "compare",
        operator,
        left: { type: "parameter", index: 0 },
        right: { type: "parameter", index: 1 },
      },
      groupBy: [],
      having: undefined,
      orderBy: [],
      limit: undefined,
      offset: undefined,
    } as Statement;
    return compile(tree, "", sqliteDialect).bind([], [left, right]).values[0];
  };

  it.each([
    ["=", 1, 1, 1],
    ["=", 1, "1", 0],
    ["!=", 1, "1", 1],
    ["<", "\ufffd", "😀", 1],
    ["<=", false, true, 1],
    [">", 2, 10, 0],
    ["=", null, null, 0],
    ["!=", null, 1, 0],
    ["=", { a: 1, b: 2 }, { b: 2, a: 1 }, 1],
    ["<=", [1], [1], 0],
  ])("%s of %j and %j is %j", (operator, left, right, expected) => {
    expect(truth(operator, left, right)).toBe(expected);
  });
});

describe("a row", () => {
  const decode = (id: string, doc: unknown) => planOf("SELECT * FROM c").decode([id, JSON.stringify(doc)]);

  it("of SELECT * has the id first, as a string", () => {
    expect(Object.entries(decode("k", { a: 1 }))).toEqual([
      ["id", "k"],
      ["a", 1],
    ]);
    expect(Object.entries(decode("5", { a: 1, id: 5 }))).toEqual([
      ["id", "5"],
      ["a", 1],
    ]);
    expect(Object.entries(decode("k", { id: "k", a: 1 }))).toEqual([
      ["id", "k"],
      ["a", 1],
    ]);
    expect(decode('q"\\', {})).toEqual({ id: 'q"\\' });
  });

  it("of SELECT * is the document, whatever that is", () => {
    fc.assert(
      fc.property(fc.string(), fc.dictionary(fc.string(), fc.jsonValue()), (id, doc) => {
        const clean = JSON.parse(JSON.stringify(doc));
        expect(decode(id, clean)).toEqual(JSON.parse(JSON.stringify({ ...clean, id })));
      }),
    );
  });

  it("of columns reads JSON text, and takes a name that is an object's own for what it is", () => {
    const plan = planOf("SELECT a AS x, b AS `__proto__`, COUNT(*) AS n FROM c GROUP BY a, b");
    const row = plan.decode(['"a\\"b"', "[1]", "3"]);
    expect(Object.entries(row)).toEqual([
      ["x", 'a"b'],
      ["__proto__", [1]],
      ["n", 3],
    ]);
    expect(planOf("SELECT a, b FROM c").decode(['"plain"', null])).toEqual({ a: "plain", b: null });
  });
});
