import { describe, expect, it } from "vitest";
import type { FormDBError } from "../../src/base/errors.ts";
import type { Coalesce } from "../../src/batch/group.ts";
import type { Json, JsonObject } from "../../src/batch/merge-patch.ts";
import { type FormDB, open } from "../../src/index.ts";
import { Random } from "../support/random.ts";

const ROUNDS = Number(process.env.FORMDB_SOAK_ROUNDS ?? 150);
const IDS = ["1", "2", "3"];

type Write = (db: FormDB) => Promise<unknown>;

function value(random: Random, depth: number): Json {
  const choice = random.below(depth > 2 ? 4 : 7);
  if (choice < 4) return [null, 1, "x", [null]][choice]!;
  return object(random, depth + 1);
}

function object(random: Random, depth = 0): JsonObject {
  return Object.fromEntries(
    random.some(0, 3, () => [random.pick(["a", "b", "c"]), value(random, depth)] as const),
  );
}

function write(random: Random): Write {
  const id = random.pick(IDS);
  const document = object(random);
  switch (random.below(6)) {
    case 0:
      return (db) => db.insert("c", { ...document, id });
    case 1:
      return (db) => db.upsert("c", { ...document, id });
    case 2:
      return (db) => db.delete("c", id);
    default:
      return (db) => db.update("c", id, document);
  }
}

async function outcomes(db: FormDB, writes: readonly Write[]): Promise<unknown[]> {
  const ended = await Promise.allSettled(writes.map((write) => write(db)));
  return ended.map((end) => (end.status === "fulfilled" ? end.value : (end.reason as FormDBError).code));
}

describe("writes of few ids, all at once, on SQLite", () => {
  for (const coalesce of ["additive", "all"] satisfies Coalesce[]) {
    it(`end with coalesce "${coalesce}" as they end one by one`, async () => {
      const random = new Random(43);
      await using one = await open("sqlite::memory:", { batch: { coalesce: "none" } });
      await using other = await open("sqlite::memory:", { batch: { coalesce } });
      await Promise.all([one.createCollection("c"), other.createCollection("c")]);
      for (let round = 0; round < ROUNDS; round++) {
        const writes = random.some(2, 25, () => write(random));
        expect([round, await outcomes(other, writes)]).toEqual([round, await outcomes(one, writes)]);
        for (const id of IDS)
          expect([round, await other.get("c", id)]).toEqual([round, await one.get("c", id)]);
      }
      expect(one.batch.stats().coalesced).toBe(0);
      expect(other.batch.stats().coalesced).toBeGreaterThan(ROUNDS);
      expect(other.batch.stats().flushes).toBeLessThan(one.batch.stats().flushes);
    });
  }
});
