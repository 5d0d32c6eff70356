import { describe, expect, it, onTestFinished } from "vitest";
import type { FormDB } from "../../src/engine/form-db.ts";
import { open } from "../../src/engine/open.ts";
import { batchInsert, flush, globalProcessor, makeProcessor } from "../../src/functions/batch.ts";
import { setDefaultDatabase } from "../../src/functions/default-database.ts";
import { exportPrometheus } from "../../src/functions/metrics.ts";
import { storeOf } from "../../src/metrics/metrics.ts";

const TWICE = [{ id: "1" }, { id: "1" }];

/** What is told of a call's errors until the database is closed. */
async function errorsOf(call: (db: FormDB) => unknown) {
  const told: Error[] = [];
  const db = await open("sqlite::memory:", { onError: (error) => told.push(error) });
  await call(db);
  const { metrics } = db;
  await db.close();
  const store = storeOf(metrics);
  const unhandled = store.counter("errors_unhandled_total").value;
  return { told, unhandled, errors: store.counter("errors_total").value };
}

/** A database that is the default one until the test's end. */
async function useDefaultDatabase(): Promise<void> {
  const db = await open("sqlite::memory:");
  setDefaultDatabase(db);
  onTestFinished(async () => {
    setDefaultDatabase(undefined);
    await db.close();
  });
}

describe("a failed batch", () => {
  it("whose call returned nothing reaches onError and the metrics when the database is closed", async () => {
    expect(await errorsOf((db) => db.batch.insert("c", TWICE))).toMatchObject({
      told: [{ code: "FORMDB_DUPLICATE_ID", failed: 1 }],
      unhandled: 1,
      errors: 1,
    });
  });

  it("of the compatibility API does so too", async () => {
    const told: Error[] = [];
    await useDefaultDatabase();
    const processor = makeProcessor({ onError: (error) => told.push(error) });
    processor.insert("c", TWICE);
    processor.update("c", [{ id: "none", document: {} }]);
    processor.delete("c", [""]);
    await processor.close();
    expect(told).toMatchObject([{ failed: 3 }]);
  });

  it("that nobody awaits tells its own promise alone", async () => {
    const call = (db: FormDB): void => void db.batchInsert("c", TWICE);
    expect(await errorsOf(call)).toEqual({ told: [], unhandled: 0, errors: 1 });
  });

  it("is the caller's own business where it is awaited", async () => {
    const call = async (db: FormDB) => expect((await db.batchInsert("c", TWICE)).failed).toBe(1);
    expect(await errorsOf(call)).toEqual({ told: [], unhandled: 0, errors: 1 });
  });
});

describe("errors of writes are counted once", () => {
  it("whichever way they were made", async () => {
    const db = await open("sqlite::memory:");
    const count = (): number => storeOf(db.metrics).counter("errors_total").value;
    await db.insert("c", { id: "1" });
    await db.insert("c", { id: "1" }).catch(() => {});
    expect(count()).toBe(1);
    await db.batchInsert("c", TWICE);
    expect(count()).toBe(3);
    await db.import("c", [...TWICE, { id: "2" }]);
    expect(count()).toBe(5);
    db.batch.insert("c", TWICE);
    await db.flush();
    expect(count()).toBe(7);
    // Beyond what a result lists, too.
    const many = Array.from({ length: 1_500 }, () => ({ id: "1" }));
    expect((await db.batchInsert("c", many)).errors).toHaveLength(1_000);
    expect(count()).toBe(1_507);
    const again = await db.import("c", [{ id: "1" }, { id: "2", new: true }], { ifExists: "skip-identical" });
    expect(again).toMatchObject({ unchanged: 1, failed: 1 });
    expect(count()).toBe(1_508);
    expect(
      storeOf(db.metrics).counter("errors_by_code_total").labels({ code: "FORMDB_DUPLICATE_ID" }).value,
    ).toBe(1_508);
    await db.close();
  });
});

describe("the seed's batch functions", () => {
  it("report to the metrics of the default database", async () => {
    await useDefaultDatabase();
    batchInsert("c", TWICE);
    expect(exportPrometheus()).toMatch(/^formdb_batch_size [12]$/m);
    expect(await flush(globalProcessor)).toMatchObject({ successful: 1, failed: 1 });
    const text = exportPrometheus();
    expect(text).toContain('formdb_batch_operations_total{kind="insert",outcome="applied"} 1');
    expect(text).toContain('formdb_batch_operations_total{kind="insert",outcome="rejected"} 1');
    expect(text).toContain("\nformdb_errors_total 1\n");
    expect(text).toContain("\nformdb_batch_size 0\n");
  });
});
