import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readNdjson } from "../../src/read/ndjson.ts";
import { chunked, cuts, documentsOf, jsonDocument, outline, source } from "./chunked.ts";

describe("reading NDJSON", () => {
  it("gives back any documents, wherever the bytes are cut and however lines end", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(jsonDocument, { maxLength: 12 }),
        cuts,
        fc.constantFrom("\n", "\r\n", "\r", "\n\n"),
        fc.boolean(),
        async (documents, places, end, bom) => {
          const text =
            (bom ? "\ufeff" : "") + documents.map((document) => JSON.stringify(document) + end).join("");
          const read = await documentsOf(readNdjson(chunked(Buffer.from(text), places)));
          expect(read).toEqual(documents);
        },
      ),
    );
  });

  it("takes CR alone for a line end as well", async () => {
    expect(await outline(readNdjson(source('{"a":1}\r\r{"a":\r{"a":2}\r\n{"a":3}')))).toEqual([
      '1: {"a":1}',
      '3: FORMDB_INVALID_DOCUMENT: {"a":',
      '4: {"a":2}',
      '5: {"a":3}',
    ]);
  });

  it("reads a last line without an end", async () => {
    expect(await outline(readNdjson(source('{"a":1}\n{"a":2}')))).toEqual(['1: {"a":1}', '2: {"a":2}']);
  });

  it("reports bad lines by number and reads on, blank lines apart", async () => {
    const text = '{"a":1}\n\n{"a":\n[1]\n"x"\nnull\n  \t\n{"a":2}\n';
    expect(await outline(readNdjson(source(text)))).toEqual([
      '1: {"a":1}',
      '3: FORMDB_INVALID_DOCUMENT: {"a":',
      "4: FORMDB_INVALID_DOCUMENT: [1]",
      '5: FORMDB_INVALID_DOCUMENT: "x"',
      "6: FORMDB_INVALID_DOCUMENT: null",
      '8: {"a":2}',
    ]);
  });

  it("reports a line that is no UTF-8 instead of replacing its characters", async () => {
    const bytes = Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xc3]), Buffer.from('"}\n{"a":"é"}\n')]);
    expect(await outline(readNdjson(source(bytes)))).toEqual([
      '1: FORMDB_INVALID_DOCUMENT: {"a":"\ufffd"}',
      '2: {"a":"é"}',
    ]);
  });

  it("skips a line over the limit, wherever it is cut, and keeps only its beginning", async () => {
    const text = `{"a":1}\n{"a":"${"x".repeat(5_000)}"}\n{"a":2}\n`;
    await fc.assert(
      fc.asyncProperty(cuts, async (places) => {
        const [first, long, last, ...rest] = await outline(
          readNdjson(chunked(Buffer.from(text), places), 1_000),
        );
        expect([first, last, rest]).toEqual(['1: {"a":1}', '3: {"a":2}', []]);
        expect(long).toBe(`2: FORMDB_INVALID_DOCUMENT: {"a":"${"x".repeat(194)}`);
      }),
    );
  });

  it("refuses integers that would be rounded", async () => {
    const text = '{"a":9007199254740993}\n{"a":9007199254740991}\n{"a":"9007199254740993"}\n';
    expect(await outline(readNdjson(source(text)))).toEqual([
      '1: FORMDB_INVALID_DOCUMENT: {"a":9007199254740993}',
      '2: {"a":9007199254740991}',
      '3: {"a":"9007199254740993"}',
    ]);
  });
});
