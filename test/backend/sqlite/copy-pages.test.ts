import { writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, it } from "vitest";
import { copyPages } from "../../../src/backend/sqlite/copy-pages.ts";
import { useFolder } from "../../support/hooks.ts";

const folder = useFolder();

it("a copy goes on from page to page though another handle commits between any two steps", async () => {
  const writer = new Database(join(folder, "app.db"));
  writer.pragma("journal_mode = WAL");
  writer.pragma("synchronous = OFF");
  writer.exec("CREATE TABLE t (n INTEGER, text TEXT)");
  writer.exec(
    "WITH RECURSIVE r(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM r WHERE n < 20000) INSERT INTO t SELECT n, hex(zeroblob(150)) FROM r",
  );
  const reader = new Database(join(folder, "app.db"), { readonly: true });
  const target = join(folder, "copy.db");
  writeFileSync(target, "");
  try {
    const copied: number[] = [];
    await copyPages(reader, target, ({ copiedBytes }) => {
      copied.push(copiedBytes);
      // A copy that begins anew with each commit never ends.
      if (copied.length > 1_000) throw new Error("it began anew");
      writer.exec("INSERT INTO t VALUES (0, 'written meanwhile')");
    });
    expect(copied.length).toBeGreaterThan(10);
    expect(copied).toEqual([...copied].sort((a, b) => a - b));
    const copy = new Database(target, { readonly: true });
    expect(copy.prepare("SELECT COUNT(*) FROM t").pluck().get()).toBe(20_000);
    copy.close();
    expect(reader.inTransaction).toBe(false);
  } finally {
    reader.close();
    writer.close();
  }
});
