import { accessSync, closeSync, constants, openSync } from "node:fs";
import { dirname } from "node:path";
import Database from "better-sqlite3";
import { sqliteAggregates, sqliteFunctions } from "../../dialect/sqlite/functions.ts";
import type { DatabaseSettings } from "./database-settings.ts";
import { FILE_REPLACED, failureOf, NO_WAL, refusal, WRONG_NODE, WRONG_PLACE } from "./errors.ts";
import { mustBeInPlace } from "./file-identity.ts";

/** The oldest Node that the driver runs in. Older ones end in a segmentation fault when it opens a database. */
const OLDEST_NODE = 22;
/**
 * Pages of 4 KiB in the log from which on a commit copies them into the file. Groups that write to the same pages of
 * indexes, as those of an import do, then have most of them copied once and not once a group (decision 0136).
 */
const CHECKPOINT_PAGES = 8_000;

/**
 * Opens a handle with FormDB's settings and functions. A new file can be read and written by its owner alone, and so
 * can the files beside it, whose modes SQLite takes from it. Throws the errors of better-sqlite3 and of the system.
 */
export function openDatabase(settings: DatabaseSettings): Database.Database {
  const { file, readOnly, durability, busyTimeoutMs } = settings;
  refuseOldNode();
  if (settings.isReplaced === true) {
    throw refusal(
      FILE_REPLACED,
      "its file or its log (-wal) was taken away while it was open. Close the database and open it again",
    );
  }
  // Else a file that was deleted would be made anew, empty.
  if (settings.identity !== undefined) mustBeInPlace(file, settings.identity);
  if (!readOnly && file !== ":memory:") makeFile(file);
  const database = new Database(file, { readonly: readOnly, timeout: busyTimeoutMs });
  try {
    if (!readOnly) {
      const mode = database.pragma("journal_mode = WAL", { simple: true });
      // Nothing is thrown in places that can't have it, such as some network drives.
      if (mode !== "wal" && file !== ":memory:") {
        throw refusal(
          NO_WAL,
          `the database must be in WAL mode, but its file's place leaves it in mode ${String(mode)}`,
        );
      }
      database.pragma(`synchronous = ${durability === "full" ? "FULL" : "NORMAL"}`);
      // With NORMAL the log is brought to the disk only then, and a power cut would take more with it.
      if (durability === "full") database.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    }
    database.pragma("temp_store = MEMORY");
    // Reading a page makes SQLite look at the file, so that a file which is no database fails here.
    database.pragma("schema_version");
    for (const { name, deterministic, fn } of sqliteFunctions) {
      database.function(name, { deterministic, directOnly: false }, fn);
    }
    for (const { name, ...aggregate } of sqliteAggregates) {
      database.aggregate(name, { ...aggregate, deterministic: true, directOnly: false });
    }
  } catch (error) {
    database.close();
    throw explained(error, settings);
  }
  return database;
}

function refuseOldNode(): void {
  const version = process.versions.node;
  if (Number.parseInt(version, 10) >= OLDEST_NODE) return;
  throw refusal(WRONG_NODE, `better-sqlite3 needs Node ${OLDEST_NODE} or later, and this is Node ${version}`);
}

/**
 * Makes the file if there is none. Only a file that was made here is closed again: closing another would drop the locks
 * that this process holds on it (https://sqlite.org/howtocorrupt.html, section 2.2).
 */
function makeFile(file: string): void {
  try {
    closeSync(openSync(file, "wx", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/** SQLite says only that it can't open a database in WAL mode if it can't make the files beside it. */
function explained(error: unknown, { file, readOnly }: DatabaseSettings): unknown {
  const about = readOnly ? /^SQLITE_(?:CANTOPEN|READONLY)/ : /^SQLITE_CANTOPEN/;
  if (!about.test(failureOf(error).sqliteCode ?? "")) return error;
  if (!may(file, constants.R_OK) || may(dirname(file), constants.W_OK)) return error;
  return refusal(
    WRONG_PLACE,
    `the database is in WAL mode, which needs two files beside it (-wal and -shm), and the folder ${dirname(file)} ` +
      `can't be written. Allow this user to write there, or take the database out of WAL mode beforehand ` +
      `(PRAGMA journal_mode = DELETE)`,
  );
}

function may(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
