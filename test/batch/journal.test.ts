import { describe, expect, it } from "vitest";
import { FormDBError } from "../../src/base/errors.ts";
import type { Journal, JournalGroup, JournalOperation } from "../../src/base/journal.ts";
import { BatchProcessor } from "../../src/batch/batch-processor.ts";
import { failure } from "../support/failure.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";
import { Random } from "../support/random.ts";
import { FaultyDatabase } from "./faulty-database.ts";

/** A journal in memory, whose steps take time, and which outlives the processor that "crashes". */
class MemoryJournal implements Journal {
  readonly entries: Map<number, { operation: JournalOperation; token: string | undefined }> = new Map();
  lastSequence = 0;
  dead: () => boolean = () => false;

  async append(operations: readonly JournalOperation[]): Promise<void> {
    await this.#step();
    for (const operation of operations) {
      this.entries.set(operation.sequence, { operation, token: undefined });
      this.lastSequence = operation.sequence;
    }
  }

  async assign(token: string, sequences: readonly number[]): Promise<void> {
    await this.#step();
    for (const sequence of sequences) this.entries.get(sequence)!.token = token;
  }

  async settle(sequences: readonly number[]): Promise<void> {
    await this.#step();
    for (const sequence of sequences) this.entries.delete(sequence);
  }

  async forget(sequences: readonly number[]): Promise<void> {
    await this.settle(sequences);
  }

  async replay(): Promise<readonly JournalGroup[]> {
    const groups = new Map<string, { token: string | undefined; operations: JournalOperation[] }>();
    for (const [sequence, { operation, token }] of [...this.entries].sort(([a], [b]) => a - b)) {
      const key = token ?? `single ${sequence}`;
      if (!groups.has(key)) groups.set(key, { token, operations: [] });
      groups.get(key)!.operations.push(operation);
    }
    return [...groups.values()];
  }

  async #step(): Promise<void> {
    await undefined;
    // A process that is gone gets no further.
    if (this.dead()) await new Promise(() => {});
  }
}

describe("a journal", () => {
  it("carries every accepted write over crashes, each applied once", async () => {
    const clock = new ManualClock();
    const random = new Random(11);
    const database = new FaultyDatabase(clock, random, { chance: 0.1, slowMs: 20 });
    const journal = new MemoryJournal();
    const accepted = new Set<number>();
    const rejected = new Set<number>();
    let number = 0;
    for (let life = 0; life < 60; life++) {
      let dead = false;
      journal.dead = () => dead;
      const alive =
        <A extends unknown[], R>(call: (...values: A) => Promise<R>) =>
        async (...values: A): Promise<R> => {
          if (dead) return new Promise(() => {});
          const result = await call(...values);
          return dead ? new Promise(() => {}) : result;
        };
      const processor = new BatchProcessor(alive(database.execute), {
        lookUpToken: alive(database.lookUpToken),
        spill: journal,
        clock,
        random: () => random.next(),
        maxBatchSize: 8,
        maxRetries: 1_000,
        onError: () => {},
      });
      const replayed = (async () => {
        for (;;) {
          try {
            return await processor.replay();
          } catch (error) {
            // The look-up failed: nothing was changed.
            if ((error as FormDBError).code !== "FORMDB_CONNECT_FAILED") throw error;
          }
        }
      })();
      let restored = false;
      void replayed.then(() => {
        restored = true;
      });
      for (let i = 0; i < 2_000 && !restored; i++) await clock.advance(5);
      expect([life, restored]).toEqual([life, true]);
      for (let i = 0; i < 20; i++) {
        const mine = number++;
        const bad = random.chance(0.05);
        if (bad) rejected.add(mine);
        const document = { id: String(random.below(30)), [`w${mine}`]: 1, ...(bad ? { bad } : {}) };
        const onAccepted = (): void => {
          if (!dead) accepted.add(mine);
        };
        void processor.submitAll("upsert", "c", [document], { onAccepted });
        if (random.chance(0.3)) await clock.advance(random.below(15));
      }
      await clock.advance(random.below(30));
      if (life === 59) {
        const closed = processor.close();
        for (let i = 0; i < 2_000 && processor.stats().held > 0; i++) await clock.advance(100);
        expect(processor.stats()).toMatchObject({ held: 0, inFlight: 0 });
        await closed;
      }
      dead = true;
      await clock.advance(100);
    }
    expect(database.complaints).toEqual([]);
    expect(accepted.size).toBeGreaterThan(number / 2);
    for (const mine of accepted)
      expect([mine, database.applied.get(mine) ?? 0]).toEqual([mine, rejected.has(mine) ? 0 : 1]);
    for (const times of database.applied.values()) expect(times).toBe(1);
    for (const numbers of database.history.values())
      expect(numbers.toSorted((a, b) => a - b)).toEqual(numbers);
    expect(journal.entries.size).toBe(0);
  });
});

