import { readFileSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { entryOf, type ReadDocument } from "../src/read/entry.ts";
import { rejectJson } from "../src/rejects-file.ts";
import { importInto, Scratch } from "./run-cli.ts";

/** The rejects of an input, as the lines of the file. */
async function rejectsOf(name: string, input: string | Uint8Array): Promise<string[]> {
  using scratch = new Scratch();
  writeFileSync(scratch.file(name), input);
  expect((await importInto(scratch, name, ["--rejects", "bad.ndjson"])).code).toBe(3);
  return readFileSync(scratch.file("bad.ndjson"), "utf8").trimEnd().split("\n");
}

describe("the rejects file holds what the input held", () => {
  it("of NDJSON, to the letter", async () => {
    const lines = [
      '{"n":1e400}',
      '{"id":true,"a":1,"a":2}',
      '  {"id":[1], "t" :\t"\\u00e9\\ud800 é\u2028" ,"z":1.50,"e":1E2}\t',
      '{"id":"k","n":12345678901234567890}',
      "\u00a0not JSON \u2028",
    ];
    const rejects = await rejectsOf("in.ndjson", lines.join("\r\n"));
    expect(rejects).toHaveLength(lines.length);
    const sorted = rejects.toSorted((a, b) => JSON.parse(a).line - JSON.parse(b).line);
    for (const [i, line] of lines.slice(0, 3).entries()) {
      expect(sorted[i]).toContain(`"document":${line}}`);
      expect(JSON.parse(sorted[i]!)).toMatchObject({ line: i + 1, code: expect.stringMatching(/^FORMDB_/) });
    }
    expect(sorted.slice(3).map((line) => JSON.parse(line).text)).toEqual(lines.slice(3));
  });

  it("of a document nested 5 000 deep, as text", async () => {
    const deep = `{"id":"a","v":${"[".repeat(5_000)}${"]".repeat(5_000)}}`;
    const good = '{"id":"b"}';
    const rejects = await rejectsOf(
      "in.ndjson",
      `${deep}\n${good}\n{"v":${"[".repeat(5_000)}${"]".repeat(5_000)}}\n`,
    );
    expect(rejects.map((line) => JSON.parse(line).line)).toEqual(expect.arrayContaining([1, 3]));
    expect(rejects.map((line) => JSON.parse(line).text)).toContain(deep);
  });

  it("of JSON on several lines, as text, and of bytes that are no UTF-8, as base64", async () => {
    const laidOut = '{\n  "id": true\n}';
    const bytes = Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xe9, 0x22, 0x7d]);
    const rejects = await rejectsOf(
      "in.json",
      Buffer.concat([Buffer.from(`[${laidOut},`), bytes, Buffer.from("]")]),
    );
    const parsed = rejects.map((line) => JSON.parse(line) as Record<string, string>);
    expect(parsed.map(({ text }) => text)).toContain(laidOut);
    expect(parsed.map(({ base64 }) => base64)).toContain(bytes.toString("base64"));
  });

  it("of CSV records, as text beside what they were read as", async () => {
    const rejects = await rejectsOf("in.csv", 'id,n,t\n"a", 1.50,"x""y\r\nz"\na,2,é\nb,1\n');
    expect(rejects.map((line) => JSON.parse(line))).toMatchObject([
      { line: 5, code: "FORMDB_INVALID_DOCUMENT", text: "b,1" },
      { line: 4, code: "FORMDB_DUPLICATE_ID", text: "a,2,é", document: { id: "a", n: "2", t: "é" } },
    ]);
  });

  it("for any JSON text", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom("", " ", "\t ", "\u00a0", "\ufeff"), (value, space) => {
        const text = `${space}${JSON.stringify({ value })}${space}`;
        const { document, excerpt } = entryOf({ number: 1, line: 1 }, text) as ReadDocument;
        const json = rejectJson({ line: 1, code: "FORMDB_INVALID_ID", error: "no", document, excerpt });
        const reject = JSON.parse(json) as { text?: string };
        expect(json.includes("\n")).toBe(false);
        if (reject.text === undefined) expect(json).toContain(`"document":${text}}`);
        else expect(reject.text).toBe(text);
      }),
    );
  });
});
