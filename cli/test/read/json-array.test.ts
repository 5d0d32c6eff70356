import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readJson } from "../../src/read/json-array.ts";
import { chunked, cuts, documentsOf, jsonDocument, outline, source } from "./chunked.ts";

describe("reading a JSON array", () => {
  it("gives back any documents, wherever the bytes are cut and however it is laid out", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(jsonDocument, { maxLength: 12 }),
        cuts,
        fc.constantFrom(0, 2, "\t"),
        async (documents, places, indent) => {
          const text = `\ufeff \n${JSON.stringify(documents, null, indent)}\r\n`;
          expect(await documentsOf(readJson(chunked(Buffer.from(text), places)))).toEqual(documents);
        },
      ),
    );
  });

  it("reads documents that follow one another without an array", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(jsonDocument, { maxLength: 8 }),
        cuts,
        fc.constantFrom(0, 2),
        fc.constantFrom("", "\n", " \r\n"),
        async (documents, places, indent, between) => {
          const text = documents.map((document) => JSON.stringify(document, null, indent)).join(between);
          expect(await documentsOf(readJson(chunked(Buffer.from(text), places)))).toEqual(documents);
        },
      ),
    );
  });

  it("says on which line an element begins", async () => {
    const text = '[\n  {"a": 1},\n  {\n    "a": 2\n  },\n  {"a": 3}\n]\n';
    expect(await outline(readJson(source(text)))).toEqual(['2: {"a":1}', '3: {"a":2}', '6: {"a":3}']);
  });

  it("reports bad elements and reads on behind them", async () => {
    const text = '[{"a":1},\n{"a" 2},\n5,\n[{"b":1}],\n{"a":3} {"a":4},\n{"a":5}]';
    expect(await outline(readJson(source(text)))).toEqual([
      '1: {"a":1}',
      '2: FORMDB_INVALID_DOCUMENT: {"a" 2}',
      "3: FORMDB_INVALID_DOCUMENT: 5",
      '4: FORMDB_INVALID_DOCUMENT: [{"b":1}]',
      '5: FORMDB_INVALID_DOCUMENT: {"a":3} {"a":4}',
      '6: {"a":5}',
    ]);
  });

  it.each([
    ["", []],
    ["[]", []],
    [" [ ] ", []],
    ['[{"a":1},]', ['1: {"a":1}', "1: FORMDB_INVALID_DOCUMENT: ,"]],
    ['[,{"a":1}]', ["1: FORMDB_INVALID_DOCUMENT: ,", '1: {"a":1}']],
    ['[{"a":1},\n,{"a":2}]', ['1: {"a":1}', "2: FORMDB_INVALID_DOCUMENT: ,", '2: {"a":2}']],
    ['[{"a":1}', ['1: {"a":1}', "1: FORMDB_INVALID_DOCUMENT: "]],
    ['[{"a":1},\n{"b":', ['1: {"a":1}', '2: FORMDB_INVALID_DOCUMENT: {"b":']],
    ['[{"a":1}]\n{"b":2}', ['1: {"a":1}', '2: FORMDB_INVALID_DOCUMENT: {"b":2}']],
    ['{"a":1} x {"a":2}', ['1: {"a":1}', "1: FORMDB_INVALID_DOCUMENT: x", '1: {"a":2}']],
    ["x", ["1: FORMDB_INVALID_DOCUMENT: x"]],
  ])("loses nothing in silence of %j", async (text, expected) => {
    await fc.assert(
      fc.asyncProperty(cuts, async (places) => {
        expect(await outline(readJson(chunked(Buffer.from(text), places)))).toEqual(expected);
      }),
      { numRuns: 20 },
    );
  });

  it("skips an element over the limit and reads on", async () => {
    const text = `[{"a":1}, {"a":"${"[,".repeat(3_000)}"}, {"a":2}]`;
    await fc.assert(
      fc.asyncProperty(cuts, async (places) => {
        const [first, long, last, ...rest] = await outline(
          readJson(chunked(Buffer.from(text), places), 1_000),
        );
        expect([first, last, rest]).toEqual(['1: {"a":1}', '1: {"a":2}', []]);
        expect(long?.length).toBeLessThan(300);
      }),
    );
  });

  it("reports an element that is no UTF-8", async () => {
    const bytes = Buffer.concat([Buffer.from('[{"a":"'), Buffer.from([0xff]), Buffer.from('"},{"a":"é"}]')]);
    expect(await outline(readJson(source(bytes)))).toEqual([
      '1: FORMDB_INVALID_DOCUMENT: {"a":"\ufffd"}',
      '1: {"a":"é"}',
    ]);
  });
});
