import { describe, expect, it } from "vitest";
import { FormDBError } from "../../src/base/errors.ts";
import { BatchProcessor } from "../../src/batch/batch-processor.ts";
import { classify } from "../../src/batch/classify.ts";
import type { BatchGroup, OperationResult } from "../../src/batch/group.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { Random } from "../support/random.ts";

const docs = (count: number): { id: string; bad?: true }[] =>
  Array.from({ length: count }, (_, i) => ({ id: String(i).padStart(6, "0") }));

describe("a group that fails", () => {
  it("is parted until the bad operations are alone, in O(k log n) sendings", async () => {
    const random = new Random(7);
    for (const [n, k] of [
      [128, 1],
      [1_000, 1],
      [1_000, 5],
      [1_000, 30],
      [512, 512],
    ] as const) {
      const documents = docs(n);
      const bad = new Set<number>();
      while (bad.size < k) bad.add(random.below(n));
      for (const index of bad) documents[index]!.bad = true;
      let sent = 0;
      const tokens = new Set<string>();
      const processor = new BatchProcessor(
        async ({ operations, token }) => {
          sent++;
          tokens.add(token!);
          if (operations.some(({ json }) => json.includes("bad")))
            throw Object.assign(new Error("bad row"), { code: "23514" });
        },
        { maxBatchSize: n, maxErrors: n },
      );
      const result = await processor.submitAll("insert", "c", documents);
      expect(result.successful).toBe(n - k);
      expect(result.errors.map(({ index }) => index)).toEqual([...bad].sort((a, b) => a - b));
      for (const error of result.errors)
        expect(error).toMatchObject({ code: "FORMDB_CONSTRAINT", outcome: "rejected", error: "bad row" });
      // Every bad one is at the end of a path from the root, and each part on it has one sibling.
      expect(sent).toBeLessThanOrEqual(1 + 2 * k * Math.ceil(Math.log2(n)));
      expect(tokens.size).toBe(sent);
    }
  });

  it("for the statement's fault fails as a whole, at once, with the engine's message", async () => {
    let sent = 0;
    const processor = new BatchProcessor(async () => {
      sent++;
      throw Object.assign(new Error('column "x" does not exist'), { code: "42703" });
    });
    const result = await processor.submitAll("insert", "c", docs(20));
    expect(sent).toBe(1);
    expect(result).toMatchObject({ successful: 0, failed: 20 });
    expect(result.errors[3]).toEqual({
      index: 3,
      id: "000003",
      code: "FORMDB_ENGINE",
      error: 'column "x" does not exist',
      attempts: 1,
      outcome: "rejected",
    });
  });

  it("for a passing reason is sent again after full-jitter pauses, with the same token", async () => {
    const clock = new ManualClock();
    const sent: [ms: number, token: string | undefined, attempt: number][] = [];
    const processor = new BatchProcessor(
      async ({ token, attempt }) => {
        sent.push([clock.now(), token, attempt]);
        if (sent.length < 4) throw new FormDBError("FORMDB_BUSY", "busy");
      },
      { clock, random: () => 0.5, backoff: { baseMs: 100, maxMs: 300 } },
    );
    const result = processor.submitAll("insert", "c", docs(2));
    await clock.advance(1_000);
    expect(await result).toEqual({ successful: 2, failed: 0, errors: [] });
    expect(sent.map(([ms]) => ms)).toEqual([0, 50, 150, 300]);
    expect(new Set(sent.map(([, token]) => token)).size).toBe(1);
    expect(sent.map(([, , attempt]) => attempt)).toEqual([1, 2, 3, 4]);
  });

  it("is given up after maxRetries, and at once without retryOnFailure", async () => {
    for (const [options, attempts] of [
      [{ maxRetries: 2 }, 3],
      [{ retryOnFailure: false }, 1],
    ] as const) {
      const clock = new ManualClock();
      const execute = async (): Promise<void> => {
        throw new FormDBError("FORMDB_SERIALIZATION", "again");
      };
      const processor = new BatchProcessor(execute, { ...options, clock });
      const result = processor.submitAll("insert", "c", docs(1));
      await clock.advance(60_000);
      expect((await result).errors).toEqual([
        {
          index: 0,
          id: "000000",
          code: "FORMDB_SERIALIZATION",
          error: "again",
          attempts,
          outcome: "rejected",
        },
      ]);
    }
  });

  it("starves nobody: others go on while it pauses, but not those of its ids", async () => {
    const clock = new ManualClock();
    const applied: string[] = [];
    let failures = 1;
    const processor = new BatchProcessor(
      async ({ kind, operations }) => {
        if (operations.some(({ id }) => id === "poison") && failures-- > 0)
          throw new FormDBError("FORMDB_BUSY", "busy");
        applied.push(...operations.map(({ id }) => `${kind} ${id}`));
      },
      { clock, random: () => 1, backoff: { baseMs: 1_000 } },
    );
    processor.insert("c", { id: "poison" });
    await clock.advance(1);
    processor.delete("c", ["poison"]);
    processor.insert("c", { id: "other" });
    await clock.advance(1);
    expect(applied).toEqual(["insert other"]);
    await clock.advance(1_000);
    expect(applied).toEqual(["insert other", "insert poison", "delete poison"]);
  });

  it("at an unknown commit is never sent again without a look-up", async () => {
    let sent = 0;
    const processor = new BatchProcessor(async () => {
      sent++;
      throw Object.assign(new Error("reset"), { code: "ECONNRESET" });
    });
    const { errors } = await processor.submitAll("insert", "c", docs(2));
    expect(sent).toBe(1);
    expect(errors.map(({ outcome, code }) => [outcome, code])).toEqual(
      Array(2).fill(["unknown", "FORMDB_CONNECTION_LOST"]),
    );
    await expect(processor.submit("insert", "c", undefined, {})).rejects.toMatchObject({
      outcome: "unknown",
    });
  });

  it("at an unknown commit takes the results that its token has", async () => {
    const duplicate = new FormDBError("FORMDB_DUPLICATE_ID", "taken");
    let token: string | undefined;
    const processor = new BatchProcessor(
      async (group) => {
        token = group.token;
        throw Object.assign(new Error("shutting down"), { code: "57P01" });
      },
      { lookUpToken: async (asked) => (asked === token ? [{}, { error: duplicate }] : undefined) },
    );
    expect(await processor.submitAll("insert", "c", docs(2))).toMatchObject({ successful: 1, failed: 1 });
  });

  it("at an unknown commit that was none, and may not be sent again, is rejected, and its error says so", async () => {
    const lost = new FormDBError("FORMDB_CONNECTION_LOST", "lost", { details: { outcome: "unknown" } });
    const processor = new BatchProcessor(() => Promise.reject(lost), {
      lookUpToken: async () => undefined,
      retryOnFailure: false,
    });
    await expect(processor.submit("insert", "c", undefined, {})).rejects.toMatchObject({
      code: "FORMDB_CONNECTION_LOST",
      outcome: "rejected",
      cause: lost,
    });
    expect((await processor.flush()).errors).toMatchObject([{ outcome: "rejected" }]);
  });

  it("that was parted sends an aborted operation no more", async () => {
    const clock = new ManualClock();
    const abort = new AbortController();
    const groups: BatchGroup[] = [];
    const processor = new BatchProcessor(
      async (group) => {
        groups.push(group);
        if (groups.length === 1) throw new FormDBError("FORMDB_BUSY", "busy");
      },
      { clock },
    );
    const first = processor.submit("insert", "c", undefined, { id: "1" }, { signal: abort.signal });
    const second = processor.submit("insert", "c", undefined, { id: "2" });
    const refused = expect(first).rejects.toMatchObject({ code: "FORMDB_ABORTED", outcome: "rejected" });
    await clock.advance(0);
    abort.abort();
    await clock.advance(5_000);
    await refused;
    expect(await second).toEqual({ id: "2" });
    expect(groups.map(({ operations }) => operations.map(({ id }) => id))).toEqual([["1", "2"], ["2"]]);
    expect(groups[0]!.token).not.toBe(groups[1]!.token);
  });

  it("is unknown when execute answers with the wrong number of results", async () => {
    const processor = new BatchProcessor(async () => [{}, {}, {}]);
    expect((await processor.submitAll("insert", "c", docs(2))).errors[0]).toMatchObject({
      code: "FORMDB_CONFIG",
      outcome: "unknown",
    });
  });
});

