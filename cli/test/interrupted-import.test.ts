import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { finished, runCli, Scratch, startCli, thingsIn } from "./run-cli.ts";

/** Documents of an import that is cut off: enough that it can't be over before it is noticed. */
const DOCUMENTS = Number(process.env.FORMDB_TEST_KILLED_IMPORT ?? 100_000);
const BATCH = 100;

const countOf = async (url: string): Promise<number> => (await thingsIn(url)).length;

function writeDocuments(path: string): void {
  const lines = Array.from({ length: DOCUMENTS }, (_, i) => `{"n":${i},"text":"${"x".repeat(i % 50)}"}`);
  writeFileSync(path, lines.join("\n"));
}

describe("an import that is cut off", () => {
  it("by SIGKILL leaves whole batches, and the same command again ends with every document once", async () => {
    using scratch = new Scratch();
    const file = scratch.file("in.ndjson");
    const url = scratch.file("app.db");
    const args = ["import", file, "--into", "things", "--db", url, "--batch-size", String(BATCH)];
    writeDocuments(file);
    let stored = 0;
    // Killed again until it was really in its middle: how fast it is, only the machine knows.
    for (let patienceMs = 600; stored === 0; patienceMs += 150) {
      const child = startCli(args);
      await sleep(patienceMs);
      child.kill("SIGKILL");
      await once(child, "close");
      stored = await countOf(url);
    }
    expect(stored).toBeLessThan(DOCUMENTS);
    expect(stored % BATCH).toBe(0);

    const again = await runCli(args);
    expect(again.code).toBe(0);
    const [, imported, already] = /things: ([\d ]+) imported, ([\d ]+) already there, 0 rejected/.exec(
      again.stdout,
    )!;
    expect(Number(already!.replaceAll(" ", ""))).toBe(stored);
    expect(Number(imported!.replaceAll(" ", ""))).toBe(DOCUMENTS - stored);
    expect(new Set((await thingsIn(url)).map(({ n }) => n)).size).toBe(DOCUMENTS);
    expect(await countOf(url)).toBe(DOCUMENTS);
  }, 300_000);

  it("by SIGINT stores and reports what it has read, and exits 130", async () => {
    using scratch = new Scratch();
    const url = scratch.file("app.db");
    const args = ["import", "-", "--into", "things", "--db", url];
    const child = startCli(args);
    const end = finished(child);
    // The input stays open: only the signal can end this import.
    child.stdin.write(Array.from({ length: 5_000 }, (_, i) => `{"n":${i}}\n`).join(""));
    while ((await countOf(url)) === 0) await sleep(50);
    child.kill("SIGINT");
    const run = await end;
    expect(run.code).toBe(130);
    expect(run.stderr).toContain("the same command again goes on and stores nothing twice");
    const imported = Number(/things: ([\d ]+) imported/.exec(run.stdout)?.[1]?.replaceAll(" ", ""));
    expect(imported).toBeGreaterThan(0);
    expect(await countOf(url)).toBe(imported);
  });
});
