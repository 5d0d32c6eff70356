import { describe, expect, it } from "vitest";
import type { FormDB } from "../../src/engine/form-db.ts";
import { open } from "../../src/engine/open.ts";
import { storeOf } from "../../src/metrics/metrics.ts";

function counts(db: FormDB): Record<string, number> {
  const { series } = storeOf(db.metrics).counter("queries_by_operation_total");
  return Object.fromEntries(
    series.flatMap(({ labelValues, value }) => (value > 0 ? [[labelValues.join(" "), value]] : [])),
  );
}

describe("what runs in a transaction", () => {
  it("is counted by what it does, beside the transaction", async () => {
    await using db = await open("sqlite::memory:");
    await db.transaction(async (tx) => {
      await tx.insert("c", { id: "1", n: 1 });
      await tx.upsert("c", { id: "2", n: 2 });
      await tx.update("c", "1", { n: 3 });
      await tx.delete("c", "2");
      await tx.get("c", "1");
      await tx.query("SELECT * FROM c WHERE n = 3");
      await tx.query("UPDATE c SET n = 4");
      await tx.query('INSERT INTO c {"id": "5"}');
    });
    expect(counts(db)).toEqual({
      "delete ok": 1,
      "get ok": 1,
      "insert ok": 2,
      "select ok": 1,
      "transaction ok": 1,
      "update ok": 2,
      "upsert ok": 1,
    });
    const shapes = db.statements().map(({ shape }) => shape);
    expect(shapes).toContainEqual(expect.stringMatching(/^SELECT \* FROM c WHERE n = /));
    expect(shapes).toContain("insert c");
  });

  it("is an error once if the transaction fails by it, and none if its function goes on", async () => {
    await using db = await open("sqlite::memory:");
    await db.insert("c", { id: "1" });
    const errors = (): number => storeOf(db.metrics).counter("errors_total").value;
    await db.transaction(async (tx) => {
      await expect(tx.update("c", "nobody", {})).rejects.toMatchObject({ code: "FORMDB_NOT_FOUND" });
    });
    expect(errors()).toBe(0);
    await expect(db.transaction((tx) => tx.query("SELECT * FROM nowhere"))).rejects.toMatchObject({
      code: "FORMDB_UNKNOWN_COLLECTION",
    });
    expect(errors()).toBe(1);
    expect(counts(db)).toMatchObject({ "update error": 1, "select error": 1, "transaction error": 1 });
  });
});
