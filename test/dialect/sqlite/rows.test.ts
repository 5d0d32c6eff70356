import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { sqliteDdl } from "../../../src/dialect/sqlite/ddl.ts";
import * as rows from "../../../src/dialect/sqlite/rows.ts";

describe("statements on documents in SQLite", () => {
  it("name a collection and nothing else, whatever its name holds", () => {
    const name = `users" WHERE 0 UNION SELECT 'stolen', 1 --`;
    const database = new Database(":memory:");
    database.exec("CREATE TABLE users (doc, updated_at)");
    expect(() => database.prepare(rows.getRow(name))).toThrow("no such table");
    for (const text of sqliteDdl.createCollection(name)) database.exec(text);
    const statements = [
      rows.insertRow,
      rows.insertRows,
      rows.upsertRow,
      rows.upsertRows,
      rows.updateRow,
      rows.deleteRow,
      rows.getRow,
      rows.getManyRows,
    ];
    for (const statement of statements) expect(() => database.prepare(statement(name))).not.toThrow();
    expect(database.prepare(rows.getRow(name)).all("a")).toEqual([]);
    database.close();
  });
});
