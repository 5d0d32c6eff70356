import { copyFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { beforeEach, describe, expect, it } from "vitest";
import { SETTLE_WITHIN_MS, SqliteJournal } from "../../../src/backend/sqlite/sqlite-journal.ts";
import type { JournalOperation } from "../../../src/base/journal.ts";
import { useFolderEach } from "../../support/hooks.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const folder = useFolderEach();
let file: string;
let copies = 0;

beforeEach(() => {
  file = join(folder(), "app.journal");
});

function operation(sequence: number): JournalOperation {
  return { sequence, kind: "delete", collection: "users", id: String(sequence), json: "" };
}

/** What a process would find if this one were gone now. */
async function heldAfterACrash(): Promise<number[]> {
  const copy = join(folder(), `copy${copies++}`);
  copyFileSync(file, copy);
  copyFileSync(`${file}-wal`, `${copy}-wal`);
  using journal = new SqliteJournal(copy);
  return (await journal.replay()).flatMap(({ operations }) => operations.map(({ sequence }) => sequence));
}

describe("a journal in a SQLite file", () => {
  it("forgets what is settled together with the next that it writes", async () => {
    using journal = new SqliteJournal(file, new ManualClock());
    await journal.append([operation(1), operation(2)]);
    await journal.settle([1]);
    expect(await heldAfterACrash()).toEqual([1, 2]);
    await journal.append([operation(3)]);
    expect(await heldAfterACrash()).toEqual([2, 3]);
    await journal.settle([2]);
    await journal.assign("token", [3]);
    expect(await heldAfterACrash()).toEqual([3]);
  });

  it("forgets what is settled soon where nothing is written any more", async () => {
    const clock = new ManualClock();
    using journal = new SqliteJournal(file, clock);
    await journal.append([operation(1), operation(2)]);
    await journal.settle([1]);
    await journal.settle([2]);
    await clock.advance(SETTLE_WITHIN_MS - 1);
    expect(await heldAfterACrash()).toEqual([1, 2]);
    await clock.advance(1);
    expect(await heldAfterACrash()).toEqual([]);
  });

  it("keeps in mind what it could not forget", async () => {
    new SqliteJournal(file)[Symbol.dispose]();
    const direct = new Database(file);
    direct.exec(
      "CREATE TRIGGER fault BEFORE DELETE ON journal WHEN (SELECT count(*) FROM journal) < 3 " +
        "BEGIN SELECT RAISE(ABORT, 'fault'); END",
    );
    direct.close();
    const clock = new ManualClock();
    const journal = new SqliteJournal(file, clock);
    await journal.append([operation(1), operation(2)]);
    await journal.settle([1]);
    await clock.advance(SETTLE_WITHIN_MS);
    await expect(journal.forget([])).rejects.toThrow("fault");
    expect(await heldAfterACrash()).toEqual([1, 2]);
    await journal.append([operation(3)]);
    expect((await journal.replay()).flatMap(({ operations }) => operations)).toEqual([
      operation(2),
      operation(3),
    ]);
    journal[Symbol.dispose]();
  });

  it("has forgotten for good what it was told to, however many asked", async () => {
    using journal = new SqliteJournal(file);
    await journal.append([operation(1), operation(2), operation(3)]);
    await Promise.all([journal.forget([1]), journal.forget([3])]);
    expect(await heldAfterACrash()).toEqual([2]);
  });

  it("forgets no later than a token that is assigned after is known", async () => {
    using journal = new SqliteJournal(file);
    await journal.append([operation(1), operation(2)]);
    const forgotten = journal.forget([1]);
    const assigned = journal.assign("token", [2]);
    expect(await heldAfterACrash()).toEqual([2]);
    await Promise.all([forgotten, assigned]);
  });

  it("never gives a number twice, and lets its file go at the end", async () => {
    {
      using journal = new SqliteJournal(file);
      await journal.append([operation(1), operation(2)]);
      await journal.settle([1, 2]);
    }
    using journal = new SqliteJournal(file);
    expect([journal.lastSequence, await journal.replay()]).toEqual([2, []]);
  });
});
