import { PassThrough } from "node:stream";
import type { WriteStream } from "node:tty";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { startProgress } from "../src/progress.ts";

function stream(terminal: { isTTY: boolean; columns: number }): { stream: WriteStream; text: () => string } {
  let text = "";
  const through = new PassThrough();
  through.on("data", (chunk: Buffer) => {
    text += chunk.toString("utf8");
  });
  return { stream: Object.assign(through, terminal) as unknown as WriteStream, text: () => text };
}

describe("progress", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("is a line a second where there is no terminal", () => {
    const { stream: out, text } = stream({ isTTY: false, columns: 80 });
    let read = 0;
    const progress = startProgress({ totalBytes: 1_000, bytesRead: () => read }, out);
    for (let step = 1; step <= 250; step++) {
      vi.advanceTimersByTime(10);
      read = step * 4;
      progress.update({ imported: step * 20, unchanged: 0, rejected: step > 150 ? 1 : 0 });
    }
    progress.stop();
    expect(text()).toBe("40 %, 2 000 documents, 2 000/s\n80 %, 4 000 documents, 2 000/s, 1 rejected\n");
  });

  it("has no percentage where nobody knows the end", () => {
    const { stream: out, text } = stream({ isTTY: true, columns: 80 });
    const progress = startProgress({ totalBytes: undefined, bytesRead: () => 5 }, out);
    vi.advanceTimersByTime(1_000);
    progress.update({ imported: 10, unchanged: 0, rejected: 0 });
    expect(text()).toBe("10 documents, 10.0/s\n");
  });

  it("is a bar by bytes on a terminal", () => {
    const { stream: out, text } = stream({ isTTY: true, columns: 100 });
    Object.assign(out, { cursorTo: () => true, clearLine: () => true });
    const progress = startProgress({ totalBytes: 1_000, bytesRead: () => 250 }, out);
    vi.advanceTimersByTime(1_000);
    progress.update({ imported: 1_234, unchanged: 0, rejected: 0 });
    progress.stop();
    expect(text()).toMatch(/█{10}░{30} 25 % {2}1 234 documents {2}1 234\/s {2}3 s left/);
  });
});
