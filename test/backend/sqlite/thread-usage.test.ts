import { expect, it } from "vitest";
import { ownTime } from "../../../src/backend/sqlite/thread-usage.ts";

let nowMs = 0;
let cpuMs = 0;
let diskReads = 5;
const stopwatch = ownTime({ cpuMs: () => cpuMs, diskReads: () => diskReads }, () => {
  const start = nowMs;
  return () => nowMs - start;
});

it("a run's own time leaves out what the system gave to others, and not what a disk took", () => {
  const stopped = stopwatch();
  nowMs += 40;
  cpuMs += 0.1;
  expect(stopped()).toBeCloseTo(0.1);
  const busy = stopwatch();
  nowMs += 40;
  cpuMs += 39;
  expect(busy()).toBeCloseTo(39);
  const reading = stopwatch();
  nowMs += 40;
  cpuMs += 0.1;
  diskReads++;
  expect(reading()).toBeCloseTo(40);
});
