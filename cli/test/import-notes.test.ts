import { writeFileSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import { type ImportReport, reportImport } from "../src/import-report.ts";
import { importInto, type Run, Scratch, thingsIn, withoutProgress } from "./run-cli.ts";

/** Imports a file of the given text; its name says what it is. */
function importText(
  scratch: Scratch,
  name: string,
  text: string,
  args: readonly string[] = [],
): Promise<Run> {
  writeFileSync(scratch.file(name), text);
  return importInto(scratch, name, args);
}

const stored = (scratch: Scratch) => thingsIn(scratch.file("app.db"));

describe("an import tells", () => {
  it("of an input that is not empty and yields no document", async () => {
    using scratch = new Scratch();
    for (const [name, text] of [
      ["header.csv", "a,b\n"],
      ["blank.ndjson", "\n \r\n\r"],
      ["none.json", "[]"],
    ] as const) {
      const run = await importText(scratch, name, text);
      expect(run.code).toBe(0);
      expect(run.stderr).toContain(`no document was found in the ${text.length} bytes of ${name}`);
    }
    expect((await importText(scratch, "empty.csv", "")).stderr).toBe("");
  });

  it("of cells that are not of their column's type, and keeps the type that is named", async () => {
    using scratch = new Scratch();
    const text = `id,zip,n\n${Array.from({ length: 1_200 }, (_, i) => `${i},${20_000 + i},1\n`).join("")}x,02139,N/A\ny,02140,1\n`;
    const run = await importText(scratch, "in.csv", text);
    expect(run.code).toBe(0);
    expect(run.stderr).toContain(
      "column zip holds numbers, but 2 of its cells (the first on line 1202: 02139) could only be stored as strings\n" +
        "  --type zip=string makes the whole column strings\n",
    );
    expect(run.stderr).toContain("column n holds numbers, but 1 of its cells (the first on line 1202: N/A)");
    const args = ["--type", "zip=string", "--type", "n=number", "--new-ids"];
    const kept = await importText(scratch, "kept.csv", text, args);
    expect(kept.code).toBe(3);
    expect(kept.stderr).toContain('line 1202: The cell "N/A" of the column "n" must be a number');
    expect(kept.stderr).not.toContain("column zip");
    const zips = (await stored(scratch)).filter(({ original_id }) => original_id !== undefined);
    expect(new Set(zips.map(({ zip }) => typeof zip))).toEqual(new Set(["string"]));
    expect(zips).toHaveLength(1_201);
  });

  it("of a header that looks like data, and reads files without one under given names", async () => {
    using scratch = new Scratch();
    const text = "1.0.0.0,1.0.0.255,13335,CLOUDFLARENET\n2001:db8::,2001:db8::ff,7,X\n";
    const run = await importText(scratch, "asn.csv", text);
    expect(run.stderr).toContain("the header's cells look like data: 1.0.0.0, 1.0.0.255, 13335");
    expect(run.stderr).toContain("--columns");
    const args = ["--columns", "start,end,asn,name", "--id-field", "start"];
    const named = await importText(scratch, "named.csv", text, args);
    expect([named.code, withoutProgress(named.stderr)]).toEqual([0, ""]);
    expect(named.stdout).toContain("2 imported");
    expect((await stored(scratch)).filter(({ start }) => start !== undefined)).toEqual([
      { id: "1.0.0.0", start: "1.0.0.0", end: "1.0.0.255", asn: 13335, name: "CLOUDFLARENET" },
      { id: "2001:db8::", start: "2001:db8::", end: "2001:db8::ff", asn: 7, name: "X" },
    ]);
  });

  it("why documents were rejected and what helps, and makes new ids when asked, the same in each run", async () => {
    using scratch = new Scratch();
    const text = Array.from({ length: 20 }, (_, i) => `{"id":"${i % 2}","n":${i}}\n`).join("");
    const run = await importText(scratch, "states.ndjson", `${text}bad\n`);
    expect(run.code).toBe(3);
    expect(run.stderr).toContain("18 × FORMDB_DUPLICATE_ID, the first on line 3\n");
    expect(run.stderr).toContain("--new-ids makes new ids and keeps the field as original_id");
    expect(run.stderr).toContain("1 × FORMDB_INVALID_DOCUMENT, the first on line 21\n");
    for (const counts of ["20 imported, 0 already there", "0 imported, 20 already there"]) {
      const again = await importText(scratch, "states.ndjson", text, ["--new-ids"]);
      expect([again.code, withoutProgress(again.stderr)]).toEqual([0, ""]);
      expect(again.stdout).toContain(counts);
      expect(again.stdout).toContain('20 got new ids (a field "id" of theirs is now original_id)');
    }
    const renamed = (await stored(scratch)).filter(({ original_id }) => original_id !== undefined);
    expect(renamed.map(({ original_id, n }) => `${original_id} ${n}`)).toEqual(
      Array.from({ length: 20 }, (_, i) => `${i % 2} ${i}`),
    );
  });
});

describe("an import refuses, with exit code 2,", () => {
  it.each([
    [["--columns", "a,b,a"], "names the column a twice"],
    [["--columns", "a,,b"], "Each column must have a name"],
    [["--type", "zip=text"], "the type one of number, boolean, string"],
    [["--type", "zip"], "COLUMN=TYPE"],
    [["--type", "zap=string"], '--type must name a column of the input, which "zap" is not: it has "zip"'],
    [["--new-ids", "--id-field", "zip"], "cannot be used with"],
    [["--format", "ndjson", "--columns", "a,b"], "--columns is for CSV"],
  ])("%j", async (args, message) => {
    using scratch = new Scratch();
    const run = await importText(scratch, "in.csv", "zip\n1\n", args);
    expect(run.code).toBe(2);
    expect(run.stderr).toContain(message);
  });
});

it("an import that was stopped while it looked for the types of columns does not say that there are no documents", () => {
  const said: string[] = [];
  const spies = [process.stdout, process.stderr].map((stream) =>
    vi.spyOn(stream, "write").mockImplementation((text) => said.push(String(text)) > 0),
  );
  const report = {
    outcome: { imported: 0, unchanged: 0, rejected: 0, elapsedMs: 1, madeIds: 0, codes: new Map() },
    collection: "things",
    input: { name: "in.csv", format: "csv", bytesRead: () => 9 },
    shown: [],
    notes: { headerData: [], drifts: new Map() },
    interrupted: 143,
  } as unknown as ImportReport;
  expect(reportImport(report)).toBe(143);
  for (const spy of spies) spy.mockRestore();
  expect(said.join("")).toMatch(/^things: 0 imported.*\nformdb: interrupted; 9 bytes/);
});
