import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parseSqliteUrl } from "../../../src/backend/sqlite/sqlite-url.ts";

function failure(url: string): unknown {
  try {
    return parseSqliteUrl(url);
  } catch (error) {
    return error;
  }
}

describe("a SQLite URL", () => {
  it.each([
    ["sqlite:app.db", resolve("app.db")],
    ["SQLite:app.db", resolve("app.db")],
    ["app.db", resolve("app.db")],
    [`sqlite://${join(tmpdir(), "a%20b%3Fc.db")}`, join(tmpdir(), "a b?c.db")],
    [`file:${join(tmpdir(), "a%23b.db")}`, join(tmpdir(), "a#b.db")],
    [`sqlite:${join(tmpdir(), "100%.db")}`, join(tmpdir(), "100%.db")],
  ])("%s is the file %s", (url, file) => {
    expect(parseSqliteUrl(url)).toEqual({ file, memory: false, readOnly: false });
  });

  it("has SQLite's own modes: only rwc, the default, makes a file", () => {
    const here = fileURLToPath(import.meta.url);
    const missing = join(tmpdir(), "formdb-is-not-here.db");
    expect(parseSqliteUrl(`sqlite:${here}?mode=ro`)).toEqual({ file: here, memory: false, readOnly: true });
    expect(parseSqliteUrl(`sqlite:${here}?mode=rw`)).toEqual({ file: here, memory: false, readOnly: false });
    expect(parseSqliteUrl(`sqlite:${missing}?mode=rwc`)).toMatchObject({ file: missing });
    for (const mode of ["ro", "rw"]) {
      expect(failure(`sqlite:${missing}?mode=${mode}`)).toMatchObject({
        code: "FORMDB_CONNECT_FAILED",
        retryable: false,
        message: expect.stringContaining(missing),
      });
    }
    expect(failure(`sqlite:${here}?mode=rx`)).toMatchObject({
      code: "FORMDB_CONFIG",
      message: expect.stringContaining("mode=ro, mode=rw or mode=rwc and no other, not mode=rx"),
    });
    expect(parseSqliteUrl("sqlite::memory:", true)).toMatchObject({ memory: true });
  });

  it.each(["sqlite://app.db", "sqlite://:memory:", "file://app.db", "sqlite://./app.db"])(
    "that names a host is refused, and told how to write it: %s",
    (url) => {
      expect(failure(url)).toMatchObject({
        code: "FORMDB_CONFIG",
        message: expect.stringContaining(`sqlite:${url.slice(url.indexOf("//") + 2)}`),
      });
    },
  );

  it.each(["file:%E0%A4%A", "file:50%", "file:a%00b", "sqlite:", "sqlite:app.db?cache=shared"])(
    "that can't be understood is refused: %s",
    (url) => {
      expect(failure(url)).toMatchObject({ code: "FORMDB_CONFIG" });
    },
  );
});
