import { describe, expect, test } from "vitest";
import { encodeDocument, MAX_DOCUMENT_DEPTH } from "../../src/base/document.ts";

/** A document of as many levels as it says, in the shortest text that has so many. */
function nested(levels: number): Record<string, unknown> {
  let value: unknown[] = [];
  for (let level = 2; level < levels; level++) value = [value];
  return { "": value };
}

describe("a document's depth", () => {
  test("may be the most, and is not more than it", () => {
    const deepest = nested(MAX_DOCUMENT_DEPTH);
    expect(encodeDocument(deepest)).toBe(JSON.stringify(deepest));
    expect(() => encodeDocument(nested(MAX_DOCUMENT_DEPTH + 1))).toThrow(
      "must not nest deeper than 500 levels",
    );
  });
});
