import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { bounded } from "../../src/base/abort.ts";
import { systemClock } from "../../src/base/clock.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("the system's clock", () => {
  it("waits for as long as it was told, beyond the 25 days of one timer too", () => {
    const delays = vi.spyOn(globalThis, "setTimeout");
    let fired = 0;
    systemClock.schedule(() => fired++, 60 * DAY_MS);
    vi.advanceTimersByTime(60 * DAY_MS - 1);
    expect(fired).toBe(0);
    vi.advanceTimersByTime(1);
    expect(fired).toBe(1);
    for (const [, delayMs] of delays.mock.calls) expect(delayMs).toBeLessThan(2 ** 31);
  });

  it("tells the time that its timers run by, where a test replaces them and after that", () => {
    const before = systemClock.now();
    vi.advanceTimersByTime(60 * DAY_MS);
    expect(systemClock.now() - before).toBe(60 * DAY_MS);
    vi.useRealTimers();
    const real = performance.now();
    expect(systemClock.now() - real).toBeLessThan(60_000);
    expect(systemClock.now()).toBeGreaterThanOrEqual(real);
  });

  it("never fires after Infinity, and cancels what it has begun anew", () => {
    let fired = 0;
    const endless = systemClock.schedule(() => fired++, Infinity);
    const cancelled = systemClock.schedule(() => fired++, 60 * DAY_MS);
    vi.advanceTimersByTime(50 * DAY_MS);
    cancelled.cancel();
    vi.advanceTimersByTime(50 * DAY_MS);
    expect(fired).toBe(0);
    endless.cancel();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("a bounded call", () => {
  it("has no timer for a time of Infinity", async () => {
    const signal = new AbortController().signal;
    const waiting = bounded(
      "The call",
      new Promise<number>((resolve) => setTimeout(resolve, 10, 1)),
      systemClock,
      {
        signal,
        timeoutMs: Infinity,
      },
    );
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(10);
    expect(await waiting).toBe(1);
  });

  it("is not ended early by a time that is too long for one timer", async () => {
    let ended = false;
    const call = bounded("The call", new Promise<never>(() => {}), systemClock, { timeoutMs: 2 ** 31 + 5 });
    const end = call.catch((error: unknown) => {
      ended = true;
      return error;
    });
    await vi.advanceTimersByTimeAsync(2 ** 31);
    expect(ended).toBe(false);
    await vi.advanceTimersByTimeAsync(5);
    expect(await end).toMatchObject({ code: "FORMDB_TIMEOUT" });
  });
});