it("what a crash has left is queued once, however often it is asked for, and not behind new writes", async () => {
  const journal = new MemoryJournal();
  await journal.append([{ sequence: 1, kind: "upsert", collection: "c", id: "1", json: "{}" }]);
  const groups: (readonly string[])[] = [];
  const open = (): BatchProcessor =>
    new BatchProcessor(async ({ operations }) => void groups.push(operations.map(({ id }) => id)), {
      spill: journal,
      lookUpToken: async () => undefined,
    });
  const processor = open();
  const [first, second] = await Promise.all([processor.replay(), processor.replay()]);
  expect([first, second]).toEqual([
    { queued: 1, committed: 0 },
    { queued: 1, committed: 0 },
  ]);
  await processor.flush();
  expect(groups).toEqual([["1"]]);
  const late = open();
  late.insert("c", { id: "2" });
  expect(await failure(late.replay())).toMatchObject({ code: "FORMDB_CONFIG" });
  await late.flush();
  expect(groups).toEqual([["1"], ["2"]]);
});

describe("a write that a journal does not take", () => {
  it.each([
    [new FormDBError("FORMDB_BUSY", "the disk is full"), { code: "FORMDB_BUSY", retryable: true }],
    [new Error("out of order"), { code: "FORMDB_ENGINE", retryable: false }],
  ])("was rejected, for the journal's own reason: %s", async (cause, expected) => {
    const journal = new MemoryJournal();
    journal.append = () => Promise.reject(cause);
    const processor = new BatchProcessor(async () => {}, {
      spill: journal,
      lookUpToken: async () => undefined,
    });
    const error = await failure(processor.submit("insert", "c", "1", {}));
    expect(error).toMatchObject({ ...expected, outcome: "rejected" });
    expect(error.message).toContain(cause.message);
    await processor.close();
  });
});

it("what close() hands back is in the order in which it was added, also what had not come into the journal", async () => {
  const clock = new ManualClock();
  const processor = new BatchProcessor(() => new Promise(() => {}), {
    spill: new MemoryJournal(),
    lookUpToken: async () => undefined,
    clock,
    maxBatchSize: 1,
    maxQueued: 3,
    onError: () => {},
  });
  const calls = [1, 2, 3, 4, 5].map((n) =>
    failure(processor.submit("upsert", "c", n < 2 ? "a" : "b", { n })),
  );
  const closing = processor.close({ deadlineMs: 10 });
  await clock.advance(10);
  await Promise.all(calls);
  const { undelivered } = await closing;
  expect(undelivered.map(({ document }) => document)).toEqual([2, 3, 4, 5].map((n) => ({ n })));
});

it("a call is accepted once the journal holds its operations, though others go on to write", async () => {
  const journal = new MemoryJournal();
  const append = journal.append.bind(journal);
  let appends = 0;
  const processor = new BatchProcessor(async () => {}, {
    spill: journal,
    lookUpToken: async () => undefined,
  });
  journal.append = async (operations) => {
    // There is always a next one while one is written.
    if (++appends < 100) processor.insert("c", { id: String(appends) });
    await append(operations);
  };
  let acceptedAt = Infinity;
  const onAccepted = (): void => {
    acceptedAt = appends;
  };
  await processor.submitAll("insert", "c", [{ id: "first" }], { onAccepted });
  while (appends < 100) await settle();
  await processor.close();
  expect(acceptedAt).toBeLessThan(5);
});

it("a write that its time ends in the pause before a retry is rejected then, and out of the journal", async () => {
  const clock = new ManualClock();
  const journal = new MemoryJournal();
  let sent = 0;
  const processor = new BatchProcessor(
    async () => {
      sent++;
      throw new FormDBError("FORMDB_BUSY", "busy");
    },
    {
      clock,
      spill: journal,
      lookUpToken: async () => undefined,
      random: () => 1,
      backoff: { baseMs: 60_000 },
      onError: () => {},
    },
  );
  const told: unknown[] = [];
  void processor.submit("insert", "c", "1", {}, { timeoutMs: 10 }).catch((error) => told.push(error));
  await clock.advance(10);
  expect(told).toMatchObject([{ code: "FORMDB_TIMEOUT", outcome: "rejected", attempts: 1 }]);
  expect(journal.entries.size).toBe(0);
  await clock.advance(60_000);
  expect(sent).toBe(1);
  expect(processor.stats()).toMatchObject({ held: 0, inFlight: 0, failed: 1 });
});
