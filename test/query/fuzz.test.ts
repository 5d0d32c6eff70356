import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FormDBError } from "../../src/base/errors.ts";
import { LiftingTokenizer } from "../../src/query/lifting-tokenizer.ts";
import { parse, parseShape } from "../../src/query/parser.ts";
import { shapeOf } from "../../src/query/shape.ts";
import { parseStatement } from "../../src/query/statement-parser.ts";
import { TokenReader } from "../../src/query/token-reader.ts";
import { query, spell, style } from "./arbitrary-query.ts";

const RUNS = Number(process.env.FORMDB_FUZZ_RUNS ?? 3_000);

const FRAGMENTS = (
  "SELECT FROM WHERE AND OR NOT ( ) IN IS NULL [ ] { } , . ; = != < > <= >= ' \" ` -- /* */ $1 ? :a #0 * 1 -1 1e9 0x " +
  "COUNT COUNT( DESC BETWEEN LIKE CONTAINS INSERT INTO UPDATE SET LIMIT OFFSET GROUP BY ORDER CREATE INDEX ON EXPLAIN " +
  "a b.c tags[0] [1,2] {\"a\":1} 'x' \\ \u0000 \ud800 😀 é"
).split(" ");

const soup = fc
  .array(fc.constantFrom(...FRAGMENTS), { maxLength: 40 })
  .chain((parts) => fc.constantFrom("", " ").map((separator) => parts.join(separator)));

/** A valid text with some of its characters changed. */
const mutated = fc
  .tuple(
    query,
    style,
    fc.array(fc.tuple(fc.nat(), fc.nat(2), fc.constantFrom(...FRAGMENTS)), { maxLength: 4 }),
  )
  .map(([pieces, choices, edits]) => {
    let text = spell(pieces, choices);
    for (const [place, cut, inserted] of edits) {
      const at = place % (text.length + 1);
      text = text.slice(0, at) + inserted + text.slice(at + cut);
    }
    return text;
  });

const texts = fc.oneof(fc.string({ unit: "binary" }), fc.string(), soup, { weight: 2, arbitrary: mutated });

/** What reading gives, or the error, which must be one of ours. */
function outcome<T>(read: () => T): { readonly value?: T; readonly error?: FormDBError } {
  try {
    return { value: read() };
  } catch (error) {
    if (!(error instanceof FormDBError) || error.code !== "FORMDB_SYNTAX") throw error;
    expect(error).toMatchObject({ line: expect.any(Number), column: expect.any(Number) });
    expect(error.message.isWellFormed()).toBe(true);
    expect(error.message.length).toBeLessThan(2_000);
    return { error };
  }
}

describe("whatever the text", () => {
  it("nothing but FORMDB_SYNTAX comes out, and text and key agree", () => {
    fc.assert(
      fc.property(texts, (text) => {
        const shape = outcome(() => shapeOf(text));
        const parsed = outcome(() => parse(text));
        if (shape.value === undefined) {
          expect(parsed.value).toBeUndefined();
          return;
        }
        // A plan is found by the key alone: what the parser refuses must have no key that it accepts.
        const byKey = outcome(() => parseShape(shape.value!.key));
        expect(byKey.value).toEqual(parsed.value?.statement);
        if (parsed.value !== undefined) expect(shape.value.values).toEqual(parsed.value.values);
      }),
      { numRuns: RUNS },
    );
  });

  it("a key that is given as a text is read or refused, never anything else", () => {
    fc.assert(
      fc.property(texts, (text) => {
        outcome(() => parseShape(text));
      }),
      { numRuns: RUNS },
    );
  });
});

/** A text that counts how often it is looked at; each look at a piece counts as long as the piece. */
class CountedText extends String {
  looks = 0;

  override charCodeAt(index: number): number {
    this.looks++;
    return super.charCodeAt(index);
  }

  override slice(start: number, end?: number): string {
    const piece = super.slice(start, end);
    this.looks += piece.length;
    return piece;
  }

  override indexOf(searched: string, from: number): number {
    const found = super.indexOf(searched, from);
    this.looks += (found === -1 ? this.length : found) - from;
    return found;
  }
}

/** How often each character of the text is looked at, on average, until it is parsed or refused. */
function looksPerCharacter(text: string): number {
  const counted = new CountedText(text);
  outcome(() => parseStatement(new TokenReader(new LiftingTokenizer(counted as unknown as string))));
  return counted.looks / text.length;
}

describe("the work is linear in the text's length", () => {
  const from = "SELECT * FROM c WHERE ";
  it.each<[string, (size: number) => string]>([
    ["parentheses", (size) => `${from}${"(".repeat(size)}`],
    ["NOTs", (size) => `${from}${"NOT ".repeat(size)}`],
    ["a chain of ORs", (size) => `${from}${"a = 1 OR ".repeat(size)}a = 1`],
    ["a list", (size) => `${from}a IN (${"1, ".repeat(size)}1)`],
    ["a list that ends in a parameter", (size) => `${from}a IN (${"1, ".repeat(size)}$1)`],
    ["a list that never ends", (size) => `${from}a IN (${"1, ".repeat(size)}`],
    ["lists that never end", (size) => from + "a IN (1, ".repeat(size)],
    ["IN ( over and over", (size) => from + "IN ( ".repeat(size)],
    ["comments", (size) => `SELECT ${"/**/".repeat(size)} * FROM c`],
    ["comments before an aggregate's parenthesis", (size) => `SELECT ${"COUNT/**/".repeat(size)}(*) FROM c`],
    ["aggregates and spaces", (size) => `SELECT ${"COUNT   ".repeat(size)} FROM c`],
    ["a comment without end", (size) => `SELECT ${"/*".repeat(size)}`],
    ["quotes", (size) => `${from}a = ${"'".repeat(size)}`],
    ["doubled quotes", (size) => `${from}a = '${"''".repeat(size)}'`],
    ["strings side by side", (size) => from + "'a' ".repeat(size)],
    ["a deep JSON value", (size) => `INSERT INTO c {"a": ${"[".repeat(size)}`],
    [
      "a JSON object with many names",
      (size) => `INSERT INTO c {${Array.from({ length: size }, (_, i) => `"n${i}": 1`)}}`,
    ],
    ["escapes", (size) => `INSERT INTO c {"a": "${"\\n".repeat(size)}"}`],
    ["digits", (size) => `${from}a = 0.${"1".repeat(size)}`],
    ["a long name", (size) => `SELECT ${"a".repeat(size)} FROM c`],
    ["a long path", (size) => `SELECT ${"a.".repeat(size)}a FROM c`],
    ["indexes", (size) => `SELECT a${"[0]".repeat(size)} FROM c`],
    ["whitespace", (size) => `SELECT${" ".repeat(size)}* FROM c`],
    ["semicolons", (size) => `SELECT * FROM c${";".repeat(size)}`],
    ["line ends before an error", (size) => `SELECT${"\n".repeat(size)}!`],
  ])("%s", (_, textOf) => {
    expect(looksPerCharacter(textOf(10_000))).toBeLessThan(12);
    const large = textOf(40_000);
    outcome(() => shapeOf(large));
    outcome(() => parse(large));
  });
});
