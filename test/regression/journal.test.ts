import { copyFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { beforeEach, describe, expect, it } from "vitest";
import { SqliteSession } from "../../src/backend/sqlite/session.ts";
import { SqliteJournal } from "../../src/backend/sqlite/sqlite-journal.ts";
import { JOURNALLED_TOKEN_LIFE_MS } from "../../src/base/journal.ts";
import { sqliteDdl } from "../../src/dialect/sqlite/ddl.ts";
import type { FormDB } from "../../src/engine/form-db.ts";
import { open } from "../../src/engine/open.ts";
import { holdTransaction } from "../support/held-transaction.ts";
import { useFolderEach } from "../support/hooks.ts";

const HOUR_MS = 60 * 60 * 1_000;

const folder = useFolderEach();
let url: string;
let spill: string;

beforeEach(() => {
  url = `sqlite:${join(folder(), "app.db")}`;
  spill = join(folder(), "app.journal");
});

/** The ids that the next start would queue again if this process were gone now. */
async function heldAfterACrash(): Promise<string[]> {
  const copy = join(folder(), "copy");
  copyFileSync(spill, copy);
  copyFileSync(`${spill}-wal`, `${copy}-wal`);
  using journal = new SqliteJournal(copy);
  return (await journal.replay()).flatMap(({ operations }) => operations.map(({ id }) => id));
}

/** Resolves when the journal holds the insert of a document. */
function accepted(db: FormDB, document: unknown): Promise<void> {
  return new Promise((resolve) => {
    void db.batch.submitAll("insert", "users", [document], { onAccepted: resolve });
  });
}

describe("a write that its caller was told is rejected", () => {
  it("does not come back after a crash", async () => {
    const db = await open(url, { spill, autoCreate: false });
    await expect(db.insert("later", { id: "refused" })).rejects.toMatchObject({
      code: "FORMDB_UNKNOWN_COLLECTION",
    });
    expect(await heldAfterACrash()).toEqual([]);
    await db.close();
  });

  it("does not come back after a crash where its caller has withdrawn it", async () => {
    const db = await open(url, { spill });
    await db.createCollection("users");
    const release = await holdTransaction(db);
    const first = db.insert("users", { id: "first" });
    while (db.batch.stats().inFlight === 0) await new Promise((resolve) => setImmediate(resolve));
    const abort = new AbortController();
    const cancelled = db.batch.submit("insert", "users", "cancelled", {}, { signal: abort.signal });
    // It is in the journal once what was queued after it is.
    await accepted(db, { id: "last" });
    expect(await heldAfterACrash()).toContain("cancelled");
    abort.abort();
    await expect(cancelled).rejects.toMatchObject({ code: "FORMDB_ABORTED" });
    expect((await heldAfterACrash()).sort()).toEqual(["first", "last"]);
    await release();
    await first;
    await db.close();
  });

  it("does not come back where it was withdrawn on its way into the journal", async () => {
    const db = await open(url, { spill });
    await db.createCollection("users");
    const abort = new AbortController();
    const cancelled = db.batch.submit("insert", "users", "cancelled", {}, { signal: abort.signal });
    // The journal has been given it and has not answered.
    await undefined;
    await undefined;
    abort.abort();
    await expect(cancelled).rejects.toMatchObject({ code: "FORMDB_ABORTED" });
    expect(await heldAfterACrash()).toEqual([]);
    await db.close();
    expect(db.batch.stats()).toMatchObject({ held: 0, heldBytes: 0 });
  });
});

describe("what close() hands back", () => {
  it("is out of the journal, and what may have been written stays", async () => {
    const db = await open(url, { spill, batch: { maxBatchSize: 1 }, onError: () => {} });
    await db.createCollection("users");
    const release = await holdTransaction(db);
    const underWay = db.insert("users", { id: "under way" });
    // Whether the connection was had before the deadline decides what is told of it.
    const outcome = underWay.then(
      () => "applied",
      (error: { outcome?: string }) => error.outcome ?? "rejected",
    );
    await accepted(db, { id: "behind" });
    const closing = db.close({ deadlineMs: 30 });
    const told = await outcome;
    // Its connection may be closed by now.
    await release().catch(() => {});
    const { undelivered } = await closing;
    expect(undelivered.map(({ id }) => id)).toContain("behind");
    using journal = new SqliteJournal(spill);
    const left = (await journal.replay()).flatMap(({ operations }) => operations.map(({ id }) => id));
    expect(left).not.toContain("behind");
    expect(left.includes("under way")).toBe(told === "unknown");
  });
});

describe("the token of a group from a journal", () => {
  it("outlives those of others, whoever deletes old ones", () => {
    const file = join(folder(), "tokens.db");
    const session = new SqliteSession({ file, readOnly: false, durability: "normal", busyTimeoutMs: 0 });
    session.bootstrap([...sqliteDdl.bootstrap, ...sqliteDdl.createCollection("users")]);
    for (const token of ["plain", "spill:one"]) {
      session.write({ kind: "delete", collection: "users", ids: ["a"], json: [""], token }, false);
    }
    const age = (ms: number): void => {
      const direct = new Database(file);
      direct.prepare("UPDATE formdb_batches SET created_at = created_at - ?").run(ms);
      direct.close();
      session.pruneTokens(Date.now() - HOUR_MS);
    };
    age(HOUR_MS + 1_000);
    expect(session.lookUpToken("plain")).toBeUndefined();
    expect(session.lookUpToken("spill:one")).toBeDefined();
    age(JOURNALLED_TOKEN_LIFE_MS);
    expect(session.lookUpToken("spill:one")).toBeUndefined();
    session.close();
  });

  it("is marked by the processor that has the journal", async () => {
    const db = await open(url, { spill });
    await db.insert("users", { id: "a" });
    await db.close();
    const direct = new Database(join(folder(), "app.db"));
    expect(direct.prepare("SELECT substr(token, 1, 6) AS start FROM formdb_batches").all()).toEqual([
      { start: "spill:" },
    ]);
    direct.close();
  });
});

describe("a journal whose disk is full", () => {
  it("does not keep a database from closing, nor from saying what was not written", async () => {
    new SqliteJournal(spill)[Symbol.dispose]();
    const file = new Database(spill);
    // It forgets nothing, as on a full disk.
    file.exec("CREATE TRIGGER full BEFORE DELETE ON journal BEGIN SELECT RAISE(ABORT, 'full'); END");
    file.close();
    const db = await open(url, { spill });
    await db.insert("users", { id: "ada" });
    expect(await db.close()).toMatchObject({ undelivered: [], result: { successful: 1 } });
    {
      using left = new SqliteJournal(spill);
      expect((await left.replay()).length).toBe(1);
    }
    // It was applied, which its token tells.
    await using again = await open(url, { spill });
    expect(await again.flush()).toMatchObject({ successful: 0, failed: 0 });
  });
});
