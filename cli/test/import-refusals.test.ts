import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { importInto, runCli, Scratch } from "./run-cli.ts";

describe("formdb import refuses", () => {
  it.each<[string, string[], string]>([
    ["an unknown option", ["import", "x", "--into", "t", "--reject", "f"], "unknown option '--reject'"],
    ["a misspelled --into", ["import", "x", "--int", "t"], "unknown option '--int'\n(Did you mean --into?)"],
    [
      "an option by another tool's name",
      ["import", "x", "--table", "t"],
      "unknown option '--table'\n(Did you mean --into?)",
    ],
    [
      "one that it has nothing for, without what is only spelled alike",
      ["import", "x", "--into", "t", "--force"],
      "unknown option '--force'\n(--help shows what there is)",
    ],
    ["a command by another tool's name", ["ls"], "unknown command 'ls'\n(Did you mean collections?)"],
    [
      "rejects in a folder that is not there",
      ["import", "-", "--into", "t", "--rejects", "none/bad.ndjson"],
      "--rejects must name a file in a folder that is there, and ",
    ],
    [
      "rejects that are a directory",
      ["import", "-", "--into", "t", "--rejects", "."],
      "must name a file, and . is a directory",
    ],
    [
      "an export into a folder that is not there",
      ["export", "t", "--out", "none/t.ndjson"],
      "--out must name a file in a folder that is there, and ",
    ],
    ["no collection", ["import", "x"], "required option '--into <collection>' not specified"],
    ["no file", ["import", "--into", "t"], "missing required argument 'file'"],
    ["a second file", ["import", "x", "y", "--into", "t"], "too many arguments"],
    ["a batch of none", ["import", "x", "--into", "t", "--batch-size", "0"], "a whole number of at least 1"],
    ["a batch of -1", ["import", "x", "--into", "t", "--batch-size=-1"], "a whole number of at least 1"],
    ["a batch that is no number", ["import", "x", "--into", "t", "--batch-size", "NaN"], "a whole number"],
    [
      "an unknown format",
      ["import", "x", "--into", "t", "--format", "xml"],
      "Allowed choices are ndjson, json, csv, tsv",
    ],
    [
      "a delimiter of two characters",
      ["import", "x", "--into", "t", "--delimiter", "ab"],
      "one ASCII character",
    ],
    ["a name that is SQL", ["import", "-", "--into", 'a"; drop table x'], "letters, digits and underscores"],
    ["an empty name", ["import", "-", "--into", ""], "must not be empty"],
    [
      "a name of 200 characters",
      ["import", "-", "--into", "a".repeat(200)],
      "at most 48 characters, not 200",
    ],
    ["an unknown URL scheme", ["import", "-", "--into", "t", "--db", "mysql://h/d"], "mysql"],
    ["an unknown command", ["imports"], "unknown command 'imports'"],
    ["nothing at all", [], "Usage: formdb"],
  ])("%s, with exit code 2", async (_what, args, message) => {
    using scratch = new Scratch();
    const run = await runCli(args, { cwd: scratch.path, input: "{}" });
    expect(run).toMatchObject({ code: 2, stdout: "" });
    expect(run.stderr).toContain(message);
    expect(run.stderr).not.toMatch(/\n {4}at /);
    expect(readdirSync(scratch.path)).toEqual([]);
  });

  it("an input that is missing or a directory, in one line, with exit code 1", async () => {
    using scratch = new Scratch();
    mkdirSync(scratch.file("dir"));
    for (const [file, why] of [
      ["none.ndjson", "none.ndjson can't be read: there is no such file"],
      ["dir", "dir is a directory"],
    ] as const) {
      const run = await importInto(scratch, file);
      expect(run).toMatchObject({ code: 1, stdout: "" });
      expect(run.stderr).toMatch(new RegExp(`^formdb: ${why}[^\n]*\n$`));
    }
  });

  it("what is no text in UTF-8, with what makes it so, and makes no database for it", async () => {
    using scratch = new Scratch();
    writeFileSync(scratch.file("wide.csv"), Buffer.from("\ufeffid,name\n1,x\n", "utf16le"));
    writeFileSync(scratch.file("cities.zip"), Buffer.from("PK\x03\x04\x14\0\0,\n1,2\n", "latin1"));
    writeFileSync(scratch.file("cities.db"), Buffer.from("SQLite format 3\0\x10\0\x02\x02\0", "latin1"));
    for (const [file, why] of [
      ["wide.csv", "is UTF-16; iconv -f UTF-16 -t UTF-8"],
      ["cities.zip", "is a zip archive; unzip -p"],
      ["cities.db", "is a SQLite database; formdb export"],
    ] as const) {
      const run = await importInto(scratch, file);
      expect(run).toMatchObject({ code: 1, stdout: "" });
      expect(run.stderr).toContain(why);
    }
    expect(readdirSync(scratch.path)).toEqual(["cities.db", "cities.zip", "wide.csv"]);
  });

  it("a header that can't be, without promising that running it again goes on", async () => {
    using scratch = new Scratch();
    writeFileSync(scratch.file("semi.csv"), "id;name\n1;Ada\n");
    const run = await importInto(scratch, "semi.csv");
    expect(run.code).toBe(1);
    expect(run.stderr).toContain("--delimiter says what stands between the cells");
    expect(run.stderr).not.toContain("goes on");
  });

  it("a database that is a directory or no database, in one line", async () => {
    using scratch = new Scratch();
    mkdirSync(scratch.file("dir.db"));
    writeFileSync(
      scratch.file("text.db"),
      "this is no database, but long enough to be looked at ".repeat(100),
    );
    for (const name of ["dir.db", "text.db"]) {
      const run = await runCli(["import", "-", "--into", "t", "--db", scratch.file(name)], {
        input: '{"a":1}',
      });
      expect([1, 2]).toContain(run.code);
      expect(run.stdout).toBe("");
      expect(run.stderr).toMatch(/^formdb: [^\n]*\n$/);
      expect(run.stderr).toContain(name);
    }
  });

  it("to write its rejects over its input", async () => {
    using scratch = new Scratch();
    writeFileSync(scratch.file("in.ndjson"), '{"id":"a"}\n');
    const run = await importInto(scratch, "in.ndjson", ["--rejects", "./in.ndjson"]);
    expect(run.code).toBe(2);
    expect(readFileSync(scratch.file("in.ndjson"), "utf8")).toBe('{"id":"a"}\n');
  });

  it("shows the stack only when FORMDB_DEBUG is set", async () => {
    const run = await runCli(["import", "/none", "--into", "t"], { env: { FORMDB_DEBUG: "1" } });
    expect(run.stderr).toMatch(/\n {4}at /);
  });
});
