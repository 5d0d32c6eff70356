import { join } from "node:path";
import { expect, it } from "vitest";
import { open } from "../../src/index.ts";
import { useFolder } from "../support/hooks.ts";
import { ManualClock } from "../support/manual-clock.ts";

const folder = useFolder();

it("tokens that can't be forgotten by who may only read are no error", async () => {
  const url = `sqlite:${join(folder, "read.db")}`;
  await (await open(url)).close();
  const clock = new ManualClock();
  const errors: string[] = [];
  await using db = await open(`${url}?mode=ro`, {
    clock,
    observer: { errorReported: (code) => errors.push(code) },
  });
  const { acquired } = db.stats().writer!.totals;
  await clock.advance(10 * 60_000);
  await expect.poll(() => db.stats().writer!.totals.acquired).toBe(acquired + 1);
  await expect.poll(() => db.stats().writer!.inUse).toBe(0);
  expect(errors).toEqual([]);
});
