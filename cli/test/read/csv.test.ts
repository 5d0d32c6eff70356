import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readCsv } from "../../src/read/csv-documents.ts";
import { chunked, collect, cuts, documentsOf, outline, source } from "./chunked.ts";

const asText = { inferTypes: false };
const inferred = { inferTypes: true };

/** A cell as a careful writer spells it: quoted where it must be, or just so. */
function spell(cell: string, quoted: boolean, delimiter: string): string {
  const must = cell === "" || /["\r\n]/.test(cell) || cell.includes(delimiter);
  return quoted || must ? `"${cell.replaceAll('"', '""')}"` : cell;
}

describe("reading CSV", () => {
  it("gives back any cells, wherever the bytes are cut and however lines end", async () => {
    const cell = fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc.constantFrom('"', '""', ",", "\n", "\r\n", "", "é,\n", "a\rb"),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(cell, cell), { maxLength: 12 }),
        cuts,
        fc.constantFrom("\n", "\r\n", "\r"),
        fc.constantFrom(",", ";", "\t"),
        fc.boolean(),
        async (rows, places, end, delimiter, quoted) => {
          const lines = [["a", "b"], ...rows].map(
            (row) => row.map((text) => spell(text, quoted, delimiter)).join(delimiter) + end,
          );
          const read = await documentsOf(
            readCsv(chunked(Buffer.from(`\ufeff${lines.join("")}`), places), { ...asText, delimiter }),
          );
          expect(read).toEqual(rows.map(([a, b]) => ({ a, b })));
        },
      ),
    );
  });

  it("reports records with a wrong number of cells by line, also behind quoted line ends, and reads on", async () => {
    const text = 'a,b\r\n1,2\r\n\r\n"x\r\ny\r\nz",3\r\n4\r\n5,6,7\r\n8,9\r\n';
    expect(await outline(readCsv(source(text), asText))).toEqual([
      '2: {"a":"1","b":"2"}',
      '4: {"a":"x\\r\\ny\\r\\nz","b":"3"}',
      "7: FORMDB_INVALID_DOCUMENT: 4",
      "8: FORMDB_INVALID_DOCUMENT: 5,6,7",
      '9: {"a":"8","b":"9"}',
    ]);
  });

  it("reads lines that end in CR alone, and tells which one it was", async () => {
    const text = 'a,b\r1,"x\ry"\r\r2\r3,4\r';
    expect(await outline(readCsv(source(text), asText))).toEqual([
      '2: {"a":"1","b":"x\\ry"}',
      "5: FORMDB_INVALID_DOCUMENT: 2",
      '6: {"a":"3","b":"4"}',
    ]);
  });

  it("takes a CR inside a cell for a part of it where lines end in LF", async () => {
    expect(await documentsOf(readCsv(source("a,b\n1\r2,3\n"), asText))).toEqual([{ a: "1\r2", b: "3" }]);
  });

  it("reports records with a stray quote and loses none of those behind them", async () => {
    const text = 'a,b\n"ab"c,1\nfo"o,2\n3,"4"\n"x""y",5\n';
    await fc.assert(
      fc.asyncProperty(cuts, async (places) => {
        expect(await outline(readCsv(chunked(Buffer.from(text), places), asText))).toEqual([
          '2: FORMDB_INVALID_DOCUMENT: "ab"c,1',
          '3: FORMDB_INVALID_DOCUMENT: fo"o,2',
          '4: {"a":"3","b":"4"}',
          '5: {"a":"x\\"y","b":"5"}',
        ]);
      }),
    );
  });

  it("reports a quote that nothing closes with the line that it is on", async () => {
    const text = 'a,b\r\n"1\r\n2",3\r\n"4,5\r\n6,7\r\n';
    expect(await outline(readCsv(source(text), asText))).toEqual([
      '2: {"a":"1\\r\\n2","b":"3"}',
      '4: FORMDB_INVALID_DOCUMENT: "4,5\r\n6,7',
    ]);
  });

  it("reports a record that is no UTF-8", async () => {
    const bytes = Buffer.concat([Buffer.from("a,b\n1,"), Buffer.from([0xe9]), Buffer.from("\n2,é\n")]);
    expect(await outline(readCsv(source(bytes), asText))).toEqual([
      "2: FORMDB_INVALID_DOCUMENT: 1,\ufffd",
      '3: {"a":"2","b":"é"}',
    ]);
  });

  it("stops with an error at a record over the limit", async () => {
    const text = `a,b\n1,2\n"${"x".repeat(5_000)}\n3,4\n`;
    await expect(collect(readCsv(source(text), { ...asText, maxBytes: 1_000 }))).rejects.toMatchObject({
      code: "FORMDB_INVALID_DOCUMENT",
      message: expect.stringContaining("line 3"),
    });
  });

  it.each([
    ["a,b,a\n1,2,3\n", '"a" twice'],
    ['"a,b\n1,2\n', "nothing closes"],
    ["a;b\n1;2\n", "--delimiter says"],
  ])("refuses the header of %j", async (text, message) => {
    await expect(collect(readCsv(source(text), asText))).rejects.toThrow(message);
  });

  it("names columns without a name by their place, and takes a header alone for no documents", async () => {
    expect(await documentsOf(readCsv(source("a,,c\n1,2,3\n"), asText))).toEqual([
      { a: "1", column_2: "2", c: "3" },
    ]);
    expect(await documentsOf(readCsv(source("a,b\n"), inferred))).toEqual([]);
    expect(await documentsOf(readCsv(source(""), inferred))).toEqual([]);
  });

  it("keeps a column called __proto__ as the field that it is", async () => {
    const [document] = await documentsOf(readCsv(source("__proto__,b\nx,1\n"), inferred));
    expect(Object.keys(document!)).toEqual(["__proto__", "b"]);
    expect(Object.getPrototypeOf(document)).toBe(Object.prototype);
  });
});

