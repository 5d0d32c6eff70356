import { expect, it } from "vitest";
import { parse, parseShape } from "../../src/query/parser.ts";
import { shapeOf } from "../../src/query/shape.ts";
import type { Select } from "../../src/query/syntax-tree.ts";
import { keyOf } from "../../src/query/tree-text.ts";
import { generateRead } from "../support/generate-queries.ts";
import { Random } from "../support/random.ts";

it("the key of a tree parses to that tree, and is that of the texts that are spelled as it is", () => {
  const random = new Random(7);
  let alike = 0;
  for (let i = 0; i < 2_000; i++) {
    const { text } = generateRead(random, "users", [1, "a", null, true]);
    const { statement } = parse(text);
    const key = keyOf(statement as Select);
    expect(parseShape(key), text).toEqual(statement);
    if (key === shapeOf(text).key) alike++;
  }
  expect(alike).toBeGreaterThan(400);
});
