import type Database from "better-sqlite3";
import type { BackupProgress } from "../backend.ts";

/** Pages that are copied between two looks at whether to go on: half a megabyte as a rule. */
const PAGES_AT_ONCE = 128;

/**
 * Copies all pages of a database to an empty file by SQLite's online backup (https://sqlite.org/backup.html). What
 * `onStep` throws ends it.
 */
export async function copyPages(
  database: Database.Database,
  file: string,
  onStep: (progress: BackupProgress) => void,
): Promise<void> {
  const pageBytes = database.pragma("page_size", { simple: true }) as number;
  const report = (totalPages: number, remainingPages: number): void =>
    onStep({
      copiedBytes: (totalPages - remainingPages) * pageBytes,
      totalBytes: totalPages * pageBytes,
    });
  // One view of the database from the first page to the last. Without it SQLite begins anew each time that another handle
  // commits, and so never ends in a busy database.
  database.exec("BEGIN; SELECT 1 FROM sqlite_master");
  try {
    const { totalPages } = await database.backup(file, {
      progress: ({ totalPages, remainingPages }) => {
        report(totalPages, remainingPages);
        return PAGES_AT_ONCE;
      },
    });
    report(totalPages, 0);
  } finally {
    if (database.open && database.inTransaction) database.exec("ROLLBACK");
  }
}
