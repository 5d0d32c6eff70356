import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FormDB } from "../../src/engine/form-db.ts";
import { open } from "../../src/engine/open.ts";
import { storeOf } from "../../src/metrics/metrics.ts";

let db: FormDB;
beforeAll(async () => {
  db = await open("sqlite::memory:");
});
afterAll(() => db.close());

function count(operation: string, outcome: string): number {
  return storeOf(db.metrics).counter("queries_by_operation_total").labels({ operation, outcome }).value;
}

describe("every query of the language counts as one", () => {
  it.each([
    ["ddl", "CREATE COLLECTION c"],
    ["ddl", "CREATE INDEX byAge ON c (age)"],
    ["insert", 'INSERT INTO c {"id": "1", "age": 3}'],
    ["select", "SELECT * FROM c"],
    ["update", "UPDATE c SET age = 4"],
    ["explain", "EXPLAIN SELECT * FROM c WHERE age = 4"],
    ["introspect", "INTROSPECT COLLECTIONS"],
    ["delete", "DELETE FROM c"],
  ])("%s: %s", async (operation, text) => {
    const before = [count(operation, "ok"), storeOf(db.metrics).counter("query_total").value];
    await db.query(text);
    const after = [count(operation, "ok"), storeOf(db.metrics).counter("query_total").value];
    expect(after).toEqual(before.map((n) => n + 1));
    expect(db.statements().map(({ operation: one }) => one)).toContain(operation);
  });

  it.each([
    ["ddl", "DROP COLLECTION nowhere"],
    ["insert", 'INSERT INTO c {"id": ""}'],
    ["select", "SELECT * FROM nowhere"],
    ["explain", "EXPLAIN SELECT * FROM nowhere"],
    ["introspect", "INTROSPECT INDEXES nowhere"],
  ])("and one that fails as one error too, %s: %s", async (operation, text) => {
    const before = [count(operation, "error"), storeOf(db.metrics).counter("errors_total").value];
    await expect(db.query(text)).rejects.toThrow();
    const after = [count(operation, "error"), storeOf(db.metrics).counter("errors_total").value];
    expect(after).toEqual(before.map((n) => n + 1));
  });
});
