import { describe, expect, it } from "vitest";
import { shapeOf } from "../../src/query/shape.ts";
import { Tokenizer } from "../../src/query/tokenizer.ts";

describe("a token's spelling", () => {
  it.each(["`a``b`", "`two words`", "`order`", "a", "[5]", "#7", "$3", ":name", "!=", "COUNT"])(
    "%s",
    (text) => {
      const tokens = new Tokenizer(`a ${text}(`);
      tokens.next();
      tokens.next();
      expect(tokens.spelling).toBe(text);
      expect(tokens.verbatim).toBe(true);
    },
  );
});

describe("shapeOf", () => {
  it.each<[text: string, key: string, values: unknown[]]>([
    ["SELECT * FROM users", "SELECT * FROM users", []],
    ["select*from users;", "SELECT * FROM users", []],
    ["SELECT * FROM users WHERE id = 5", "SELECT * FROM users WHERE id = #0", [5]],
    ["SELECT * FROM c WHERE a=-5 and b='it''s'", "SELECT * FROM c WHERE a = #0 AND b = #1", [-5, "it's"]],
    ["SELECT * FROM c WHERE a <> 1.5e3", "SELECT * FROM c WHERE a != #0", [1500]],
    ["SELECT * FROM c WHERE a = -0", "SELECT * FROM c WHERE a = #0", [0]],
    ["SELECT * FROM c WHERE a = true AND b = NULL", "SELECT * FROM c WHERE a = #0 AND b = #1", [true, null]],
    ["SELECT * FROM c WHERE a is  null", "SELECT * FROM c WHERE a IS NULL", []],
    ["SELECT * FROM c WHERE a is not null", "SELECT * FROM c WHERE a IS NOT NULL", []],
    ["SELECT * FROM c WHERE a IN (1,2 , 'x', NULL)", "SELECT * FROM c WHERE a IN #0", [[1, 2, "x", null]]],
    ["SELECT * FROM c WHERE a IN ()", "SELECT * FROM c WHERE a IN #0", [[]]],
    ["SELECT * FROM c WHERE a IN [1, 2]", "SELECT * FROM c WHERE a IN #0", [[1, 2]]],
    ["SELECT * FROM c WHERE a IN (?, 2, ?)", "SELECT * FROM c WHERE a IN ($1, #0, $2)", [2]],
    ["SELECT * FROM c WHERE a IN (2, ?) AND b = ?", "SELECT * FROM c WHERE a IN (#0, $1) AND b = $2", [2]],
    ["SELECT * FROM c WHERE tags[ 0 ] . x = [1]", "SELECT * FROM c WHERE tags[0].x = #0", [[1]]],
    ["SELECT a FROM c LIMIT 10 OFFSET 20", "SELECT a FROM c LIMIT #0 OFFSET #1", [10, 20]],
    ["select COUNT ( * ), sum(a . b) from c", "SELECT COUNT(*), SUM(a.b) FROM c", []],
    [
      "SELECT count, `desc` FROM c ORDER BY desc desc",
      "SELECT `count`, `desc` FROM c ORDER BY `desc` DESC",
      [],
    ],
    ["SELECT `a`, `two words` FROM `c`", "SELECT a, `two words` FROM c", []],
    ["SELECT a.order, a.`order` AS b FROM c", "SELECT a.`order`, a.`order` AS b FROM c", []],
    ['INSERT INTO c {"a":[1,{"b":null}]}', "INSERT INTO c #0", [{ a: [1, { b: null }] }]],
    ["UPDATE c SET a=NULL,b.c={}", "UPDATE c SET a = #0, b.c = #1", [null, {}]],
    ["create unique index on c(a,b.c)", "CREATE UNIQUE INDEX ON c (a, b.c)", []],
    ["introspect indexes c", "INTROSPECT INDEXES c", []],
    ["explain delete from c", "EXPLAIN DELETE FROM c", []],
    ["", "", []],
  ])("%s", (text, key, values) => {
    expect(shapeOf(text)).toEqual({ key, values });
  });

  it("gives one key for a list of any length", () => {
    const keys = [0, 1, 2, 1_000].map((length) => {
      const list = Array.from({ length }, (_, i) => `'id-${i}'`).join(", ");
      return shapeOf(`SELECT * FROM c WHERE id IN (${list}) AND a = 1`).key;
    });
    expect(new Set(keys)).toEqual(new Set(["SELECT * FROM c WHERE id IN #0 AND a = #1"]));
  });

  it("reads single and double quotes alike, and backslashes as what they are", () => {
    expect(
      shapeOf(String.raw`SELECT * FROM c WHERE a LIKE "100\%" AND b = '\n' AND d = "say ""hi"" it's"`).values,
    ).toEqual([String.raw`100\%`, String.raw`\n`, `say "hi" it's`]);
  });

  it("keeps a name that JavaScript would take for the prototype as a field", () => {
    const [document] = shapeOf('INSERT INTO c {"__proto__": {"a": 1}, "b": "\\u00e9\\n"}').values;
    expect(Object.keys(document as object)).toEqual(["__proto__", "b"]);
    expect(Object.getPrototypeOf(document)).toBe(Object.prototype);
    expect((document as { b: string }).b).toBe("é\n");
  });

  it("spells every slot, however many there are", () => {
    const text = `SELECT * FROM c WHERE ${Array.from({ length: 200 }, (_, i) => `a = ${i}`).join(" OR ")}`;
    const { key, values } = shapeOf(text);
    expect(values).toEqual(Array.from({ length: 200 }, (_, i) => i));
    expect(key).toBe(text.replaceAll(/\d+/g, (digits) => `#${digits}`));
  });
});
