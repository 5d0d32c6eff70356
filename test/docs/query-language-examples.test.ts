import { readFileSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Row } from "../../src/base/document.ts";
import { type FormDB, FormDBError, open } from "../../src/index.ts";
import { type Example, type ExampleStep, readExamples } from "../query/read-examples.ts";
import { usePostgres } from "../support/hooks.ts";
import { postgresVersions } from "../support/postgres-server.ts";

const markdown = readFileSync(new URL("../../docs/query-language.md", import.meta.url), "utf8");
const examples = readExamples(markdown);

describe("SQLite answers the examples of docs/query-language.md as it says:", () => {
  answersExamples(() => open("sqlite::memory:"));
});

describe.each(postgresVersions())(
  "PostgreSQL (%s) answers the examples of docs/query-language.md as it says:",
  (version) => {
    const server = usePostgres({ version });

    answersExamples(() => open(server.url));
  },
);

/** The database must be of the test's own: all collections in it are dropped. */
function answersExamples(openDatabase: () => Promise<FormDB>): void {
  let db: FormDB;

  beforeAll(async () => {
    db = await openDatabase();
  });
  afterAll(() => db?.close());
  beforeEach(async () => {
    for (const collection of await db.listCollections()) await db.dropCollection(collection);
  });

  it.each(examples.map((example): [string, Example] => [example.title, example]))(
    "%s",
    async (_, { given, steps }) => {
      for (const [collection, documents] of Object.entries(given)) {
        await db.createCollection(collection);
        expect(await db.batchInsert(collection, documents)).toMatchObject({ failed: 0 });
      }
      for (const step of steps) await check(step);
    },
  );

  async function check({ query, params, rows, ordered, error }: ExampleStep): Promise<void> {
    const found = await db.query(query, params).then(
      (result) => result.rows,
      (reason: unknown) => {
        if (reason instanceof FormDBError && error !== undefined) return reason.code;
        throw reason;
      },
    );
    if (error !== undefined) expect(found, query).toBe(error);
    else if (rows !== undefined)
      expect(inOrder(found as readonly Row[], ordered), query).toEqual(inOrder(rows, ordered));
  }
}

/** Rows whose order does not count, in an order of their own. */
function inOrder(rows: readonly Row[], ordered: boolean): readonly Row[] {
  const text = (row: Row): string => JSON.stringify(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)));
  return ordered ? rows : rows.toSorted((a, b) => (text(a) < text(b) ? -1 : 1));
}
