import Database from "better-sqlite3";
import { sqliteFunctions } from "../../dialect/sqlite/functions.ts";
import type { DatabaseSettings } from "./database-settings.ts";

/** Opens a handle with FormDB's settings and functions. Throws better-sqlite3's own errors. */
export function openDatabase(settings: DatabaseSettings): Database.Database {
  const { file, readOnly, durability, busyTimeoutMs } = settings;
  const database = new Database(file, { readonly: readOnly, timeout: busyTimeoutMs });
  try {
    if (!readOnly) {
      database.pragma("journal_mode = WAL");
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
