import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { open } from "../../../src/index.ts";
import { killedAfter } from "../../support/child-process.ts";
import { usePostgres } from "../../support/hooks.ts";

const COUNT = 40_000;
const CUTS = Number(process.env.FORMDB_CUTS ?? 5);
const program = fileURLToPath(new URL("./importing-process.ts", import.meta.url));

/** Several `COPY`s of one import are under way at once, each on a connection of its own. */
describe("an import into PostgreSQL", () => {
  const server = usePostgres({ settings: { log_statement: "all", log_min_messages: "log" } });

  async function stored(url: string, collection: string): Promise<Map<string, unknown>> {
    await using db = await open(url);
    const { rows } = await db.sql(`SELECT id, version, doc->'n' AS n FROM ${collection}`);
    expect(rows.filter(({ version }) => version !== 1)).toEqual([]);
    return new Map(rows.map(({ id, n }) => [id as string, n]));
  }

  test("copies on several connections at once, and still tells one document from the other", async () => {
    const url = await server.createDatabase();
    await using db = await open(url);
    await db.insert("told", { id: "7000", n: "before" });
    function* documents(): Generator<unknown> {
      for (let n = 0; n < COUNT; n++) {
        if (n === 12_345) yield { id: "refused", n: "\u0000" };
        // In a later chunk than the first of its id, which is the one that counts.
        if (n === 20_000) yield { id: "100", n: "again" };
        yield { id: String(n), n };
      }
    }
    const { errors, failed, successful, read } = await db.import("told", documents());
    expect({ read, successful, failed }).toEqual({ read: COUNT + 2, successful: COUNT - 1, failed: 3 });
    expect(errors.map(({ index, id, code }) => [index, id, code]).toSorted()).toEqual([
      [12_345, "refused", expect.any(String)],
      [20_001, "100", "FORMDB_DUPLICATE_ID"],
      [7000, "7000", "FORMDB_DUPLICATE_ID"],
    ]);
    const found = await stored(url, "told");
    expect(found.size).toBe(COUNT);
    expect([found.get("7000"), found.get("100"), found.get("39999")]).toEqual(["before", 100, 39_999]);
    const copying = server.log.match(/\[\d+\].*COPY "told"/g) ?? [];
    expect(new Set(copying.map((line) => /\[(\d+)\]/.exec(line)![1])).size).toBeGreaterThan(1);
  });

  test("whose connections are cut stores each document exactly once", async () => {
    const url = await server.createDatabase();
    await using db = await open(url, { batch: { maxRetries: 10 } });
    let cuts = 0;
    const cut = async (): Promise<void> => {
      if (cuts++ >= CUTS) return;
      await server.terminate("application_name = 'formdb'");
    };
    const documents = Array.from({ length: COUNT }, (_, n) => ({ id: String(n), n }));
    const result = await db.import("cut", documents, { onProgress: () => void cut() });
    expect(result).toMatchObject({ read: COUNT, successful: COUNT, failed: 0, errors: [] });
    expect(cuts).toBeGreaterThan(CUTS);
    expect((await stored(url, "cut")).size).toBe(COUNT);
  });

  test("of a process that is killed goes on where it was, when it is run again", async () => {
    const url = await server.createDatabase();
    for (const lines of [2, 4]) {
      const printed = await killedAfter(program, [url, String(COUNT)], lines);
      expect(printed.length).toBeGreaterThanOrEqual(lines);
    }
    await using db = await open(url);
    const before = (await stored(url, "killed")).size;
    expect(before).toBeGreaterThan(0);
    const documents = Array.from({ length: COUNT }, (_, n) => ({ id: String(n), n }));
    const result = await db.import("killed", documents, { ifExists: "skip-identical" });
    expect(result).toMatchObject({ successful: COUNT - before, unchanged: before, failed: 0 });
    expect((await stored(url, "killed")).size).toBe(COUNT);
  });
});
