import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { open } from "../../src/engine/open.ts";
import { startPostgres } from "../support/postgres-server.ts";

/** How often the writer is killed; a soak sets more. */
const KILLS = Number(process.env.FORMDB_KILLS ?? 6);

const folder = mkdtempSync(join(tmpdir(), "formdb-killed-"));
const TIMEOUT_MS = 30_000 + KILLS * 5_000;
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const program = fileURLToPath(new URL("./acknowledged-writer.ts", import.meta.url));

/** Runs the writer until it has acknowledged so many writes, then kills it. Gives what it had acknowledged. */
function killedAfter(url: string, firstId: number, acknowledged: number): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, url, String(firstId)], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    let errors = "";
    child.stdout.on("data", (data: Buffer) => {
      output += data.toString();
      if (output.split("\n").length > acknowledged) child.kill("SIGKILL");
    });
    child.stderr.on("data", (data: Buffer) => {
      errors += data.toString();
    });
    child.on("close", (_code, signal) => {
      if (signal !== "SIGKILL") reject(new Error(`the writer ended by itself: ${errors}`));
      // The last line may be cut in the middle by the kill.
      else resolve(output.split("\n").slice(0, -1));
    });
  });
}

async function checkKills(url: string): Promise<void> {
  const acknowledged: string[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    acknowledged.push(...(await killedAfter(url, kill * 1_000_000, 50 + kill * 37)));
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
