import { describe, expect, it } from "vitest";
import { FormDBError } from "../../src/base/errors.ts";
import { parse, parseShape } from "../../src/query/parser.ts";
import { shapeOf } from "../../src/query/shape.ts";

function errorOf(text: string, read: (text: string) => unknown = parse): FormDBError {
  try {
    read(text);
  } catch (error) {
    expect(error).toBeInstanceOf(FormDBError);
    expect((error as FormDBError).code).toBe("FORMDB_SYNTAX");
    return error as FormDBError;
  }
  throw new Error(`no error for ${text}`);
}

describe("a syntax error", () => {
  it("says line, column, what was found and all that was expected", () => {
    const error = errorOf("SELECT name\nFROM users\n  WHERE age > 3 LIMT 4");
    expect(error).toMatchObject({ line: 3, column: 17, found: '"LIMT"', retryable: false });
    expect(error.expected).toEqual([
      "AND",
      "OR",
      "GROUP BY",
      "HAVING",
      "ORDER BY",
      "LIMIT",
      "OFFSET",
      "the end of the text",
    ]);
  });

  it("shows the line with a caret under the place, and the nearest keyword", () => {
    expect(errorOf("SELECT name FORM users").message).toBe(
      'The query can\'t be read at line 1, column 13: expected AS, "," or FROM, found "FORM"; did you mean FROM?\n\n' +
        "  SELECT name FORM users\n" +
        "              ^",
    );
  });

  it.each([
    ["SELCT * FROM c", "SELECT"],
    ["SELECT * FROM c WEHRE a = 1", "WHERE"],
    ["SELECT * FROM c ORDR BY a", "ORDER"],
    ["SELECT * FROM c WHERE a LIEK 'x'", "LIKE"],
    ["INSRET INTO c {}", "INSERT"],
    ["SELECT * FROM c WHERE a IS NUL", "NULL"],
    ["DROP COLLECTOIN c", "COLLECTION"],
  ])("%s: did you mean %s?", (text, keyword) => {
    expect(errorOf(text).message).toContain(`; did you mean ${keyword}?`);
  });

  it.each([
    ["SELECT a.n FROM c a LEFT JOIN d ON a.id = d.id", "a query is of one collection; db.sql joins"],
    ["SELECT a FROM c WHERE n IN (SELECT id FROM d)", "a query has no other query in it; db.sql takes such"],
    ["SELECT a FROM c UNION SELECT a FROM d", "db.sql takes the engine's own SQL"],
    ["DELETE FROM c WHERE a = 1 RETURNING id", "db.sql takes the engine's own SQL"],
    ["SELECT 1", "a column is a path; db.sql takes the engine's own SQL"],
    ["SELECT 'up' FROM c", "a column is a path; db.sql takes the engine's own SQL"],
    ["SELECT NOW()", "there is no function NOW; db.sql has the engine's"],
    ["SELECT * FROM c FOR UPDATE SKIP LOCKED", "findOneAndUpdate() gives a document to one caller alone"],
    ["BEGIN", "db.transaction() runs several statements as one"],
    ["CREATE TABLE c (id int)", "collections take the place of tables, and have no columns to declare"],
    ["SHOW TABLES", "INTROSPECT COLLECTIONS and INTROSPECT INDEXES list what there is"],
    ["SELECT a FROM c WHERE a ILIKE 'x%'", "LOWER(path) LIKE 'a%' looks past upper and lower case"],
    [
      "INSERT INTO c (id, a) VALUES (1, 2)",
      'a document is inserted, as in INSERT INTO people {"name": "Ada"}',
    ],
    ["SELECT a FROM c WHERE a->>'b' = 1", "a field of a field is written a.b, an element a[0]"],
    ["SELECT a FROM c WHERE a = ANY($1)", "IN $1 takes an array"],
    ["SELECT LENGTH(a) FROM c", "there is no function LENGTH"],
    ["SELECT a FROM c ORDER BY RANDOM()", "there is no function RANDOM"],
  ])("SQL that the language has not, %s: %s", (text, hint) => {
    expect(errorOf(text).message.split("\n")[0]).toMatch(/, found "[^"]+"; /);
    expect(errorOf(text).message.split("\n")[0]).toContain(`; ${hint}`);
  });

  it("takes a parenthesis for a function's only where a path could end", () => {
    for (const text of [
      "SELECT a FROM c GROUP BY (a)",
      "SELECT a FROM c LIMIT (5)",
      "SELECT a FROM c WHERE a IN (1) (",
    ]) {
      expect(errorOf(text).message).not.toContain("there is no function");
    }
  });

  it("speaks of columns where a constant stands for one, and nowhere else", () => {
    for (const text of ["SELECT * FROM c WHERE 1 = 1", "SELECT a FROM 1"]) {
      expect(errorOf(text).message).not.toContain("a column is a path");
    }
  });

  it("counts columns in characters, and every kind of line end once", () => {
    expect(errorOf("SELECT `😀` FORM c")).toMatchObject({ line: 1, column: 12 });
    expect(errorOf("SELECT a\r\nFORM c")).toMatchObject({ line: 2, column: 1 });
    expect(errorOf("SELECT a\rFORM c")).toMatchObject({ line: 2, column: 1 });
    expect(errorOf("SELECT a\n\nFORM c")).toMatchObject({ line: 3, column: 1 });
  });

  it("keeps tabs before the caret, so that it stands under its place", () => {
    expect(errorOf("\tSELECT a\tFORM c").message).toContain("\n  \tSELECT a\tFORM c\n  \t        \t^");
  });

  it("shows a window of a long line only", () => {
    const error = errorOf(`SELECT * FROM c WHERE a IN (${"'x', ".repeat(5_000)} WHERE`);
    expect(error.message.length).toBeLessThan(500);
    const [line, caret] = error.message.split("\n").slice(-2);
    expect(line!.slice(caret!.indexOf("^"))).toMatch(/^WHERE/);
  });

  it("says the end of the text where that is what was found", () => {
    for (const text of ["", "  ", ";", "SELECT", "SELECT a FROM", "SELECT a FROM c WHERE", "-- nothing"]) {
      expect(errorOf(text).found, text).toBe(text.includes(";") ? '";"' : "the end of the text");
    }
  });

  it("is the same whether text or key are read", () => {
    expect(errorOf("SELECT a FORM c", parseShape).message).toBe(errorOf("SELECT a FORM c").message);
  });
});

