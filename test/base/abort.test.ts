import { describe, expect, it } from "vitest";
import { untilAborted } from "../../src/base/abort.ts";

/** A source that gives 1 and 2, does `then`, and waits for ever. `left` resolves once it is told to end. */
function idleAfterTwo(then: () => void): {
  readonly source: AsyncIterable<number>;
  readonly left: Promise<void>;
} {
  const { promise: left, resolve } = Promise.withResolvers<void>();
  const gives = [1, 2];
  const iterator: AsyncIterator<number> = {
    next: async () => {
      const value = gives.shift();
      if (value !== undefined) return { value, done: false };
      then();
      return new Promise(() => {});
    },
    return: async () => {
      resolve();
      return { value: undefined, done: true };
    },
  };
  return { source: { [Symbol.asyncIterator]: () => iterator }, left };
}

async function collected(source: AsyncIterable<number>): Promise<number[]> {
  const all: number[] = [];
  for await (const one of source) all.push(one);
  return all;
}

describe("a source that is read until a signal fires", () => {
  it.each([
    ["while it is idle", (abort: () => void) => setImmediate(abort)],
    ["while it is asked", (abort: () => void) => abort()],
  ])("ends %s, and is told so", async (_, soon) => {
    const controller = new AbortController();
    const { source, left } = idleAfterTwo(() => soon(() => controller.abort()));
    expect(await collected(untilAborted(source, controller.signal))).toEqual([1, 2]);
    await left;
  });

  it("is not asked once the signal has fired", async () => {
    const { source, left } = idleAfterTwo(() => {});
    expect(await collected(untilAborted(source, AbortSignal.abort()))).toEqual([]);
    await left;
  });

  it("may give what is no promise, as it may where it is read without a signal", async () => {
    const controller = new AbortController();
    let left = false;
    const gives = [1, 2];
    const iterator = {
      next: () => ({ value: gives.shift(), done: false }),
      return: () => {
        left = true;
        return { value: undefined, done: true };
      },
    };
    const source = { [Symbol.asyncIterator]: () => iterator } as unknown as AsyncIterable<number>;
    const all: number[] = [];
    for await (const one of untilAborted(source, controller.signal)) {
      all.push(one);
      if (one === 2) controller.abort();
    }
    expect([all, left]).toEqual([[1, 2], true]);
  });

  it("gives all, and what it fails with, where none fires", async () => {
    async function* failing(): AsyncGenerator<number> {
      yield 1;
      throw new Error("no more");
    }
    const { signal } = new AbortController();
    await expect(collected(untilAborted(failing(), signal))).rejects.toThrow("no more");
    await expect(collected(untilAborted(failing(), undefined))).rejects.toThrow("no more");
  });
});
