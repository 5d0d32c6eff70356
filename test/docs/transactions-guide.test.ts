import { describe, expect, it } from "vitest";
import { open } from "../../src/index.ts";
import { usePostgres } from "../support/hooks.ts";
import { examplesOf, runExample } from "../support/page-examples.ts";

const examples = examplesOf("transactions.md");

describe("the examples of docs/transactions.md do what it says", () => {
  const server = usePostgres();

  it.each(["SQLite", "PostgreSQL"])("on %s", async (engine) => {
    await using db = await open(engine === "SQLite" ? "sqlite::memory:" : server.url);
    await db.batchInsert("accounts", [
      { id: "ada", balance: 100 },
      { id: "grace", balance: 5 },
    ]);
    await db.insert("stock", { id: "book", left: 1 });
    expect(examples).toHaveLength(3);
    const [transfer, counter, order] = examples as [string, string, string];

    await runExample(transfer, db);
    expect(await db.get("accounts", "ada")).toEqual({ id: "ada", balance: 90 });
    expect(await db.get("accounts", "grace")).toEqual({ id: "grace", balance: 15 });

    await runExample(counter, db);
    expect(await db.get("counters", "visits")).toEqual({ id: "visits", n: 50 });

    await runExample(order, db);
    await expect(runExample(order, db)).rejects.toThrow("sold out");
    expect((await db.query("SELECT of FROM orders")).rows).toEqual([{ of: "book" }]);
  });
});