describe("the class of a failure", () => {
  it("follows the table of codes", () => {
    for (const [code, wanted] of [
      ["40001", "transient"],
      ["40P01", "transient"],
      ["55P03", "transient"],
      ["53300", "transient"],
      ["57P03", "transient"],
      ["OC000", "transient"],
      ["SQLITE_BUSY", "transient"],
      ["SQLITE_LOCKED_SHAREDCACHE", "transient"],
      ["ECONNREFUSED", "transient"],
      ["08006", "unknown"],
      ["57P01", "unknown"],
      ["57P02", "unknown"],
      ["40003", "unknown"],
      ["ECONNRESET", "unknown"],
      ["22P02", "data"],
      ["23505", "data"],
      ["44000", "data"],
      ["21000", "data"],
      ["SQLITE_CONSTRAINT_CHECK", "data"],
      ["42703", "statement"],
      ["0A000", "statement"],
      [undefined, "statement"],
    ] as const) {
      expect([code, classify(Object.assign(new Error("x"), { code }))]).toEqual([code, wanted]);
      expect([
        code,
        classify(new Error("outer", { cause: Object.assign(new Error("x"), { code }) })),
      ]).toEqual([code, wanted]);
    }
    expect(
      classify(new FormDBError("FORMDB_CONNECTION_LOST", "x", { details: { outcome: "rejected" } })),
    ).toBe("transient");
    expect(classify(new FormDBError("FORMDB_TIMEOUT", "x"))).toBe("unknown");
    expect(classify(new FormDBError("FORMDB_UNKNOWN_COLLECTION", "x"))).toBe("statement");
  });
});

describe("the results of a group", () => {
  it("may say by null that there is no error", async () => {
    const none = { error: null } as unknown as OperationResult;
    const processor = new BatchProcessor(async ({ operations }) => operations.map(() => none));
    const result = await processor.submitAll("insert", "c", docs(2));
    expect(result).toEqual({ successful: 2, failed: 0, errors: [] });
  });

  it("may have any error, which is told by the code that it stands for", async () => {
    const error = Object.assign(new Error("bad row"), { code: "23514" }) as unknown as FormDBError;
    const processor = new BatchProcessor(async () => [{}, { error }]);
    expect((await processor.submitAll("insert", "c", docs(2))).errors).toMatchObject([
      { index: 1, code: "FORMDB_CONSTRAINT", error: "bad row", outcome: "rejected" },
    ]);
  });

  it("that can't be read are told once for each operation", async () => {
    const unreadable = {
      get error(): never {
        throw new Error("no result");
      },
    };
    const processor = new BatchProcessor(async () => [{}, unreadable]);
    const call = processor.submitAll("insert", "c", docs(2));
    expect(await processor.flush()).toMatchObject({
      successful: 1,
      failed: 1,
      errors: [{ index: 1, outcome: "unknown" }],
    });
    expect(await call).toMatchObject({ successful: 1, failed: 1 });
  });
});
