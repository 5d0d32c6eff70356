import Database from "better-sqlite3";
import { sqliteFunctions } from "../../dialect/sqlite/functions.ts";
import type { DatabaseSettings } from "./database-settings.ts";
import { NO_WAL, refusal } from "./errors.ts";

/** Opens a handle with FormDB's settings and functions. Throws better-sqlite3's own errors. */
export function openDatabase(settings: DatabaseSettings): Database.Database {
  const { file, readOnly, durability, busyTimeoutMs } = settings;
  const database = new Database(file, { readonly: readOnly, timeout: busyTimeoutMs });
  try {
    if (!readOnly) {
      const mode = database.pragma("journal_mode = WAL", { simple: true });
      // Nothing is thrown where the file's place can't have it, such as some network drives.
      if (mode !== "wal" && file !== ":memory:") {
        throw refusal(
          NO_WAL,
          `the database must be in WAL mode, but its file's place leaves it in mode ${String(mode)}`,
        );
      }
      database.pragma(`synchronous = ${durability === "full" ? "FULL" : "NORMAL"}`);
    }
    database.pragma("temp_store = MEMORY");
    // Reading a page makes SQLite look at the file, so that a file which is no database fails here.
    database.pragma("schema_version");
    for (const { name, deterministic, fn } of sqliteFunctions) {
      database.function(name, { deterministic, directOnly: false }, fn);
    }
  } catch (error) {
    database.close();
    throw error;
  }
  return database;
}
