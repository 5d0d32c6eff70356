import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type FormDB, open } from "../../src/index.ts";
import { usePostgres } from "../support/hooks.ts";

const page = readFileSync(new URL("../../docs/transactions.md", import.meta.url), "utf8");
const examples = [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code!);

/** Runs an example's code as it stands in the page, with `db`. */
async function run(code: string, db: FormDB): Promise<void> {
  const AsyncFunction = (async () => {}).constructor as new (
    ...parts: string[]
  ) => (db: FormDB) => Promise<void>;
  await new AsyncFunction("db", code)(db);
}

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

    await run(transfer, db);
    expect(await db.get("accounts", "ada")).toEqual({ id: "ada", balance: 90 });
    expect(await db.get("accounts", "grace")).toEqual({ id: "grace", balance: 15 });

    await run(counter, db);
    expect(await db.get("counters", "visits")).toEqual({ id: "visits", n: 50 });

    await run(order, db);
    await expect(run(order, db)).rejects.toThrow("sold out");
    expect((await db.query("SELECT of FROM orders")).rows).toEqual([{ of: "book" }]);
  });
});
