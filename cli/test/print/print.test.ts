import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { printCsv } from "../../src/print/csv.ts";
import { printJson, printNdjson } from "../../src/print/json.ts";
import { Output } from "../../src/print/output.ts";
import { printTable } from "../../src/print/table.ts";
import { readCsv } from "../../src/read/csv-documents.ts";
import { documentsOf, source } from "../read/chunked.ts";
import { printed } from "./printed.ts";

describe("printing JSON", () => {
  it("is one array, also of many rows through a slow stream", async () => {
    const rows = Array.from({ length: 5_000 }, (_, n) => ({ n }));
    const { text } = await printed((output) => printJson(rows, output));
    expect(JSON.parse(text)).toEqual(rows);
  });

  it("stops taking rows when the stream is closed", async () => {
    const stream = new PassThrough({ highWaterMark: 64 });
    let taken = 0;
    async function* rows(): AsyncGenerator<{ n: number }> {
      for (; taken < 1_000_000; taken++) {
        if (taken === 2_000) stream.destroy(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
        yield { n: taken };
      }
    }
    stream.resume();
    await printJson(rows(), new Output(stream));
    expect(taken).toBeLessThan(10_000);
  });
});

describe("printing CSV", () => {
  it("leaves empty what a row has not, whatever objects have by that name", async () => {
    const rows = [{ a: 1 }, JSON.parse('{"a":2,"constructor":3,"__proto__":{"x":1}}') as { a: number }];
    const { text } = await printed((output) => printCsv(rows, output));
    expect(text).toBe('a,constructor,__proto__\n1,,\n2,3,"{""x"":1}"\n');
    const table = await printed((output) => printTable(rows, output, 80));
    expect(table.text).toMatch(/│\s+1 │\s+│\s+│/);
  });

  it("has all fields of the first rows, and says which of later rows are missing", async () => {
    const rows = [
      { a: 1 },
      { b: { c: [1] }, a: null },
      ...Array.from({ length: 1_000 }, () => ({ a: 2 })),
      { z: 1, a: 3 },
    ];
    const { text, result } = await printed((output) => printCsv(rows, output));
    expect(text.split("\n").slice(0, 4)).toEqual(["a,b", "1,", ',"{""c"":[1]}"', "2,"]);
    expect([...result]).toEqual(["z"]);
  });

  it("is read back by the importer, whatever is in a cell", async () => {
    const rows = [
      { a: 'x"y', b: "1,2\r\n3" },
      { a: "", b: "" },
      { a: "é", b: " " },
    ];
    const { text } = await printed((output) => printCsv(rows, output));
    expect(await documentsOf(readCsv(source(text), { inferTypes: false }))).toEqual(rows);
    const one = await printed((output) => printCsv([{ a: "x" }, { a: null }, { a: "y" }], output));
    expect(await documentsOf(readCsv(source(one.text), { inferTypes: true }))).toHaveLength(3);
  });

  it("prints nothing for no rows", async () => {
    expect((await printed((output) => printCsv([], output))).text).toBe("");
  });
});

describe("printing a table", () => {
  it("is never wider than it may be, and says which columns did not fit", async () => {
    const row = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`column${i}`, "value ".repeat(i)]));
    const { text, result } = await printed((output) => printTable([row], output, 80));
    for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    expect(text).toContain("column0");
    expect(result.columns).toContain("column29");
  });

  it("shows control characters as escapes, so that no value can act on the terminal", async () => {
    const { text } = await printed((output) =>
      printTable([{ "\u001b[31m": "a\u001b[2Jb\r\n\u009b" }], output, 80),
    );
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not be there
    expect(text.replaceAll("\n", "")).not.toMatch(/[\0-\x1f\x7f-\x9f]/);
    expect(text).toContain("a\\u001b[2Jb\\r\\n");
  });

  it("tells null from a missing field and puts numbers to the right", async () => {
    const { text } = await printed((output) => printTable([{ a: 1, b: null }, { a: 100 }], output, 80));
    expect(text).toContain("│   1 │ null │");
    expect(text).toContain("│ 100 │      │");
    expect(text).toContain("2 rows");
  });
});

describe("on a terminal", () => {
  const evil = { "na\u001b[2Jme": "\u001b]52;c;eA==\u0007\u009b31m\u202egpj.exe\u2066\u2028\nx" };

  const onTerminal = async (print: (output: Output) => Promise<unknown>): Promise<string> =>
    (await printed(print, { isTTY: true })).text;

  it.each<[string, (output: Output) => Promise<unknown>]>([
    ["CSV", (output) => printCsv([evil], output)],
    ["JSON", (output) => printJson([evil], output)],
    ["NDJSON", (output) => printNdjson([evil], output)],
    ["a table", (output) => printTable([evil], output, 200)],
  ])("%s steers nothing", async (_format, print) => {
    const text = await onTerminal(print);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(text).not.toMatch(/[\0-\x09\x0b-\x1f\x7f-\x9f\u2028\u202a-\u202e\u2066-\u2069]/);
    expect(text).toContain("\\u009b31m\\u202egpj.exe");
  });

  it("JSON has the same value, and elsewhere the same bytes as ever", async () => {
    expect(JSON.parse(await onTerminal((output) => printJson([evil], output)))).toEqual([evil]);
    const { text } = await printed((output) => printNdjson([evil], output));
    expect(text).toBe(`${JSON.stringify(evil)}\n`);
  });
});

it("CSV for spreadsheets has a quote before formulas, and numbers as they are", async () => {
  const rows = [{ a: "=cmd()", "+b": -5, c: "-5", d: "@x", e: " =1", f: "\tx", g: "a=b", h: { i: "=1" } }];
  const safe = await printed((output) => printCsv(rows, output, { isSafe: true }));
  expect(safe.text).toBe('a,\'+b,c,d,e,f,g,h\n\'=cmd(),-5,\'-5,\'@x,\' =1,\'\tx,a=b,"{""i"":""=1""}"\n');
  const exact = await printed((output) => printCsv(rows, output));
  expect(exact.text).toContain("=cmd(),-5,-5,@x");
});
