import { describe, expect, it } from "vitest";
import type { FormDBError } from "../../src/base/errors.ts";
import type { WriteKind } from "../../src/base/observer.ts";
import { BatchProcessor } from "../../src/batch/batch-processor.ts";
import type { BatchResult, Coalesce } from "../../src/batch/group.ts";
import type { Json, JsonObject } from "../../src/batch/merge-patch.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { Random } from "../support/random.ts";
import { mergePatch } from "../support/rfc7396.ts";
import { FaultyDatabase } from "./faulty-database.ts";

/** Writes per run; a soak sets more. */
const STEPS = Number(process.env.FORMDB_SOAK_STEPS ?? 20_000);
const SEED = Number(process.env.FORMDB_SEED ?? 1);

interface Write {
  readonly kind: WriteKind;
  readonly key: string;
  readonly bad: boolean;
  /** As it was when it was given. */
  readonly document: JsonObject;
  found: boolean | undefined;
  outcome: "applied" | "rejected" | "unknown" | undefined;
  code: string;
}

/**
 * Random calls against a database that goes wrong; afterwards every write's outcome is held against what was applied, and
 * each document against its writes one after another.
 */
class Run {
  readonly clock = new ManualClock();
  readonly random: Random;
  readonly database: FaultyDatabase;
  readonly processor: BatchProcessor;
  readonly coalesce: Coalesce;
  readonly ids: number;
  readonly writes: Write[] = [];
  /** Since the last flush, in the order of adding. */
  sinceFlush: number[] = [];
  pending = 0;
  aborts = 0;
  givenUp = 0;

  constructor(seed: number, token: boolean) {
    this.random = new Random(seed);
    this.database = new FaultyDatabase(this.clock, this.random, { chance: 0.15, slowMs: 30 });
    this.coalesce = this.random.pick(["none", "additive", "additive", "all"]);
    this.ids = this.random.pick([3, 15, 200]);
    this.processor = new BatchProcessor(this.database.execute, {
      clock: this.clock,
      lookUpToken: this.database.lookUpToken,
      token,
      coalesce: this.coalesce,
      random: () => this.random.next(),
      maxBatchSize: 1 + this.random.below(40),
      concurrency: 1 + this.random.below(4),
      eager: this.random.chance(0.5),
      maxQueued: 300,
      maxErrors: Number.POSITIVE_INFINITY,
      onError: () => {},
      ...(this.random.chance(0.5) ? { adaptive: { targetMs: 10, minBatchSize: 1 } } : {}),
    });
  }

  async step(): Promise<void> {
    const choice = this.random.next();
    if (choice < 0.55) this.single();
    else if (choice < 0.75) this.many();
    else if (choice < 0.85) this.fireAndForget();
    else if (choice < 0.88) this.flush();
    else await this.clock.advance(this.random.below(25));
  }

  single(): void {
    const [number, id, collection, document] = this.make(this.kind());
    const write = this.writes[number]!;
    const abort = this.random.chance(0.1) ? new AbortController() : undefined;
    this.track(
      this.processor.submit(write.kind, collection, id, document, { signal: abort?.signal }).then(
        ({ found }) => {
          write.found = found;
          this.end(number, "applied", "");
        },
        (error: FormDBError) => {
          // Whoever gives up a write that was sent is told that nobody knows; its flush tells what became of it.
          if (error.outcome === "unknown" && error.code === "FORMDB_ABORTED") this.givenUp++;
          else this.end(number, error.outcome as "rejected" | "unknown", error.code);
        },
      ),
    );
    if (abort !== undefined) {
      this.aborts++;
      this.clock.schedule(() => abort.abort(), this.random.below(40));
    }
  }

  many(): void {
    const kind = this.kind();
    const collection = this.random.pick(["a", "b"]);
    const made = this.random.some(1, 30, () => this.make(kind, collection));
    const items = made.map(([, id, , document]) => {
      if (kind === "delete") return id;
      return kind === "update" ? { id, document } : document;
    });
    this.track(
      this.processor.submitAll(kind, collection, items).then((result) =>
        this.check(
          made.map(([number]) => number),
          result,
        ),
      ),
    );
  }

  fireAndForget(): void {
    const [number, id, collection, document] = this.make(this.kind());
    const { kind } = this.writes[number]!;
    if (kind === "delete") this.processor.delete(collection, id);
    else if (kind === "update") this.processor.update(collection, { id, document });
    else if (kind === "insert") this.processor.insert(collection, document);
    else this.processor.upsert(collection, document);
  }

  flush(): void {
    const numbers = this.sinceFlush;
    this.sinceFlush = [];
    this.track(this.processor.flush().then((result) => this.check(numbers, result)));
  }

  kind(): WriteKind {
    return this.random.pick(["insert", "insert", "update", "upsert", "delete"]);
  }

  make(kind: WriteKind, in_?: string): [number: number, id: string, collection: string, document: unknown] {
    const collection = in_ ?? this.random.pick(["a", "b"]);
    const id = String(this.random.below(this.ids));
    const number = this.writes.length;
    // What is overwritten before it is sent can't be refused.
    const bad = kind !== "delete" && this.coalesce !== "all" && this.random.chance(0.03);
    const document: JsonObject = { id, [`w${number}`]: 1, ...this.values(), ...(bad ? { n: "bad" } : {}) };
    const key = `${collection}/${id}`;
    this.writes.push({ kind, key, bad, document, found: undefined, outcome: undefined, code: "" });
    this.sinceFlush.push(number);
    return [number, id, collection, document];
  }

