import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { open } from "../../src/engine/open.ts";
import { killedAfter } from "../support/child-process.ts";
import { useFolder, usePostgres } from "../support/hooks.ts";

/** How often the writer is killed; a soak sets more. */
const KILLS = Number(process.env.FORMDB_KILLS ?? 6);

const folder = useFolder();
const TIMEOUT_MS = 30_000 + KILLS * 15_000;

const program = fileURLToPath(new URL("./mixed-writer.ts", import.meta.url));

/** What belongs together is there together, and a counter is at what was acknowledged, or one more for each kill. */
async function checkKills(url: string): Promise<void> {
  const acknowledged: string[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    acknowledged.push(...(await killedAfter(program, [url, String(kill * 1_000_000)], 40 + kill * 23)));
  }
  await using db = await open(url);
  const known = new Set<string>();
  for (const collection of ["pairs", "singles"]) {
    for (const { id } of (await db.query(`SELECT id FROM ${collection}`)).rows) known.add(id as string);
  }
  const halves = [...known].filter((id) => {
    const other = id.endsWith("a") ? id.replace(/a$/, "b") : id.replace(/b$/, "a");
    return !/^(?:batch|single)/.test(id) && !known.has(other);
  });
  expect(halves).toEqual([]);
  for (const kind of ["transaction", "insert", "batch", "single"]) {
    const told = acknowledged.filter((line) => line.startsWith(kind)).map((line) => line.replace(" ", "-"));
    expect(told.length).toBeGreaterThan(0);
    expect(told.filter((id) => !known.has(`${id}-a`) || !known.has(`${id}-b`))).toEqual([]);
  }
  for (const kind of ["changes", "updates", "found", "sql"]) {
    const told = acknowledged.filter((line) => line.startsWith(kind)).length;
    const found = await db.collection<{ id: string; n: number }>("counters").get(kind, { version: true });
    const { document, version } = found!;
    expect([kind, document.n >= told, document.n <= told + KILLS, version]).toEqual([
      kind,
      true,
      true,
      document.n + 1,
    ]);
  }
  expect((await db.check()).problems).toEqual([]);
}

describe("every write that a killed process had acknowledged is there, once, whatever the calls were", () => {
  it("on SQLite", () => checkKills(`sqlite:${join(folder, "killed.db")}`), TIMEOUT_MS);

  const server = usePostgres();
  it("on PostgreSQL", () => checkKills(server.url), TIMEOUT_MS);
});
