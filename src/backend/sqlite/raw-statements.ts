import type Database from "better-sqlite3";
import { StatementLru } from "../../cache/statement-lru.ts";
import type { EngineResult } from "../backend.ts";

/** What a user's own SQL gave. */
type RawResult = EngineResult & { readonly rows: unknown[][] };

/**
 * The statements of users' own SQL that one handle keeps prepared. Beside its rows a statement gives the names of its
 * columns; a whole number that a double can't hold is a BigInt.
 */
export class RawStatements {
  readonly #database: Database.Database;
  readonly #kept: StatementLru<Database.Statement>;

  constructor(database: Database.Database, maxStatements: number) {
    this.#database = database;
    this.#kept = new StatementLru(maxStatements);
  }

  prepare(text: string): Database.Statement {
    const kept = this.#kept.get(text);
    if (kept !== undefined) return kept;
    const statement = this.#database.prepare(text);
    if (statement.reader) statement.raw(true).safeIntegers(true);
    this.#kept.set(text, statement);
    return statement;
  }

  run(statement: Database.Statement, values: readonly unknown[]): RawResult {
    if (!statement.reader) {
      const { changes } = statement.run(values as unknown[]);
      return { rows: [], rowCount: statement.readonly ? 0 : changes, columns: [] };
    }
    const rows = statement.all(values as unknown[]) as unknown[][];
    for (const row of rows) {
      for (let i = 0; i < row.length; i++) {
        const value = row[i];
        if (typeof value === "bigint") row[i] = narrowed(value);
      }
    }
    // After the run, which is when SQLite notices that a table has other columns than before.
    return { rows, rowCount: rows.length, columns: statement.columns().map(({ name }) => name) };
  }

  clear(): void {
    this.#kept.clear();
  }
}

function narrowed(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
