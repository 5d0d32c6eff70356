import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { open } from "../../src/engine/open.ts";
import { killedAfter } from "../support/killed-process.ts";
import { startPostgres } from "../support/postgres-server.ts";

/** How often the writer is killed; a soak sets more. */
const KILLS = Number(process.env.FORMDB_KILLS ?? 6);

const folder = mkdtempSync(join(tmpdir(), "formdb-killed-"));
const TIMEOUT_MS = 30_000 + KILLS * 5_000;
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const program = fileURLToPath(new URL("./acknowledged-writer.ts", import.meta.url));

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

describe("every write that a killed process had acknowledged is there, once", () => {
  it("on SQLite", () => checkKills(`sqlite:${join(folder, "killed.db")}`), TIMEOUT_MS);

  it(
    "on PostgreSQL",
    async () => {
      const server = await startPostgres();
      try {
        await checkKills(server.url);
      } finally {
        await server.remove();
      }
    },
    TIMEOUT_MS,
  );
});
