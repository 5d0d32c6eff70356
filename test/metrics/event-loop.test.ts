import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { MIN_WINDOW_MS } from "../../src/metrics/event-loop.ts";
import { Metrics, storeOf } from "../../src/metrics/metrics.ts";
import { ManualClock } from "../support/manual-clock.ts";

const turn = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describe("The event loop's gauges", () => {
  test("are not there until somebody asks for them", async () => {
    const metrics = new Metrics();
    expect(metrics.exportPrometheus()).not.toContain("event_loop");
    const stop = await metrics.watchEventLoop();
    expect(metrics.exportPrometheus()).toContain("# TYPE formdb_event_loop_delay_p99_seconds gauge");
    stop();
  });

  test("show how long the loop was blocked, until a window has passed", async () => {
    const clock = new ManualClock();
    const metrics = new Metrics({ clock });
    const stop = await metrics.watchEventLoop();
    const longest = (): number => metrics.summary().values.formdb_event_loop_delay_max_seconds!;
    await turn(50);
    block(200);
    await turn(50);
    expect(longest()).toBeGreaterThan(0.1);
    await clock.advance(MIN_WINDOW_MS);
    expect(longest()).toBeGreaterThan(0.1);
    // A new window has begun, but is too short to say anything.
    expect(longest()).toBeGreaterThan(0.1);
    stop();
  });

  test("are measured once, however many ask, until the last has had enough", async () => {
    const metrics = new Metrics();
    const [first, second] = await Promise.all([metrics.watchEventLoop(), metrics.watchEventLoop()]);
    const mean = storeOf(metrics).gauge("event_loop_delay_mean_seconds");
    const isRead = (): boolean => {
      mean.set(-1);
      metrics.exportPrometheus();
      return mean.value !== -1;
    };
    expect(isRead()).toBe(true);
    first();
    first();
    expect(isRead()).toBe(true);
    second();
    expect(isRead()).toBe(false);
    const third = await metrics.watchEventLoop();
    expect(isRead()).toBe(true);
    third();
  });

  test("do not keep a process alive", () => {
    const code = `
      import { Metrics } from ${JSON.stringify(new URL("../../src/metrics/metrics.ts", import.meta.url).href)};
      await new Metrics().watchEventLoop();
      console.log("watching");`;
    const output = execFileSync(process.execPath, ["--input-type=module", "-e", code], { timeout: 30_000 });
    expect(output.toString()).toBe("watching\n");
  });
});