describe("the types of CSV columns", () => {
  it("are numbers and booleans where all cells are, and empty cells are null", async () => {
    const text = "n,b,s\n1,true,x\n-2.5,FALSE,1\n,,\n1e3,true,\n";
    expect(await documentsOf(readCsv(source(text), inferred))).toEqual([
      { n: 1, b: true, s: "x" },
      { n: -2.5, b: false, s: "1" },
      { n: null, b: null, s: null },
      { n: 1000, b: true, s: null },
    ]);
  });

  it("are strings for the whole column where one cell has a leading zero or would be rounded", async () => {
    const text = "zip,big,plus,mixed\n94110,1,1,true\n02139,9007199254740993,+1,1\n";
    expect(await documentsOf(readCsv(source(text), inferred))).toEqual([
      { zip: "94110", big: "1", plus: "1", mixed: "true" },
      { zip: "02139", big: "9007199254740993", plus: "+1", mixed: "1" },
    ]);
  });

  it("leave cells behind the sample as text where they do not fit", async () => {
    const text = `n\n${"1\n".repeat(1_500)}007\nx\n12345678901234567890\n`;
    const read = await documentsOf(readCsv(source(text), inferred));
    expect(read.slice(1_499)).toEqual([{ n: 1 }, { n: "007" }, { n: "x" }, { n: "12345678901234567890" }]);
  });

  it("are text for the column of ids, and for all of them when asked for", async () => {
    const text = "id,n\n1,1\n2,\n";
    expect(await documentsOf(readCsv(source(text), { ...inferred, textColumns: ["id"] }))).toEqual([
      { id: "1", n: 1 },
      { id: "2", n: null },
    ]);
    expect(await documentsOf(readCsv(source(text), asText))).toEqual([
      { id: "1", n: "1" },
      { id: "2", n: "" },
    ]);
  });
});
