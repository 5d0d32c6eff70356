import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { startPostgres } from "../../test/support/postgres-server.ts";
import { finished, runCli, Scratch, startCli, thingsIn } from "./run-cli.ts";

const countOf = async (url: string): Promise<number> => (await thingsIn(url)).length;
const FIRST = 20_000;
const ALL = 40_000;

function lines(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, i) => `{"id":"${from + i}","n":${from + i}}\n`).join("");
}

it("a server that goes away ends an import with what came before it, and the same command again goes on", async () => {
  using scratch = new Scratch();
  await using server = await startPostgres();
  const rejects = scratch.file("bad.ndjson");
  const args = ["import", "-", "--into", "things", "--db", server.url, "--rejects", rejects];
  const child = startCli(args);
  const end = finished(child);
  child.stdin.on("error", () => {});
  child.stdin.write(lines(0, FIRST));
  while ((await countOf(server.url)) === 0) await sleep(20);
  await server.stop("immediate");
  child.stdin.end(lines(FIRST, ALL));
  const run = await end;
  expect(run.code).toBe(1);
  expect(run.stderr).toMatch(/formdb: the import stopped early: /);
  expect(run.stderr).toContain("the same command again goes on and stores nothing twice");
  const [, imported, rejected] = /things: ([\d ]+) imported, 0 already there, ([\d ]+) rejected/.exec(
    run.stdout,
  )!;
  expect(rejected).toBe("0");
  expect(readFileSync(rejects, "utf8")).toBe("");

  await server.start();
  const kept = await countOf(server.url);
  // What was being committed when the server went away may be there without having been acknowledged.
  expect(kept).toBeGreaterThanOrEqual(Number(imported!.replaceAll(" ", "")));
  expect(kept).toBeLessThan(ALL);
  const again = await runCli(args, { input: lines(0, ALL) });
  expect(again.code).toBe(0);
  expect(await countOf(server.url)).toBe(ALL);
}, 300_000);
