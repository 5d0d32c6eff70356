import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import * as limits from "../../src/query/limits.ts";
import { parse } from "../../src/query/parser.ts";
import { shapeOf } from "../../src/query/shape.ts";
import { findWord } from "../../src/query/words.ts";
import { readExamples } from "./read-examples.ts";

const markdown = readFileSync(new URL("../../docs/query-language.md", import.meta.url), "utf8");
const examples = readExamples(markdown);

/** The cells of the rows of the table whose header starts with `first`, without their code quotes. */
function table(first: string): string[][] {
  const lines = markdown.split("\n");
  const rows: string[][] = [];
  for (
    let i = lines.findIndex((line) => line.startsWith(`| ${first} |`)) + 2;
    lines[i]?.startsWith("|");
    i++
  ) {
    rows.push(
      lines[i]!.split("|")
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll("`", "")),
    );
  }
  return rows;
}

describe("docs/query-language.md", () => {
  it("has examples under each heading that explains a meaning", () => {
    const headings = new Set(examples.map(({ title }) => title.replace(/ \d+$/, "")));
    for (const heading of markdown.matchAll(/^## (.*)$/gm)) {
      if (heading[1] === "Shapes" || heading[1] === "Errors and limits") continue;
      expect(headings).toContain(heading[1]);
    }
  });

  it.each(examples.map((example) => [example.title, example] as const))("%s can be read", (_, { steps }) => {
    for (const { query, error, rows } of steps) {
      if (error === "FORMDB_SYNTAX") {
        expect(() => parse(query), query).toThrow(expect.objectContaining({ code: error }));
      } else {
        const { statement } = parse(query);
        if (rows !== undefined) expect(["select", "insert"]).toContain(statement.type);
        if (
          rows !== undefined &&
          rows.length > 0 &&
          statement.type === "select" &&
          statement.items !== undefined
        ) {
          const names = statement.items.map(({ name }) => name);
          for (const row of rows) expect(Object.keys(row)).toEqual(names);
        }
      }
    }
  });

  it("says of each text what its key and values are", () => {
    const rows = table("text");
    expect(rows.length).toBeGreaterThan(4);
    for (const [text, key, values] of rows) {
      const shape = shapeOf(text!);
      expect([shape.key, shape.values]).toEqual([key, values === "" ? [] : JSON.parse(values!)]);
    }
  });

  it("lists every limit with its value", () => {
    const listed = table("limit").map(([name, value]) => [name, Number(value)]);
    const actual = Object.entries(limits).filter(([, value]) => typeof value === "number");
    expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(actual));
  });

  it("lists the reserved words, and the ones that are not", () => {
    const section = /\*\*Reserved words\*\*([\s\S]*?)```/.exec(markdown)![1]!;
    const [reserved, others] = section.split("The other words").map((part) => part!.match(/\b[A-Z]{2,}\b/g)!);
    const classes = (words: readonly string[]): Set<string | undefined> =>
      new Set(words.map((word) => findWord(word, 0, word.length)?.class));
    expect(classes(reserved!)).toEqual(new Set(["reserved"]));
    expect(classes(others!)).toEqual(new Set(["object", "direction", "clause", "function"]));
    for (const word of reserved!) {
      expect(() => parse(`SELECT ${word} FROM c`), word).toThrow();
      expect(() => parse(`SELECT \`${word}\`, a.${word} FROM c`), word).not.toThrow();
    }
    for (const word of others!) expect(() => parse(`SELECT ${word} FROM c`), word).not.toThrow();
  });

  it("shows the error as it is", () => {
    const shown = /```error\n([\s\S]*?)\n```/.exec(markdown)![1];
    expect(() => parse("SELECT name FORM users")).toThrow(expect.objectContaining({ message: shown }));
  });
});
