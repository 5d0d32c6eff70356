import { beforeEach, describe, expect, it, vi } from "vitest";
import { FileSync } from "../../../src/backend/sqlite/file-sync.ts";
import { settle } from "../../support/manual-clock.ts";

type Done = (error: Error | null) => void;
const calls = vi.hoisted(() => ({ open: [] as Done[], descriptors: [] as number[] }));

vi.mock("node:fs", async (original) => ({
  ...(await original<object>()),
  fdatasync: (descriptor: number, done: Done) => {
    calls.descriptors.push(descriptor);
    calls.open.push(done);
  },
}));

beforeEach(() => {
  calls.open = [];
  calls.descriptors = [];
});

describe("bringing a file to its disk", () => {
  it("answers only when the system has, with one call for all that asked while another was under way", async () => {
    const file = new FileSync(7);
    let first = 0;
    let later = 0;
    for (let i = 0; i < 3; i++) void file.sync().then(() => first++);
    await settle();
    expect(calls.descriptors).toEqual([7]);
    for (let i = 0; i < 3; i++) void file.sync().then(() => later++);
    await settle();
    // What was written after the first call began needs one of its own.
    expect([calls.descriptors, first, later]).toEqual([[7], 0, 0]);
    calls.open[0]!(null);
    await settle();
    expect([calls.descriptors, first, later]).toEqual([[7, 7], 3, 0]);
    calls.open[1]!(null);
    await settle();
    expect(later).toBe(3);
  });

  it("trusts a disk no more that has failed once", async () => {
    const file = new FileSync(7);
    const failure = expect(file.sync()).rejects.toThrow("I/O error");
    await settle();
    const next = expect(file.sync()).rejects.toThrow("I/O error");
    calls.open[0]!(new Error("I/O error"));
    await failure;
    await next;
    expect(() => file.mustWork()).toThrow("I/O error");
    expect(calls.descriptors).toEqual([7]);
  });

  it("closes the file only when the system is done with it", async () => {
    const file = new FileSync(7);
    void file.sync();
    await settle();
    const closed: number[] = [];
    file.end((descriptor) => closed.push(descriptor));
    await settle();
    expect(closed).toEqual([]);
    calls.open[0]!(null);
    await settle();
    expect(closed).toEqual([7]);
  });
});