  /** Members that meet with those of other writes, or do not. */
  values(): JsonObject {
    const choice = this.random.below(6);
    if (choice < 3) return {};
    if (choice === 3) return { n: this.random.below(3) };
    const scalar = (): Json => this.random.pick([null, 1, 2]);
    return { deep: choice === 4 ? scalar() : { a: scalar(), b: { c: scalar() } } };
  }

  /** A result speaks of each write by its index: its error, or none. */
  check(numbers: readonly number[], result: BatchResult): void {
    const errors = new Map(result.errors.map((error) => [error.index, error]));
    expect(result.successful + result.failed).toBe(numbers.length);
    expect(result.failed).toBe(result.errors.length);
    numbers.forEach((number, index) => {
      const error = errors.get(index);
      if (error !== undefined) expect(error.id).toBe(this.writes[number]!.key.slice(2));
      this.end(number, error?.outcome ?? "applied", error?.code ?? "");
    });
  }

  /** Each id's writes one after another, as their outcomes tell, make its document. */
  checkDocuments(): void {
    const documents = new Map<string, JsonObject>();
    const unknown = new Set<string>();
    this.writes.forEach(({ kind, key, bad, document, found, outcome, code }, number) => {
      if (outcome === "unknown") unknown.add(key);
      if (unknown.has(key)) return;
      const before = documents.get(key);
      const isThere = before !== undefined;
      const told = [number, kind, code];
      if (code === "FORMDB_DUPLICATE_ID") expect([...told, isThere]).toEqual([number, "insert", code, true]);
      if (code === "FORMDB_NOT_FOUND") expect([...told, isThere]).toEqual([number, "update", code, false]);
      if (code === "FORMDB_CONSTRAINT") expect([...told, bad]).toEqual([...told, true]);
      if (outcome !== "applied") return;
      if (kind === "insert") expect([...told, isThere]).toEqual([...told, false]);
      if (kind === "update") expect([...told, isThere]).toEqual([...told, true]);
      if (found !== undefined) expect([...told, found]).toEqual([...told, isThere]);
      if (kind === "delete") documents.delete(key);
      else documents.set(key, kind === "update" ? (mergePatch(before, document) as JsonObject) : document);
    });
    for (const key of new Set(this.writes.map((write) => write.key))) {
      if (!unknown.has(key))
        expect([key, this.database.documents.get(key)]).toEqual([key, documents.get(key)]);
    }
  }

  end(number: number, outcome: Write["outcome"], code: string): void {
    const write = this.writes[number]!;
    if (write.outcome !== undefined) expect([number, write.outcome]).toEqual([number, outcome]);
    write.outcome = outcome;
    write.code = code;
  }

  track(promise: Promise<unknown>): void {
    this.pending++;
    void promise.then(() => {
      this.pending--;
    });
  }

  async finish(): Promise<void> {
    this.flush();
    for (let i = 0; i < 5_000 && this.pending > 0; i++) await this.clock.advance(50);
    const { database, writes } = this;
    expect(this.pending).toBe(0);
    expect(database.complaints).toEqual([]);
    writes.forEach((write, number) => {
      const times = database.applied.get(number) ?? 0;
      if (write.outcome === undefined) throw new Error(`write ${number} has no outcome`);
      if (write.kind === "delete") return;
      const sent = this.coalesce === "all" ? [0, 1] : [1];
      const wanted = write.outcome === "applied" ? sent : write.outcome === "rejected" ? [0] : [0, 1];
      if (!wanted.includes(times))
        throw new Error(`write ${number} ended ${JSON.stringify(write)} and was applied ${times} times`);
      if (write.bad && times > 0) throw new Error(`the bad write ${number} was applied`);
    });
    this.checkDocuments();
    for (const [key, numbers] of database.history) {
      expect([key, numbers.toSorted((x, y) => x - y)]).toEqual([key, numbers]);
    }
    expect(this.processor.stats()).toMatchObject({
      queued: 0,
      queuedBytes: 0,
      held: 0,
      heldBytes: 0,
      waiting: 0,
      inFlight: 0,
    });
  }
}

describe("against a database that goes wrong in every way", () => {
  for (const token of [true, false]) {
    it(`${token ? "with" : "without"} tokens every write is applied once or reported with the right outcome`, async () => {
      const codes = new Map<string, number>();
      let steps = 0;
      let coalesced = 0;
      let givenUp = 0;
      for (let seed = SEED; steps < STEPS / 2; seed++) {
        const run = new Run(seed, token);
        for (let i = 0; i < 600; i++) await run.step();
        steps += 600;
        await run.finish();
        coalesced += run.processor.stats().coalesced;
        givenUp += run.givenUp;
        for (const { outcome, code } of run.writes) {
          const name = `${outcome} ${code}`.trim();
          codes.set(name, (codes.get(name) ?? 0) + 1);
        }
      }
      expect(coalesced).toBeGreaterThan(STEPS / 50);
      expect(givenUp).toBeGreaterThan(0);
      // The run is worth something only if it met all of these.
      for (const name of [
        "applied",
        "rejected FORMDB_CONSTRAINT",
        "rejected FORMDB_DUPLICATE_ID",
        "rejected FORMDB_ABORTED",
      ]) {
        expect([name, (codes.get(name) ?? 0) > 10]).toEqual([name, true]);
      }
      const unknown = [...codes]
        .filter(([name]) => name.startsWith("unknown"))
        .reduce((sum, [, count]) => sum + count, 0);
      if (!token) expect(unknown).toBeGreaterThan(100);
      else expect(unknown).toBeLessThan((codes.get("applied") ?? 0) / 1_000);
    });
  }
});
