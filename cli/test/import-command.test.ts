import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { finished, importInto, parsedLines, Scratch, startCli, thingsIn } from "./run-cli.ts";

const contents = (scratch: Scratch) => thingsIn(scratch.file("app.db"));

function rejectsOf(path: string): Record<string, unknown>[] {
  const text = readFileSync(path, "utf8");
  expect(text.endsWith("\n")).toBe(true);
  return parsedLines(text);
}

describe("formdb import", () => {
  it("imports all good lines of a file with bad ones, lists those with their lines, and exits 3", async () => {
    using scratch = new Scratch();
    writeFileSync(
      scratch.file("in.ndjson"),
      '{"id":"a","n":1}\n{"id":"b",\n\n[1]\n{"id":"a","n":2}\n{"id":true}\n{"id":"c","n":9007199254740993}\n{"id":7,"n":3}\n',
    );
    const run = await importInto(scratch, "in.ndjson", ["--rejects", scratch.file("bad.ndjson")]);
    expect(run.code).toBe(3);
    expect(run.stdout).toContain("things: 2 imported, 0 already there, 5 rejected");
    expect(run.stderr).toContain("line 4: A document must be a JSON object, not the array [1]");
    const rejects = rejectsOf(scratch.file("bad.ndjson")).sort((a, b) => Number(a.line) - Number(b.line));
    expect(rejects).toMatchObject([
      { line: 2, code: "FORMDB_INVALID_DOCUMENT", text: '{"id":"b",' },
      { line: 4, code: "FORMDB_INVALID_DOCUMENT", text: "[1]" },
      { line: 5, code: "FORMDB_DUPLICATE_ID", id: "a", document: { id: "a", n: 2 } },
      { line: 6, code: "FORMDB_INVALID_ID", document: { id: true } },
      { line: 7, code: "FORMDB_INVALID_DOCUMENT", text: '{"id":"c","n":9007199254740993}' },
    ]);
    for (const { error } of rejects) expect(error).toEqual(expect.stringMatching(/\w{3}/));
    const stored = await contents(scratch);
    expect(stored.map(({ id, n }) => [String(id), n])).toEqual([
      ["7", 3],
      ["a", 1],
    ]);
  });

  it("writes every reject to the file, however many, and shows the first few", async () => {
    using scratch = new Scratch();
    const bad = Array.from({ length: 2_500 }, (_, i) => (i % 2 === 0 ? `{"id":[${i}]}` : `bad ${i}`));
    writeFileSync(scratch.file("in.ndjson"), `${bad.join("\n")}\n{"id":"good"}`);
    const run = await importInto(scratch, "in.ndjson", ["--rejects", scratch.file("bad.ndjson")]);
    expect(run.code).toBe(3);
    expect(run.stdout).toContain("1 imported, 0 already there, 2 500 rejected");
    expect(run.stderr).toContain("and 2 490 more");
    const lines = rejectsOf(scratch.file("bad.ndjson")).map(({ line }) => line as number);
    expect(lines.sort((a, b) => a - b)).toEqual(Array.from({ length: 2_500 }, (_, i) => i + 1));
  });

  it.runIf(existsSync("/dev/full"))(
    "tells what was imported also if the rejects can't be written",
    async () => {
      using scratch = new Scratch();
      const run = await importInto(scratch, "-", ["--rejects", "/dev/full"], '{"id":"1"}\nno document\n');
      expect(run.code).toBe(1);
      expect(run.stdout).toContain("1 imported, 0 already there, 1 rejected");
      expect(run.stderr).toMatch(/^line 2: This is no JSON/);
      expect(run.stderr).toContain("The rejects can't be written to /dev/full: ENOSPC");
      expect(run.stderr).not.toContain("all of them are in");
    },
  );

  it("stores nothing twice when it is run again, with and without ids in the documents", async () => {
    using scratch = new Scratch();
    writeFileSync(scratch.file("in.json"), '[{"a":1},{"a":1},{"id":"x","a":{"b":[1,null]}},{"a":2}]');
    const first = await importInto(scratch, "in.json");
    expect(first).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("4 imported, 0 already there, 0 rejected"),
    });
    const stored = await contents(scratch);
    expect(stored).toHaveLength(4);
    const again = await importInto(scratch, scratch.file("in.json"));
    expect(again).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("0 imported, 4 already there, 0 rejected"),
    });
    expect(await contents(scratch)).toEqual(stored);
    writeFileSync(scratch.file("in.json"), '[{"a":1},{"a":1},{"id":"x","a":{"b":[1,2]}},{"a":2},{"a":3}]');
    const changed = await importInto(scratch, "in.json");
    expect(changed).toMatchObject({
      code: 3,
      stdout: expect.stringContaining("1 imported, 3 already there, 1 rejected"),
    });
    expect(changed.stderr).toContain("FORMDB_DUPLICATE_ID");
  });

  it("tells inputs apart by their path, or by --source", async () => {
    using scratch = new Scratch();
    mkdirSync(scratch.file("monday"));
    writeFileSync(scratch.file("log.ndjson"), '{"event":"start"}\n');
    writeFileSync(scratch.file("monday/log.ndjson"), '{"event":"start"}\n');
    await importInto(scratch, "log.ndjson");
    expect((await importInto(scratch, "monday/log.ndjson")).stdout).toContain("1 imported");
    expect((await importInto(scratch, "-", ["--source", "x"], '{"event":"start"}')).stdout).toContain(
      "1 imported",
    );
    expect((await importInto(scratch, "log.ndjson", ["--source", "x"])).stdout).toContain("1 already there");
    expect(await contents(scratch)).toHaveLength(3);
  });

  it("takes the id from another field", async () => {
    using scratch = new Scratch();
    const input = '{"code":"x","n":1}\n{"n":2}\n{"code":"y","id":"z"}\n{"code":"w","id":"w"}\n';
    const run = await importInto(scratch, "-", ["--id-field", "code"], input);
    expect(run.code).toBe(3);
    expect(run.stderr).toContain('line 2: The document has no field "code"');
    expect(run.stderr).toContain("line 3: The document has an id of its own");
    expect(await contents(scratch)).toEqual([
      { id: "w", code: "w" },
      { id: "x", code: "x", n: 1 },
    ]);
  });

  it.each([
    ["in.ndjson", '{"id":"1","n":1.5,"t":"é"}\r\n{"id":"2","n":2,"t":null}\r\n'],
    ["in.txt", '\ufeff{"id":"1","n":1.5,"t":"é"}\n{"id":"2","n":2,"t":null}'],
    ["in.json", '[\n{"id":"1","n":1.5,"t":"é"},\n{"id":"2","n":2,"t":null}]'],
    ["lines.json", '{"id":"1","n":1.5,"t":"é"}\n{"id":"2","n":2,"t":null}'],
    ["pretty.json", '{\n"id":"1","n":1.5,"t":"é"\n}\n{\n"id":"2","n":2,"t":null}'],
    ["in.csv", "id,n,t\n1,1.5,é\n2,2,\n"],
    ["in.tsv", "id\tn\tt\n1\t1.5\té\n2\t2\t\n"],
    ["data", "id,n,t\n1,1.5,é\n2,2,\n"],
    ["in.csv.gz", gzipSync("id,n,t\n1,1.5,é\n2,2,\n")],
    ["data.ndjson.gz", gzipSync('{"id":"1","n":1.5,"t":"é"}\n{"id":"2","n":2,"t":null}')],
  ])("reads %s", async (name, bytes) => {
    using scratch = new Scratch();
    writeFileSync(scratch.file(name), bytes);
    const run = await importInto(scratch, name);
    expect(run).toMatchObject({ code: 0, stdout: expect.stringContaining("2 imported") });
    expect(await contents(scratch)).toEqual([
      { id: "1", n: 1.5, t: "é" },
      { id: "2", n: 2, t: null },
    ]);
  });

  it("reads the standard input, with a given format and delimiter, and keeps cells text when asked", async () => {
    using scratch = new Scratch();
    const args = ["--format", "csv", "--delimiter", ";", "--no-infer-types"];
    expect(await importInto(scratch, "-", args, "id;n;ok\n1;1,5;true\n2;;\n")).toMatchObject({ code: 0 });
    expect(await contents(scratch)).toEqual([
      { id: "1", n: "1,5", ok: "true" },
      { id: "2", n: "", ok: "" },
    ]);
  });

  it("takes an empty input for no documents", async () => {
    using scratch = new Scratch();
    expect(await importInto(scratch, "-", [], "")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("0 imported"),
    });
  });

  it.each(["stdout", "stderr"] as const)("imports all though nobody reads its %s", async (stream) => {
    using scratch = new Scratch();
    const child = startCli(["import", "-", "--into", "things", "--db", scratch.file("app.db")]);
    child[stream].destroy();
    const end = finished(child);
    child.stdin.end('{"id":"1"}\nno document\n');
    const { code, stdout, stderr } = await end;
    expect(code).toBe(3);
    expect(stdout + stderr).not.toContain("EPIPE");
    expect(await contents(scratch)).toHaveLength(1);
  });

  it("reports what it stored and exits 1 where the input breaks off", async () => {
    using scratch = new Scratch();
    const text = Array.from({ length: 20_000 }, (_, i) => `{"id":"${i}","x":"${Math.sin(i)}"}`).join("\n");
    writeFileSync(scratch.file("cut.ndjson.gz"), gzipSync(text).subarray(0, 200_000));
    const run = await importInto(scratch, "cut.ndjson.gz");
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/stopped early: cut\.ndjson\.gz can't be read: its gzip data is damaged/);
    const imported = Number(/([\d ]+) imported/.exec(run.stdout)?.[1]?.replaceAll(" ", ""));
    expect(imported).toBeGreaterThan(100);
    expect(await contents(scratch)).toHaveLength(imported);
  });
});
