import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { open } from "../../src/engine/open.ts";
import { useFolder } from "../support/hooks.ts";
import { killedAfter } from "../support/killed-process.ts";
import { startPostgres } from "../support/postgres-server.ts";

/** How often the writer is killed; a soak sets more. */
const KILLS = Number(process.env.FORMDB_KILLS ?? 6);

const folder = useFolder();
const TIMEOUT_MS = 30_000 + KILLS * 5_000;

const program = fileURLToPath(new URL("./acknowledged-writer.ts", import.meta.url));
const mixed = fileURLToPath(new URL("./mixed-writer.ts", import.meta.url));

async function checkKills(url: string): Promise<void> {
  const acknowledged: string[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    acknowledged.push(...(await killedAfter(program, [url, String(kill * 1_000_000)], 50 + kill * 37)));
  }
  const db = await open(url);
  const { rows } = await db.query("SELECT id FROM acknowledged");
  const there = rows.map(({ id }) => id as string);
  expect(new Set(there).size).toBe(there.length);
  const known = new Set(there);
  expect(acknowledged.filter((id) => !known.has(id))).toEqual([]);
  expect(acknowledged.length).toBeGreaterThanOrEqual(KILLS * 50);
  await db.close();
}

/** What belongs together is there together, and a counter is at what was acknowledged, or one more for each kill. */
async function checkMixed(url: string): Promise<void> {
  const kills = Math.ceil(KILLS / 2);
  const acknowledged: string[] = [];
  for (let kill = 0; kill < kills; kill++) {
    acknowledged.push(...(await killedAfter(mixed, [url, String(kill * 1_000_000)], 60 + kill * 41)));
  }
  await using db = await open(url);
  const known = new Set<string>();
  for (const collection of ["pairs", "singles"]) {
    for (const { id } of (await db.query(`SELECT id FROM ${collection}`)).rows) known.add(id as string);
  }
  const halves = [...known].filter((id) => {
    const other = id.endsWith("a") ? id.replace(/a$/, "b") : id.replace(/b$/, "a");
    return !id.startsWith("batch") && !known.has(other);
  });
  expect(halves).toEqual([]);
  for (const kind of ["transaction", "insert", "batch"]) {
    const told = acknowledged.filter((line) => line.startsWith(kind)).map((line) => line.replace(" ", "-"));
    expect(told.length).toBeGreaterThan(0);
    expect(told.filter((id) => !known.has(`${id}-a`) || !known.has(`${id}-b`))).toEqual([]);
  }
  for (const kind of ["changes", "updates", "found", "sql"]) {
    const told = acknowledged.filter((line) => line.startsWith(kind)).length;
    const found = await db.collection<{ id: string; n: number }>("counters").get(kind, { version: true });
    const { document, version } = found!;
    expect([kind, document.n >= told, document.n <= told + kills, version]).toEqual([
      kind,
      true,
      true,
      document.n + 1,
    ]);
  }
  expect((await db.check()).problems).toEqual([]);
}

describe("every write that a killed process had acknowledged is there, once", () => {
  it("on SQLite", () => checkKills(`sqlite:${join(folder, "killed.db")}`), TIMEOUT_MS);

  it(
    "on SQLite, whatever the calls were",
    () => checkMixed(`sqlite:${join(folder, "mixed.db")}`),
    TIMEOUT_MS,
  );

  it(
    "on PostgreSQL, whatever the calls were",
    async () => {
      const server = await startPostgres();
      try {
        await checkKills(server.url);
        await checkMixed(await server.createDatabase());
      } finally {
        await server.remove();
      }
    },
    TIMEOUT_MS,
  );
});
