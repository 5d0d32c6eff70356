import { describe, expect, it } from "vitest";
import { PROVEN_RUNS, ThreadChoice, TRIAL_RUNS } from "../../../src/backend/sqlite/thread-choice.ts";

function shortRunsUntilHere(choice: ThreadChoice, name: string): number {
  let runs = 0;
  while (!choice.runsHere(name)) {
    choice.ran(name, 0.01);
    if (++runs > 10_000) break;
  }
  return runs;
}

describe("the choice of a thread", () => {
  it("brings a statement to the caller's thread after some short runs in a row", () => {
    const choice = new ThreadChoice();
    for (let i = 1; i < TRIAL_RUNS; i++) choice.ran("s", 0.01);
    choice.ran("s", 1);
    expect(choice.runsHere("s")).toBe(false);
    expect(shortRunsUntilHere(choice, "s")).toBe(TRIAL_RUNS);
  });

  it("takes twice as many each time that a statement was long on the caller's thread", () => {
    const choice = new ThreadChoice();
    const trials: number[] = [];
    for (let i = 0; i < 4; i++) {
      trials.push(shortRunsUntilHere(choice, "s"));
      choice.ran("s", 50);
      expect(choice.runsHere("s")).toBe(false);
      // Long runs on the worker hold nobody up.
      choice.ran("s", 50);
    }
    expect(trials).toEqual([TRIAL_RUNS, TRIAL_RUNS * 2, TRIAL_RUNS * 4, TRIAL_RUNS * 8]);
  });

  it("takes a long run for an accident after many that were short", () => {
    const choice = new ThreadChoice();
    for (let i = 0; i < 4; i++) {
      expect(shortRunsUntilHere(choice, "s")).toBe(TRIAL_RUNS);
      for (let run = 0; run < PROVEN_RUNS; run++) choice.ran("s", 0.01);
      choice.ran("s", 50);
      expect(choice.runsHere("s")).toBe(false);
    }
  });

  it("learns nothing of statements without a name", () => {
    const choice = new ThreadChoice();
    for (let i = 0; i < 100; i++) choice.ran("", 0.01);
    expect(choice.runsHere("")).toBe(false);
  });
});
