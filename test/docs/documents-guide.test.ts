import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type FormDB, open } from "../../src/index.ts";
import { usePostgres } from "../support/hooks.ts";
import { examplesOf, runExample } from "../support/page-examples.ts";

describe("the examples of the pages on documents do what they say", () => {
  const server = usePostgres();

  /** What the examples of a page give, one after the other. */
  async function resultsOf(page: string, db: FormDB): Promise<unknown[]> {
    const results: unknown[] = [];
    for (const example of examplesOf(page)) results.push(await runExample(example, db));
    return results;
  }

  const openOn = async (engine: string): Promise<FormDB> =>
    open(engine === "SQLite" ? "sqlite::memory:" : await server.createDatabase());

  it.each(["SQLite", "PostgreSQL"])("documents.md on %s", async (engine) => {
    await using db = await openOn(engine);
    expect(await resultsOf("documents.md", db)).toEqual([
      [
        { name: "Grace", age: 45 },
        { name: "Ada", age: 36 },
      ],
      ["2"],
      ["Linus", "Ada", "Grace"],
      { id: "1", name: "Ada", age: 37, tags: ["math", "poetry"], address: { city: "Oslo" } },
      {
        version: 2,
        document: { id: "2", name: "Grace", age: 46, city: "New York", tags: ["navy", "math"] },
      },
      { id: "b", state: "taken", at: 1 },
    ]);
  });

  it.each(["SQLite", "PostgreSQL"])("migrating.md on %s", async (engine) => {
    await using db = await openOn(engine);
    expect(await resultsOf("migrating.md", db)).toEqual([
      [{ id: "1", name: "Ada", age: 37, tags: ["a", "b"] }],
      [{ id: "3", city: "Oslo", age: 50 }],
      {
        successful: 1,
        failed: 0,
        errors: [],
        found: { id: "7", name: "Ada", tags: ["math"], email: "ada@x.org" },
      },
    ]);
  });

  it.each(["SQLite", "PostgreSQL"])(
    "indexes.md on %s: each condition of its table uses the index that it says",
    async (engine) => {
      await using db = await openOn(engine);
      const [indexes, explained] = (await resultsOf("indexes.md", db)) as [{ name: string }[], unknown];
      expect(indexes.map(({ name }) => name).toSorted()).toEqual([
        "by_age",
        "by_city_and_age",
        "by_email",
        "by_groups_each",
        "by_lower_name",
        "by_name",
        "by_pets_each_name",
      ]);
      expect(explained).toEqual({
        cost: "indexed",
        conditions: [{ text: "city = …", index: "by_city_and_age" }, { text: "tags CONTAINS …" }],
      });
      const page = readFileSync(new URL("../../docs/indexes.md", import.meta.url), "utf8");
      const rows = [...page.matchAll(/^\| `(.+)` \| (.+) \|$/gm)];
      expect(rows.length).toBeGreaterThan(13);
      for (const [, condition, index] of rows) {
        const { cost, indexes: used } = await db.explain(`SELECT name FROM people WHERE ${condition}`);
        const said = index!.replace(", for its first half", "");
        expect({ condition, used: used.length === 0 ? "none" : used.join(", ") }).toEqual({
          condition,
          used: said,
        });
        expect(cost === "scan").toBe(said === "none");
      }
    },
  );
});
