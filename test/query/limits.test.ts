import { describe, expect, it } from "vitest";
import { MAX_DOCUMENT_DEPTH } from "../../src/base/document.ts";
import * as limits from "../../src/query/limits.ts";
import { parse } from "../../src/query/parser.ts";
import { shapeOf } from "../../src/query/shape.ts";

const from = "SELECT * FROM c WHERE ";
const many = (count: number, one: (i: number) => string, separator: string): string =>
  Array.from({ length: count }, (_, i) => one(i)).join(separator);

/** For each limit a text of any size, and whether finding the tokens is enough to refuse it. */
const CASES: Readonly<Record<string, readonly [(size: number) => string, "shape" | "parser"]>> = {
  MAX_TEXT_LENGTH: [(size) => "SELECT * FROM c".padEnd(size), "shape"],
  MAX_NESTING_DEPTH: [(size) => `${from}${"(".repeat(size)}a = 1${")".repeat(size)}`, "parser"],
  MAX_CONDITIONS: [(size) => from + many(size, () => "a = b", " OR "), "parser"],
  MAX_HAVING_CONDITIONS: [
    (size) => `SELECT a FROM c GROUP BY a HAVING ${many(size, () => "COUNT(*) = 1", " OR ")}`,
    "parser",
  ],
  MAX_LIST_LENGTH: [(size) => `${from}a IN (${many(size, () => "1", ",")})`, "shape"],
  MAX_INSERT_DOCUMENTS: [(size) => `INSERT INTO c ${many(size, () => "{}", ", ")}`, "shape"],
  MAX_PARAMETERS: [(size) => `${from}a IN (${many(size, () => "?", ",")})`, "shape"],
  MAX_PATH_SEGMENTS: [(size) => `SELECT ${many(size, () => "a", ".")} FROM c`, "parser"],
  MAX_PATH_ARRAYS: [(size) => `${from}a${"[*]".repeat(size)} = 1`, "parser"],
  MAX_PATH_INDEX: [(size) => `SELECT a[${size}] FROM c`, "shape"],
  MAX_NAME_LENGTH: [(size) => `SELECT ${"a".repeat(size)} FROM c`, "shape"],
  MAX_SELECT_ITEMS: [(size) => `SELECT ${many(size, (i) => `a${i}`, ",")} FROM c`, "parser"],
  MAX_SORT_PATHS: [(size) => `SELECT * FROM c ORDER BY ${many(size, (i) => `a${i}`, ",")}`, "parser"],
  MAX_ARITHMETIC: [(size) => `UPDATE c SET a = 1${" + n".repeat(size)}`, "parser"],
  MAX_ASSIGNMENTS: [(size) => `UPDATE c SET ${many(size, (i) => `a${i} = 1`, ",")}`, "parser"],
  MAX_INDEX_NAME_LENGTH: [(size) => `CREATE INDEX ${"x".repeat(size)} ON c (a)`, "parser"],
  MAX_INDEX_PATHS: [(size) => `CREATE INDEX ON c (${many(size, (i) => `a${i}`, ",")})`, "parser"],
};

describe.each(Object.entries(CASES))("%s", (name, [textOf, by]) => {
  const maximum = (limits as unknown as Record<string, number>)[name]!;

  it("is accepted when just met", () => {
    expect(() => parse(textOf(maximum))).not.toThrow();
    expect(() => shapeOf(textOf(maximum))).not.toThrow();
  });

  it("is refused by name when passed by one", () => {
    const error = expect.objectContaining({ code: "FORMDB_SYNTAX", limit: name, maximum });
    expect(() => parse(textOf(maximum + 1))).toThrow(error);
    if (by === "shape") expect(() => shapeOf(textOf(maximum + 1))).toThrow(error);
  });
});

describe("further limits", () => {
  it("each of the numbers in limits.ts has its test", () => {
    const numbers = Object.entries(limits).flatMap(([name, value]) =>
      typeof value === "number" ? [name] : [],
    );
    expect(numbers.filter((name) => !(name in CASES))).toEqual([]);
  });

  it("the depth counts what is open, not what was", () => {
    const pairs = many(limits.MAX_NESTING_DEPTH * 3, () => "(NOT a = 1)", " OR ");
    expect(() => parse(from + pairs)).not.toThrow();
  });

  it("hold for lists with parameters, NOT, names in quotes, slots and JSON", () => {
    const { MAX_NESTING_DEPTH, MAX_PARAMETERS, MAX_NAME_LENGTH } = limits;
    expect(() => parse(`${from}${"NOT ".repeat(MAX_NESTING_DEPTH)}a = 1`)).not.toThrow();
    expect(() => parse(`${from}${"NOT ".repeat(MAX_NESTING_DEPTH + 1)}a = 1`)).toThrow(/MAX_NESTING_DEPTH/);
    expect(() => parse(`${from}a IN ($1, ${many(MAX_PARAMETERS, () => "1", ",")})`)).toThrow(
      /MAX_PARAMETERS/,
    );
    expect(() => parse(`${from}a = $${MAX_PARAMETERS}`)).not.toThrow();
    expect(() => parse(`${from}a = $${MAX_PARAMETERS + 1}`)).toThrow(/MAX_PARAMETERS/);
    expect(() => parse(`SELECT \`${"x".repeat(MAX_NAME_LENGTH + 1)}\` FROM c`)).toThrow(/MAX_NAME_LENGTH/);
    const nested = (depth: number): string =>
      `INSERT INTO c {"a":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;
    expect(() => parse(nested(MAX_DOCUMENT_DEPTH))).not.toThrow();
    expect(() => parse(nested(MAX_DOCUMENT_DEPTH + 1))).toThrow(/MAX_DOCUMENT_DEPTH/);
  });
});
