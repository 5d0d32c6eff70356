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

const errors = (): number => storeOf(db.metrics).counter("errors_total").value;

/** By how much each of these has risen when a call has ended. */
async function rises(counts: readonly (() => number)[], call: () => Promise<unknown>): Promise<number[]> {
  const before = counts.map((read) => read());
  await call();
  return counts.map((read, i) => read() - before[i]!);
}

describe("every query of the language counts as one", () => {
  it.each([
    ["ddl", "CREATE COLLECTION c"],
    ["ddl", "CREATE INDEX byAge ON c (age)"],
    ["insert", 'INSERT INTO c {"id": "1", "age": 3}'],
    ["insert", 'INSERT INTO c {"id": "2"}, {"id": "3"}'],
    ["select", "SELECT * FROM c"],
    ["update", "UPDATE c SET age = 4"],
    ["explain", "EXPLAIN SELECT * FROM c WHERE age = 4"],
    ["introspect", "INTROSPECT COLLECTIONS"],
    ["delete", "DELETE FROM c"],
  ])("%s: %s", async (operation, text) => {
    const counts = [() => count(operation, "ok"), () => storeOf(db.metrics).counter("query_total").value];
    expect(await rises(counts, () => db.query(text))).toEqual([1, 1]);
    expect(db.statements().map(({ operation: one }) => one)).toContain(operation);
  });

  it.each([
    ["ddl", "DROP COLLECTION nowhere"],
    ["insert", 'INSERT INTO c {"id": ""}'],
    ["insert", 'INSERT INTO c {"id": "4"}, {"id": "4"}'],
    ["select", "SELECT * FROM nowhere"],
    ["explain", "EXPLAIN SELECT * FROM nowhere"],
    ["introspect", "INTROSPECT INDEXES nowhere"],
  ])("and one that fails as one error too, %s: %s", async (operation, text) => {
    const counts = [() => count(operation, "error"), errors];
    expect(await rises(counts, () => expect(db.query(text)).rejects.toThrow())).toEqual([1, 1]);
  });
});

it("one document's query whose parameters do not fit counts as one that failed", async () => {
  const counts = [() => count("select", "error"), errors];
  for (const parameters of [[], ["1", "2"], [Number.NaN]]) {
    const call = () =>
      expect(db.query("SELECT * FROM c WHERE id = $1", parameters)).rejects.toMatchObject({
        code: "FORMDB_PARAMETER_MISMATCH",
      });
    expect(await rises(counts, call)).toEqual([1, 1]);
  }
});

describe("raw SQL counts as one of its own operation", () => {
  it.each([
    ["ok", "SELECT 1"],
    ["error", "SELEC 1"],
  ])("%s: %s", async (outcome, text) => {
    const counts = ["sql", "other"].map((operation) => () => count(operation, outcome));
    expect(await rises(counts, () => db.sql(text).catch(() => {}))).toEqual([1, 0]);
  });

  it("and in a transaction too", async () => {
    const counts = ["sql", "transaction"].map((operation) => () => count(operation, "ok"));
    expect(await rises(counts, () => db.transaction((tx) => tx.sql("SELECT 1")))).toEqual([1, 1]);
  });
});

describe("a text that can't be planned counts as an error of its operation", () => {
  const misses = (reason: string): number =>
    storeOf(db.metrics).counter("cache_misses_by_reason_total").labels({ reason }).value;

  it.each([
    ["select", "SELECT * FORM c", 1],
    ["select", "select 'unterminated", 0],
    ["insert", "INSERT IN c {}", 1],
    ["ddl", "CREATE TABLE c", 1],
    ["other", "SELEC * FROM c", 1],
    ["other", "", 1],
    ["other", 5 as unknown as string, 0],
  ])("%s: %s", async (operation, text, looksUp) => {
    const counts = [() => count(operation, "error"), errors, () => misses("cold"), () => misses("invalid")];
    const call = () => expect(db.query(text)).rejects.toMatchObject({ code: "FORMDB_SYNTAX" });
    expect(await rises(counts, call)).toEqual([1, 1, 0, looksUp]);
  });

  it("and in a transaction as one error of both, told once", async () => {
    const counts = [() => count("select", "error"), () => count("transaction", "error"), errors];
    const inside = () => db.transaction((tx) => tx.query("SELECT * FORM c"));
    const call = () => expect(inside()).rejects.toMatchObject({ code: "FORMDB_SYNTAX" });
    expect(await rises(counts, call)).toEqual([1, 1, 1]);
  });

  it("and lowers no hit rate", async () => {
    const own = await open("sqlite::memory:");
    await own.createCollection("c");
    for (let i = 0; i < 10; i++) {
      await own.query("SELECT * FROM c");
      await expect(own.query("SELECT * FORM c")).rejects.toThrow("FROM");
    }
    expect(own.cache.stats()).toMatchObject({ hits: 9, missesBy: { cold: 1, invalid: 10 }, hitRate: 0.9 });
    await own.close();
  });
});