describe("refused are", () => {
  it.each([
    // numbers
    ["SELECT * FROM c WHERE a = 9007199254740992", 27, /2\^53/],
    ["SELECT * FROM c WHERE a = -9007199254740993", 27, /2\^53/],
    ["SELECT * FROM c WHERE a = 9007199254740993.0", 27, /rounded/],
    ["SELECT * FROM c WHERE a = 1e400", 27, /too large/],
    ["SELECT * FROM c WHERE a = 1e-400", 27, /become 0/],
    ["SELECT * FROM c WHERE a = 007", 27, /surplus 0/],
    ["SELECT * FROM c WHERE a = 5x", 27, /before a letter/],
    ["SELECT * FROM c WHERE a = 5.", 27, /decimal point/],
    ["SELECT * FROM c WHERE a = 5e", 27, /exponent/],
    ["SELECT * FROM c WHERE a = - 5", 27, /follow the minus/],
    ["SELECT * FROM c WHERE a = +5", 27, /found "\+"/],
    ["SELECT * FROM c WHERE tags[01] = 5", 28, /surplus 0/],
    ["SELECT * FROM c WHERE tags[-1] = 5", 28, /a number/],
    ["SELECT * FROM c WHERE tags[2147483648] = 5", 28, /2147483647/],
    // strings and names
    ["SELECT * FROM c WHERE a = 'x", 27, /no closing '/],
    ["SELECT `a FROM c", 8, /no closing `/],
    ["SELECT `` FROM c", 8, /must not be empty/],
    ["SELECT naïve FROM c", 10, /back-quotes/],
    ["SELECT a /* FROM c", 10, /no "\*\/"/],
    ["SELECT a FROM c WHERE a = 'x\0'", 29, /U\+0000/],
    ["SELECT a FROM c WHERE a = 'x\ud800'", 29, /lone surrogates/],
    ["SELECT select FROM c", 8, /a path/],
    // JSON
    ['INSERT INTO c {"a": 1, "a": 2}', 24, /twice/],
    ["INSERT INTO c {'a': 1}", 16, /double quotes/],
    ["INSERT INTO c {a: 1}", 16, /double quotes/],
    ['INSERT INTO c {"a": 1,}', 23, /double quotes/],
    ['INSERT INTO c {"a": [1 2]}', 24, /"," or "\]"/],
    ['INSERT INTO c {"a": 12345678901234567890}', 21, /2\^53/],
    ['INSERT INTO c {"a": "\\u0000"}', 21, /U\+0000/],
    ['INSERT INTO c {"a": "\\ud800"}', 21, /lone surrogate/],
    ['INSERT INTO c {"a": "\\x"}', 21, /escape/],
    ['INSERT INTO c {"a": "\n"}', 22, /control character/],
    ['INSERT INTO c {"a": nul}', 21, /a JSON value/],
    ['INSERT INTO c {"a" 1}', 20, /":"/],
    ['INSERT INTO c {"a": 1', 22, /"," or "\}"/],
    ["INSERT INTO c 5", 15, /JSON object/],
    ["INSERT INTO c 'x'", 15, /JSON object/],
    ["INSERT INTO c", 14, /a JSON object/],
    // parameters
    ["SELECT * FROM c WHERE a = ? AND b = $1", 37, /one style/],
    ["SELECT * FROM c WHERE a = $1 AND b = ?", 38, /one style/],
    ["SELECT * FROM c WHERE a = :a AND b = $1", 38, /one style/],
    ["SELECT * FROM c WHERE a = $0", 28, /count from \$1/],
    ["SELECT * FROM c WHERE a = $x", 28, /a number/],
    ["SELECT * FROM c WHERE a = $01", 28, /surplus 0/],
    ["SELECT * FROM c WHERE a = : a", 28, /parameter's name/],
    ["SELECT * FROM c WHERE a = #0", 27, /a slot can't stand in a query/],
    // expressions
    ["SELECT * FROM c WHERE a", 24, /"="/],
    ["SELECT * FROM c WHERE 5 = 5", 27, /a path/],
    ["SELECT * FROM c WHERE a = b = c", 29, /end of the text/],
    ["SELECT * FROM c WHERE (a) = 5", 25, /"="/],
    ["SELECT * FROM c WHERE a NOT = 5", 29, /IN, LIKE, BETWEEN or CONTAINS/],
    ["SELECT * FROM c WHERE a IN 5", 28, /needs a list/],
    ["SELECT * FROM c WHERE a IN (1, 2", 33, /"\)"/],
    ["SELECT * FROM c WHERE a IN (1,)", 31, /a value/],
    ["SELECT * FROM c WHERE a IN (1 2)", 31, /","/],
    ["SELECT * FROM c WHERE a IN (1 = 2)", 31, /","/],
    ["SELECT * FROM c WHERE a IN (1 (2)", 31, /","/],
    ["SELECT * FROM c WHERE a IN (b)", 29, /a value/],
    ["SELECT * FROM c WHERE a LIKE 5", 30, /must be a string/],
    ["SELECT * FROM c WHERE a BETWEEN 1 OR 2", 35, /AND/],
    ["SELECT * FROM c WHERE a IS 5", 28, /NULL/],
    ["SELECT * FROM c WHERE COUNT(a) = 5", 23, /aggregate/],
    ["SELECT * FROM c WHERE (a = 5", 29, /"\)"/],
    ["SELECT * FROM c WHERE a = 5)", 28, /end of the text/],
    ["SELECT * FROM c WHERE a[*] = b", 30, /expected a value/],
    ["SELECT * FROM c WHERE b = a[*]", 27, /must be compared with a value/],
    ["SELECT * FROM c WHERE a[* = 5", 27, /"\]"/],
    ["SELECT * FROM c WHERE a[*1] = 5", 26, /"\]"/],
    // SELECT
    ["SELECT a[*] FROM c", 8, /a path with \[\*\] can stand in WHERE/],
    ["SELECT a FROM c GROUP BY a HAVING a[*] = 1", 35, /a path with \[\*\] can stand in WHERE/],
    ["SELECT COUNT(a[*].b) FROM c", 14, /a path with \[\*\] can stand in WHERE/],
    ["SELECT a FROM c ORDER BY a[*]", 26, /a path with \[\*\] can stand in WHERE/],
    ["SELECT a FROM c GROUP BY a, a[*]", 29, /a path with \[\*\] can stand in WHERE/],
    ["SELECT *, a FROM c", 9, /FROM/],
    ["SELECT SUM(*) FROM c", 12, /a path/],
    ["SELECT a, a FROM c", 11, /one name/],
    ["SELECT a, b AS a FROM c", 11, /one name/],
    ["SELECT COUNT(*), count( * ) FROM c", 18, /one name/],
    ["SELECT a, COUNT(*) FROM c", 8, /grouped/],
    ["SELECT b FROM c GROUP BY a", 8, /grouped/],
    ["SELECT * FROM c GROUP BY a", 27, /must name its columns/],
    ["SELECT a FROM c GROUP BY a ORDER BY b", 37, /ordered by its columns/],
    ["SELECT a FROM c GROUP BY a ORDER BY COUNT(*)", 37, /ordered by its columns/],
    ["SELECT COUNT(*) FROM c ORDER BY a", 33, /ordered by its columns/],
    ["SELECT a FROM c ORDER BY COUNT(*)", 26, /only a grouped/],
    ["SELECT a FROM c LIMIT -1", 23, /whole number/],
    ["SELECT a FROM c LIMIT 1.5", 23, /whole number/],
    ["SELECT a FROM c LIMIT '1'", 23, /whole number/],
    ["SELECT a FROM c OFFSET NULL", 24, /whole number/],
    ["SELECT a FROM c LIMIT b", 23, /a value/],
    ["SELECT a FROM c OFFSET 1 LIMIT 1", 26, /end of the text/],
    // other statements
    ["UPDATE c SET a = 1, a = 2", 21, /once/],
    ["UPDATE c SET a = 1, a.b = 2", 21, /once/],
    ["UPDATE c SET a.b = 1, a = 2", 23, /once/],
    ["UPDATE c SET a = b +", 21, /a value/],
    ["UPDATE c SET a[*] = 1", 14, /a path with \[\*\] can stand in WHERE/],
    ["UPDATE c SET a = b[*]", 18, /a path with \[\*\] can stand in WHERE/],
    ["SELECT DISTINCT * FROM c", 8, /DISTINCT must name paths/],
    ["SELECT a FROM c GROUP BY a HAVING b > 1", 35, /HAVING can look at aggregates/],
    ["SELECT LOWER(a) FROM c GROUP BY LOWER(a) HAVING a = 'x'", 49, /found "a"/],
    ["SELECT a FROM c HAVING COUNT(*) > 1", 8, /grouped/],
    ["SELECT * FROM c HAVING COUNT(*) > 1", 24, /must name its columns/],
    ["SELECT DISTINCT a FROM c HAVING a = 1", 8, /DISTINCT must name paths/],
    ["SELECT MIN(a) FROM c HAVING MIN(a) CONTAINS 1", 36, /not at an aggregate/],
    ["SELECT SUM(LOWER(COUNT(a))) FROM c", 18, /expected a path/],
    ["SELECT DISTINCT a FROM c GROUP BY a", 8, /DISTINCT must name paths/],
    ["SELECT DISTINCT COUNT(a) FROM c", 8, /DISTINCT must name paths/],
    ["DELETE c", 8, /FROM/],
    ["CREATE INDEX ON c (a, a)", 23, /once/],
    ["CREATE INDEX ON c (a[*].b, a[*].b)", 28, /once/],
    ["CREATE INDEX `a b` ON c (a)", 14, /index's name/],
    ["CREATE INDEX ON c ()", 20, /a path/],
    ["DROP INDEX ON c", 12, /index's name/],
    ["INTROSPECT c", 12, /COLLECTIONS or INDEXES/],
    ["SELECT a FROM pg_class", 15, /reserved/],
    ["SELECT a FROM `two words`", 15, /letters, digits/],
    ["EXPLAIN EXPLAIN SELECT * FROM c", 9, /SELECT, INSERT/],
    ["SELECT a FROM c; SELECT a FROM c", 18, /end of the text/],
    ["SELECT a FROM c;;", 17, /end of the text/],
  ])("%s", (text, column, message) => {
    const error = errorOf(text);
    expect(error.message.split("\n")[0]).toMatch(message);
    expect(error.column).toBe(column);
    expect(error.expected).not.toHaveLength(0);
  });

  it("what is no string", () => {
    for (const text of [undefined, null, 5, {}, ["SELECT"]]) {
      for (const read of [parse, parseShape, shapeOf]) {
        expect(errorOf(text as string, read as (text: string) => unknown).message).toMatch(
          /must be a string, not/,
        );
      }
    }
  });

  it("literals and misnumbered slots in a key", () => {
    expect(errorOf("SELECT * FROM c WHERE a = 5", parseShape).message).toMatch(/slot #0/);
    expect(errorOf("SELECT * FROM c WHERE a = #1", parseShape).message).toMatch(/slot #0/);
    expect(errorOf("SELECT * FROM c WHERE a = #0 AND b = #0", parseShape).message).toMatch(/slot #1/);
  });
});
