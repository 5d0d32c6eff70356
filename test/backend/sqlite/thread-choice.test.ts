import { describe, expect, it } from "vitest";
import { MAX_CREDIT_MS, ThreadChoice, TRIAL_RUNS } from "../../../src/backend/sqlite/thread-choice.ts";

function shortRunsUntilHere(choice: ThreadChoice, name: string): number {
  let runs = 0;
  while (!choice.runsHere(name)) {
    choice.ran(name, 0.01);
    if (++runs > 10_000) break;
  }
  return runs;
}

function runShort(choice: ThreadChoice, runs: number): void {
  for (let i = 0; i < runs; i++) choice.ran("s", 0.01);
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

  it("takes a very long run after many short ones for an accident: the next trial is as short as the first", () => {
    const choice = new ThreadChoice();
    for (let i = 0; i < 4; i++) {
      expect(shortRunsUntilHere(choice, "s")).toBe(TRIAL_RUNS);
      runShort(choice, 501);
      choice.ran("s", 50);
      expect(choice.runsHere("s")).toBe(false);
    }
  });

  it("forgives long runs while short ones make up for them: a machine that stops it now and then changes nothing", () => {
    const choice = new ThreadChoice();
    shortRunsUntilHere(choice, "s");
    runShort(choice, 501);
    for (let i = 0; i < 100; i++) {
      choice.ran("s", MAX_CREDIT_MS - 1);
      expect(choice.runsHere("s")).toBe(true);
      runShort(choice, 501);
    }
  });

  it("sends a statement to the worker whose long runs take more than short ones make up for", () => {
    const choice = new ThreadChoice();
    shortRunsUntilHere(choice, "s");
    runShort(choice, 501);
    let runs = 0;
    for (; choice.runsHere("s"); runs++) {
      choice.ran("s", 10);
      if (choice.runsHere("s")) runShort(choice, 50);
    }
    expect(runs).toBe(3);
    expect(shortRunsUntilHere(choice, "s")).toBe(TRIAL_RUNS * 2);
  });

  it("lets a run on the worker that was not short undo eight that were, so that a busy machine only draws a trial out", () => {
    const choice = new ThreadChoice();
    for (let i = 0; i < 4; i++) {
      shortRunsUntilHere(choice, "s");
      choice.ran("s", 50);
    }
    let runs = 0;
    for (; !choice.runsHere("s") && runs < 1_000; runs++) choice.ran("s", runs % 20 === 19 ? 1 : 0.01);
    expect(choice.runsHere("s")).toBe(true);
    expect(runs).toBeGreaterThan(TRIAL_RUNS * 16);
  });

  it("never brings a statement that is short as often as not", () => {
    const choice = new ThreadChoice();
    for (let i = 0; i < 10_000; i++) choice.ran("s", i % 2 === 0 ? 0.01 : 1);
    expect(choice.runsHere("s")).toBe(false);
  });

  describe("where the thread's processor time is known", () => {
    let now = 0;
    let cpuMs = 0;
    let diskReads = 7;
    let readings = 0;
    const usage = {
      cpuMs: () => {
        readings++;
        return cpuMs;
      },
      diskReads: () => diskReads,
    };
    const atHome = (): ThreadChoice => {
      const choice = new ThreadChoice(usage);
      shortRunsUntilHere(choice, "s");
      return choice;
    };
    /** A run of a statement on the caller's thread. */
    const run = (choice: ThreadChoice, ms: number, took: { cpuMs: number; diskReads?: number }): void => {
      const before = choice.usedBefore(now);
      now += ms;
      cpuMs += took.cpuMs;
      diskReads += took.diskReads ?? 0;
      choice.ran("s", ms, before);
    };

    it("a run that the system has stopped counts for nothing, from the first on and however often that is", () => {
      const choice = atHome();
      for (let i = 0; i < 1_000; i++) run(choice, 50, { cpuMs: 0.1 });
      expect(choice.runsHere("s")).toBe(true);
    });

    it("a run that took the processor's time sends it to the worker", () => {
      const choice = atHome();
      run(choice, 50, { cpuMs: 49 });
      expect(choice.runsHere("s")).toBe(false);
    });

    it("so does one that waited for the disk", () => {
      const choice = atHome();
      run(choice, 50, { cpuMs: 0.1, diskReads: 3 });
      expect(choice.runsHere("s")).toBe(false);
    });

    it("is read once for the runs that begin within a millisecond", () => {
      const choice = atHome();
      const before = readings;
      for (let i = 0; i < 100; i++) run(choice, 0.05, { cpuMs: 0.05 });
      expect(readings - before).toBeGreaterThan(3);
      expect(readings - before).toBeLessThan(8);
      run(choice, 50, { cpuMs: 0.05 });
      expect(choice.runsHere("s")).toBe(true);
    });
  });

  it("knows work of this thread's by Node's own figures", () => {
    const choice = new ThreadChoice();
    shortRunsUntilHere(choice, "s");
    const before = choice.usedBefore(performance.now());
    expect(before !== undefined).toBe(typeof process.threadCpuUsage === "function");
    const used = process.threadCpuUsage ?? process.cpuUsage;
    const start = used().user;
    while (used().user - start < 50_000);
    choice.ran("s", 50, before);
    expect(choice.runsHere("s")).toBe(false);
  });

  it("learns nothing of statements without a name", () => {
    const choice = new ThreadChoice();
    for (let i = 0; i < 100; i++) choice.ran("", 0.01);
    expect(choice.runsHere("")).toBe(false);
  });
});
