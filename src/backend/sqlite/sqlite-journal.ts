import { closeSync, openSync } from "node:fs";
import type Database from "better-sqlite3";
import { type Clock, systemClock, type Timer } from "../../base/clock.ts";
import { FormDBError } from "../../base/errors.ts";
import type { Journal, JournalGroup, JournalOperation } from "../../base/journal.ts";
import type { WriteKind } from "../../base/observer.ts";
import { openDatabase } from "./database.ts";
import { failureOf, sqliteError } from "./errors.ts";
import { OpenFiles } from "./file-identity.ts";
import { FileSync } from "./file-sync.ts";
import { parseSqliteUrl } from "./sqlite-url.ts";

/** Settled operations are forgotten with the next that are written, and at the latest after this. */
export const SETTLE_WITHIN_MS = 1_000;
/** As many settled operations are forgotten at once. */
const MAX_SETTLED = 1_000;

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
 *
 * SQLite commits on the caller's thread and without waiting for the disk, which takes microseconds; its write-ahead log
 * is then brought to the disk from a thread of the system's pool, once for all who wait. So an operation is as
 * durable as with `synchronous = FULL`, and the event loop goes on meanwhile.
 */
export class SqliteJournal implements Journal, Disposable {
  readonly #database: Database.Database;
  readonly #clock: Clock;
  readonly #files: OpenFiles;
  readonly #log: FileSync;
  readonly #insert: (operations: readonly JournalOperation[]) => void;
  readonly #mark: (token: string, sequences: readonly number[]) => void;
  readonly #remove: (sequences: readonly number[]) => void;
  /** Does the work and removes what is settled, both or neither. */
  readonly #transaction: (work: () => void) => void;
  /** Settled and still in the file. */
  #settled: number[] = [];
  #timer: Timer | undefined;

  /** Opens or makes the journal at `path`. Throws `FORMDB_CONNECT_FAILED`, `FORMDB_BUSY` or `FORMDB_CONFIG`. */
  constructor(path: string, clock: Clock = systemClock) {
    const { file } = parseSqliteUrl(path);
    this.#clock = clock;
    let database: Database.Database | undefined;
    try {
      database = openDatabase({ file, readOnly: false, durability: "normal", busyTimeoutMs: 0 });
      // Held until the end: a second process would send the same operations again. Only a transaction that may write takes
      // the lock, and making the table is none where it is there.
      database.pragma("locking_mode = EXCLUSIVE");
      database.exec("BEGIN IMMEDIATE; COMMIT");
      database.exec(
        "CREATE TABLE IF NOT EXISTS journal (sequence INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, " +
          "collection TEXT NOT NULL, id TEXT NOT NULL, json TEXT NOT NULL, token TEXT)",
      );
      const insert = database.prepare(
        "INSERT INTO journal (sequence, kind, collection, id, json) VALUES (?, ?, ?, ?, ?)",
      );
      this.#insert = (operations) => {
        for (const { sequence, kind, collection, id, json } of operations)
          insert.run(sequence, kind, collection, id, json);
      };
      const mark = database.prepare(
        "UPDATE journal SET token = ? WHERE sequence IN (SELECT value FROM json_each(?))",
      );
      this.#mark = (token, sequences) => {
        mark.run(token, JSON.stringify(sequences));
      };
      const remove = database.prepare(
        "DELETE FROM journal WHERE sequence IN (SELECT value FROM json_each(?))",
      );
      this.#remove = (sequences) => {
        remove.run(JSON.stringify(sequences));
      };
      this.#files = new OpenFiles(file);
      // SQLite keeps the log open and in its place until the database is closed.
      this.#log = new FileSync(openSync(this.#files.logFile, "r+"));
    } catch (error) {
      database?.close();
      const failure = failureOf(error);
      if (failure.sqliteCode === "SQLITE_BUSY") throw takenError(file, error);
      throw sqliteError(`Opening the journal ${file}`, failure, { cause: error });
    }
    this.#database = database;
    this.#transaction = database.transaction((work: () => void) => {
      work();
      if (this.#settled.length > 0) this.#remove(this.#settled);
    });
  }

  get lastSequence(): number {
    const row = this.#database.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'journal'").get();
    return (row as { seq: number } | undefined)?.seq ?? 0;
  }

  async append(operations: readonly JournalOperation[]): Promise<void> {
    this.#commit(() => this.#insert(operations));
    try {
      await this.#durable();
    } catch (error) {
      // They are refused now, so no later start may find them.
      this.#run(() => this.#remove(operations.map(({ sequence }) => sequence)));
      throw error;
    }
  }

  async assign(token: string, sequences: readonly number[]): Promise<void> {
    this.#commit(() => this.#mark(token, sequences));
    await this.#durable();
  }

  async settle(sequences: readonly number[]): Promise<void> {
    for (const sequence of sequences) this.#settled.push(sequence);
    if (this.#settled.length >= MAX_SETTLED) this.#commit(() => {});
    else this.#timer ??= this.#clock.schedule(() => this.#onTimer(), SETTLE_WITHIN_MS, { keepAlive: false });
  }

  async forget(sequences: readonly number[]): Promise<void> {
    for (const sequence of sequences) this.#settled.push(sequence);
    // What is asked for in one tick is forgotten together; an `assign` in between takes it along.
    await undefined;
    if (this.#settled.length > 0) this.#commit(() => {});
    await this.#durable();
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

  /** Forgets what is settled and lets the file go. Nothing may be asked of it after. */
  [Symbol.dispose](): void {
    if (!this.#database.open) return;
    this.#timer?.cancel();
    try {
      this.#transaction(() => {});
    } catch {
      // The disk may be full. What was applied and is not forgotten is found by its token at the next start.
    }
    // Brings all to the disk itself.
    this.#database.close();
    this.#log.end(closeSync);
  }

  /** The list of what is settled is dropped only once the file has it. */
  #commit(work: () => void): void {
    this.#run(() => {
      this.#log.mustWork();
      this.#transaction(work);
      // The caller is told that the operations are kept only if they are in the file that the next start will find.
      this.#files.mustBeInPlace();
    });
    this.#settled = [];
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  async #durable(): Promise<void> {
    try {
      await this.#log.sync();
    } catch (error) {
      throw sqliteError("Writing the journal", failureOf(error), { cause: error, writes: true });
    }
  }

  #onTimer(): void {
    this.#timer = undefined;
    if (!this.#database.open || this.#settled.length === 0) return;
    try {
      this.#commit(() => {});
    } catch {
      // They stay in the list, and the next that is written takes them along or tells why it can't.
    }
  }

  #run<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw sqliteError("Writing the journal", failureOf(error), { cause: error, writes: true });
    }
  }
}

function takenError(file: string, cause: unknown): FormDBError {
  return new FormDBError(
    "FORMDB_BUSY",
    `The journal ${file} can't be opened: a journal is of one open database, and another has it, in this process or another`,
    { cause },
  );
}
