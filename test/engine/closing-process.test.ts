import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { open } from "../../src/index.ts";
import { Child } from "../support/child-process.ts";
import { useFolder, usePostgres } from "../support/hooks.ts";

const program = fileURLToPath(new URL("./closing-process.ts", import.meta.url));
const folder = useFolder();
const leftBehind = useFolder();
const server = usePostgres();
let files = 0;

/** Runs the program to its end, which it must find by itself. */
async function run(url: string, how: string): Promise<string[]> {
  const child = new Child([program, url, how, how === "exit" ? leftBehind : folder]);
  await child.end();
  return child.output.split("\n").slice(0, -1);
}

/** What was acknowledged is there, and what belongs together is there together. */
async function check(url: string, lines: readonly string[]): Promise<void> {
  await using db = await open(url);
  const there = new Set((await db.query("SELECT id FROM written")).rows.map(({ id }) => id as string));
  const acknowledged = lines
    .filter((line) => line.startsWith("acknowledged "))
    .map((line) => line.split(" ")[1]!);
  expect(acknowledged.length).toBeGreaterThan(10);
  expect(acknowledged.filter((id) => !there.has(id))).toEqual([]);
  for (const id of there) {
    if (!id.startsWith("insert") && !id.endsWith("-twin"))
      expect([id, there.has(`${id}-twin`)]).toEqual([id, true]);
  }
  const counter = await db.get<{ n: number }>("c", "counter");
  const counted = lines.filter((line) => line === "counted").length;
  expect(counter!.n).toBeGreaterThanOrEqual(counted);
  expect(counter!.n).toBeLessThanOrEqual(counted + 1);
  expect((await db.check()).problems).toEqual([]);
}

describe.each(["SQLite", "PostgreSQL"])("A process with calls of every kind under way on %s", (engine) => {
  const newUrl = async (): Promise<string> =>
    engine === "SQLite" ? `sqlite:${join(folder, `${++files}.db`)}` : server.createDatabase();
  const ended = (lines: readonly string[]): string[] => lines.filter((line) => line.startsWith("ended "));
  const kinds = engine === "SQLite" ? 10 : 9;

  it.each([
    ["closes its database ends by itself, when all calls have", "close"],
    ["SIGTERM tells to close within a time ends by itself, each call with an error that says so", "term"],
  ])("that %s", async (_, how) => {
    const url = await newUrl();
    const lines = await run(url, how);
    expect(ended(lines)).toHaveLength(kinds);
    for (const line of ended(lines)) expect(line).toMatch(/ well$| FORMDB_CLOSED /);
    expect(lines.at(-1)).toBe("closed");
    await check(url, lines);
    // A process that exits in the middle of one leaves a part of it behind, which has another folder here.
    expect(readdirSync(folder).filter((name) => name.startsWith("backup"))).toEqual([]);
  });

  it("that exits at once loses nothing that it had acknowledged", async () => {
    const url = await newUrl();
    await check(url, await run(url, "exit"));
  });
});
