import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FormDBError } from "../../src/base/errors.ts";
import { BatchProcessor } from "../../src/batch.ts";
import type { FormDB } from "../../src/index.ts";
import { type OpenDatabase, onEveryEngine } from "../support/every-engine.ts";

const ROUNDS = 5;

/** Documents of which many share a value: the first of each value, by their ids, and all others. */
function colliding(round: number): { readonly first: Set<string>; readonly documents: object[] } {
  const seen = new Set<number>();
  const first = new Set<string>();
  const documents = Array.from({ length: 90 }, (_, i) => {
    const id = `d${round}-${String(i).padStart(3, "0")}`;
    const mail = round * 1_000 + ((i * 37) % 50);
    if (!seen.has(mail)) first.add(id);
    seen.add(mail);
    return { id, mail };
  });
  return { first, documents };
}

describe("of documents of one batch that collide in a unique index", () => {
  onEveryEngine(firstIsStored);

  it("a database that is slow with the first takes it all the same", async () => {
    const stored = new Map<unknown, string>();
    const processor = new BatchProcessor(
      async ({ operations }) => {
        for (let i = operations[0]!.id === "0" ? 50 : 0; i > 0; i--) await undefined;
        const taken = new Map(stored);
        for (const { id, document } of operations) {
          const { mail } = document as { mail: string };
          if (taken.has(mail)) throw new FormDBError("FORMDB_CONSTRAINT", `${mail} is taken`);
          taken.set(mail, id);
        }
        for (const [mail, id] of taken) stored.set(mail, id);
      },
      { concurrency: 4 },
    );
    const documents = Array.from({ length: 8 }, (_, i) => ({ id: String(i), mail: "a" }));
    const { errors } = await processor.submitAll("insert", "users", documents);
    expect(errors.map(({ id }) => id)).toEqual(["1", "2", "3", "4", "5", "6", "7"]);
    await processor.close();
  });
});

function firstIsStored(openDatabase: OpenDatabase): void {
  let db: FormDB;
  beforeAll(async () => {
    db = await openDatabase();
    await db.createCollection("users");
    await db.createIndex("users", "mail", { unique: true });
  });
  afterAll(() => db?.close());

  it("the first by its id is stored", async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const { first, documents } = colliding(round);
      const { errors } = await db.batchInsert("users", documents);
      expect(errors.every(({ code }) => code === "FORMDB_CONSTRAINT")).toBe(true);
      const { rows } = await db.query<{ id: string }>("SELECT id FROM users WHERE mail >= $1 ORDER BY id", [
        round * 1_000,
      ]);
      expect([round, rows.map(({ id }) => id)]).toEqual([round, [...first].sort()]);
    }
  });
}
