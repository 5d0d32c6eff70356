import { rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { SqliteJournal } from "../../src/backend/sqlite/sqlite-journal.ts";
import { open } from "../../src/engine/open.ts";
import { killedAfter } from "../support/child-process.ts";
import { useFolder } from "../support/hooks.ts";

/** How often the writer is killed; a soak sets more. */
const KILLS = Number(process.env.FORMDB_KILLS ?? 5);

const folder = useFolder();

const program = fileURLToPath(new URL("./spilling-writer.ts", import.meta.url));

describe("a database with a journal", () => {
  it("writes what was accepted before a crash, each operation once", async () => {
    const url = `sqlite:${join(folder, "app.db")}`;
    const journal = join(folder, "app.journal");
    const accepted: string[] = [];
    for (let kill = 0; kill < KILLS; kill++) {
      accepted.push(
        ...(await killedAfter(program, [url, journal, String(kill * 1_000_000)], 100 + kill * 61)),
      );
    }
    const db = await open(url, { spill: journal });
    const { failed, errors } = await db.flush();
    expect({ failed, errors }).toEqual({ failed: 0, errors: [] });
    const { rows } = await db.query("SELECT id FROM accepted");
    const there = rows.map(({ id }) => id as string);
    expect(new Set(there).size).toBe(there.length);
    const known = new Set(there);
    expect(accepted.filter((id) => !known.has(id))).toEqual([]);
    await db.close();
    using left = new SqliteJournal(journal);
    expect(await left.replay()).toEqual([]);
  });

  it("lets no second process send the same operations", async () => {
    const journal = join(folder, "held.journal");
    using held = new SqliteJournal(journal);
    await held.append([{ sequence: 1, kind: "delete", collection: "a", id: "1", json: "" }]);
    const url = `sqlite:${join(folder, "held.db")}`;
    await expect(open(url, { spill: journal })).rejects.toMatchObject({ code: "FORMDB_BUSY" });
  });

  it("lets no second process in where the journal was there already, and nothing is written yet", async () => {
    const journal = join(folder, "there.journal");
    new SqliteJournal(journal)[Symbol.dispose]();
    const url = `sqlite:${join(folder, "there.db")}`;
    await using db = await open(url, { spill: journal });
    await expect(open(url, { spill: journal })).rejects.toMatchObject({
      code: "FORMDB_BUSY",
      message: expect.stringContaining("a journal is of one open database, and another has it"),
    });
    await db.insert("a", { id: "1" });
  });

  it("is refused where the path can't be a journal", async () => {
    await expect(open("sqlite::memory:", { spill: folder })).rejects.toMatchObject({ code: "FORMDB_CONFIG" });
  });

  it("is refused where a table of another shape is in the journal's place", async () => {
    const journal = join(folder, "other.journal");
    const other = new Database(journal);
    other.exec("CREATE TABLE journal (sequence INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT)");
    other.close();
    await expect(open("sqlite::memory:", { spill: journal })).rejects.toMatchObject({
      name: "FormDBError",
      message: expect.stringContaining(`Opening the journal ${journal} failed`),
    });
    rmSync(journal);
    await using db = await open("sqlite::memory:", { spill: journal });
    await db.insert("a", { id: "1" });
  });

  it.each([
    ["kind", "insart"],
    ["json", '{"a'],
  ])(
    "is refused where an operation in the journal has a %s that can't be read, and stays as it is",
    async (column, value) => {
      const journal = join(folder, `${column}.journal`);
      {
        using held = new SqliteJournal(journal);
        await held.append(
          [1, 2].map((sequence) => ({
            sequence,
            kind: "insert",
            collection: "a",
            id: String(sequence),
            json: "{}",
          })),
        );
      }
      const damaged = new Database(journal);
      damaged.prepare(`UPDATE journal SET ${column} = ? WHERE sequence = 2`).run(value);
      damaged.close();
      await expect(open("sqlite::memory:", { spill: journal })).rejects.toMatchObject({
        name: "FormDBError",
        code: "FORMDB_ENGINE",
        message: expect.stringContaining("operation 2 of the journal"),
      });
      using left = new SqliteJournal(journal);
      expect((await left.replay()).map(({ operations }) => operations[0]!.sequence)).toEqual([1, 2]);
    },
  );
});
