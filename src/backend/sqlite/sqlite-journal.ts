import type Database from "better-sqlite3";
import type { Journal, JournalGroup, JournalOperation } from "../../base/journal.ts";
import type { WriteKind } from "../../base/observer.ts";
import { openDatabase } from "./database.ts";
import { failureOf, sqliteError } from "./errors.ts";
import { parseSqliteUrl } from "./sqlite-url.ts";

/** Settled operations are forgotten this many at a time: what is forgotten late is looked up by its token. */
const SETTLE_AT_ONCE = 1_000;

interface OperationRow {
  readonly sequence: number;
  readonly kind: WriteKind;
  readonly collection: string;
  readonly id: string;
  readonly json: string;
  readonly token: string | null;
}

/**
 * A journal of queued writes in a SQLite file of its own, for `batch: { spill }`: what it says is durable when it
 * says so. One process at a time may have it open.
 */
export class SqliteJournal implements Journal, Disposable {
  readonly #database: Database.Database;
  readonly #append: (operations: readonly JournalOperation[]) => void;
  readonly #assign: (token: string, sequences: readonly number[]) => void;
  readonly #forget: (sequences: readonly number[]) => void;
  #settled: number[] = [];

  /** Opens or makes the journal at `path`. Throws `FORMDB_CONNECT_FAILED` or `FORMDB_CONFIG`. */
  constructor(path: string) {
    const { file } = parseSqliteUrl(path);
    try {
      this.#database = openDatabase({ file, readOnly: false, durability: "full", busyTimeoutMs: 0 });
      // Held until the end: a second process would send the same operations again.
      this.#database.pragma("locking_mode = EXCLUSIVE");
      this.#database.exec(
        "CREATE TABLE IF NOT EXISTS journal (sequence INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, " +
          "collection TEXT NOT NULL, id TEXT NOT NULL, json TEXT NOT NULL, token TEXT)",
      );
    } catch (error) {
      throw sqliteError(`Opening the journal ${file}`, failureOf(error), error);
    }
    const insert = this.#database.prepare(
      "INSERT INTO journal (sequence, kind, collection, id, json) VALUES (?, ?, ?, ?, ?)",
    );
    this.#append = this.#database.transaction((operations: readonly JournalOperation[]) => {
      for (const { sequence, kind, collection, id, json } of operations)
        insert.run(sequence, kind, collection, id, json);
    });
    const mark = this.#database.prepare(
      "UPDATE journal SET token = ? WHERE sequence IN (SELECT value FROM json_each(?))",
    );
    this.#assign = (token, sequences) => {
      mark.run(token, JSON.stringify(sequences));
    };
    const remove = this.#database.prepare(
      "DELETE FROM journal WHERE sequence IN (SELECT value FROM json_each(?))",
    );
    this.#forget = (sequences) => {
      remove.run(JSON.stringify(sequences));
    };
  }

  get lastSequence(): number {
    const row = this.#database.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'journal'").get();
    return (row as { seq: number } | undefined)?.seq ?? 0;
  }

  async append(operations: readonly JournalOperation[]): Promise<void> {
    this.#run(() => this.#append(operations));
  }

  async assign(token: string, sequences: readonly number[]): Promise<void> {
    this.#run(() => this.#assign(token, sequences));
  }

  async settle(sequences: readonly number[]): Promise<void> {
    for (const sequence of sequences) this.#settled.push(sequence);
    if (this.#settled.length >= SETTLE_AT_ONCE) this.#settleNow();
  }

  async replay(): Promise<readonly JournalGroup[]> {
    const rows = this.#run(
      () => this.#database.prepare("SELECT * FROM journal ORDER BY sequence").all() as OperationRow[],
    );
    const groups: { token: string | undefined; operations: JournalOperation[] }[] = [];
    const byToken = new Map<string, JournalOperation[]>();
    for (const { token, ...operation } of rows) {
      const known = token === null ? undefined : byToken.get(token);
      if (known !== undefined) {
        known.push(operation);
        continue;
      }
      const operations = [operation];
      groups.push({ token: token ?? undefined, operations });
      if (token !== null) byToken.set(token, operations);
    }
    return groups;
  }

  /** Forgets what is settled and lets the file go. */
  [Symbol.dispose](): void {
    if (!this.#database.open) return;
    this.#settleNow();
    this.#database.close();
  }

  #settleNow(): void {
    const settled = this.#settled;
    this.#settled = [];
    if (settled.length > 0) this.#run(() => this.#forget(settled));
  }

  #run<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw sqliteError("Writing the journal", failureOf(error), error);
    }
  }
}
