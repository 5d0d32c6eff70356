import { describe, expect, it } from "vitest";
import { finished, runCli, saidBy, startCli } from "./run-cli.ts";

describe("formdb demo", () => {
  it("imports every city, measures each part on them and says what to do next", async () => {
    const run = await runCli(["demo", "--measure-ms", "100"]);
    expect(run.code).toBe(0);
    expect(run.stdout).toContain("171 075 imported, 0 failed");
    const lines = run.stdout.split("\n").filter((line) => line.includes("│"));
    expect(lines.slice(1).map((line) => line.split("│")[1]?.trim())).toEqual([
      "by hand",
      "plan cache off",
      "plan cache on",
      "by hand",
      "one at a time",
      "by hand",
      "one each",
      "by hand",
      "calls of 100",
      "by hand",
      "pool of 1",
      "pool of 4",
      "by hand",
      "8 callers",
    ]);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
    for (const line of lines.slice(1)) {
      const [rate, times, p50, p99] = line
        .split("│")
        .slice(2, 6)
        .map((cell) => Number(cell.replaceAll(" ", "")));
      expect(rate).toBeGreaterThan(0);
      // A machine that is busy with other things may well print 0.00.
      expect(times).toBeGreaterThanOrEqual(0);
      expect(p50).toBeGreaterThan(0);
      expect(p99).toBeGreaterThanOrEqual(p50!);
    }
    const [off, on] = lines.slice(2, 4).map((line) => Number.parseFloat(line.split("│")[6]!));
    expect(off).toBe(0);
    expect(on).toBeGreaterThan(90);
    expect(run.stdout).toContain("--metrics-port");
  });
});

it("formdb demo --serve has the live page from the beginning, moves its figures, and ends in order", async () => {
  const child = startCli(["demo", "--serve", "0"]);
  const ended = finished(child);
  const url = (await saidBy(child, /The live page: (\S+)\n/))[1]!;
  expect(await (await fetch(url)).text()).toContain("<!doctype html>");
  const top = startCli(["top", url]);
  await saidBy(top, /queries\/s=\d{3,}/);
  top.kill();
  child.kill("SIGINT");
  const { code, stdout } = await ended;
  expect(code).toBe(130);
  expect(stdout).toContain("171 075 imported, 0 failed");
});
