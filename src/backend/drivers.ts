import { FormDBError } from "../base/errors.ts";

/** The packages that the backends are built on. They are optional: a program installs the one that it needs. */
type Driver = "better-sqlite3" | "pg";

/**
 * Loads code that imports a driver. Throws `FORMDB_CONFIG` with the command that installs it if it is missing.
 */
export async function withDriver<T>(driver: Driver, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    if (!isMissing(driver, error)) throw error;
    throw new FormDBError(
      "FORMDB_CONFIG",
      `${ENGINES[driver]} needs the package ${driver}, which is not installed: npm i ${driver}`,
      { cause: error, details: { driver } },
    );
  }
}

const ENGINES: Readonly<Record<Driver, string>> = { "better-sqlite3": "SQLite", pg: "PostgreSQL" };

function isMissing(driver: Driver, error: unknown): boolean {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === "ERR_MODULE_NOT_FOUND" && message.includes(`'${driver}'`);
}
