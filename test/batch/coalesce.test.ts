import { describe, expect, it } from "vitest";
import { FormDBError } from "../../src/base/errors.ts";
import type { WriteKind } from "../../src/base/observer.ts";
import { BatchProcessor } from "../../src/batch/batch-processor.ts";
import { MAX_MERGED_BYTES } from "../../src/batch/coalesce.ts";
import type { BatchGroup, Coalesce, OperationResult } from "../../src/batch/group.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** One id's operations as text, `kind` and JSON. */
const text = (group: BatchGroup): string[] => group.operations.map(({ kind, json }) => `${kind} ${json}`);

type Step = readonly [kind: WriteKind, value?: object];

const insert = (document: object): Step => ["insert", document];
const upsert = (document: object): Step => ["upsert", document];
const update = (patch: object): Step => ["update", patch];
const remove: Step = ["delete"];

/** A store of one collection; writes of a document or patch that names `bad` are refused. */
function store(documents: Record<string, object>): {
  sent: string[];
  execute: (group: BatchGroup) => Promise<OperationResult[]>;
} {
  const sent: string[] = [];
  return {
    sent,
    async execute(group) {
      sent.push(...text(group));
      if (group.operations.some(({ json }) => json.includes('"bad"')))
        throw new FormDBError("FORMDB_CONSTRAINT", "bad");
      return group.operations.map(({ id, json }) => {
        const isThere = Object.hasOwn(documents, id);
        if (group.kind === "delete") {
          delete documents[id];
          return { found: isThere };
        }
        if (group.kind === "insert" && isThere)
          return { error: new FormDBError("FORMDB_DUPLICATE_ID", "taken") };
        if (group.kind === "update" && !isThere)
          return { error: new FormDBError("FORMDB_NOT_FOUND", "missing") };
        documents[id] =
          group.kind === "update" ? { ...documents[id], ...JSON.parse(json) } : JSON.parse(json);
        return {};
      });
    },
  };
}

/** Queues all steps for the id `x` at once; gives what was sent and how each ended. */
async function run(
  steps: readonly Step[],
  coalesce: Coalesce,
  before?: object,
): Promise<{ sent: string[]; ended: string[]; after: object | undefined; coalesced: number }> {
  const documents: Record<string, object> = before === undefined ? {} : { x: before };
  const { sent, execute } = store(documents);
  const processor = new BatchProcessor(execute, { coalesce });
  const ended = await Promise.all(
    steps.map(([kind, value]) =>
      processor.submit(kind, "c", "x", value).then(
        ({ found }) => (found === undefined ? "applied" : `found ${found}`),
        (error: FormDBError) => `${error.code} ${error.outcome} ${error.attempts}`,
      ),
    ),
  );
  return { sent, ended, after: documents.x, coalesced: processor.stats().coalesced };
}

const DUPLICATE = "FORMDB_DUPLICATE_ID rejected";
const MISSING = "FORMDB_NOT_FOUND rejected";

describe("operations of one id that are sent as one", () => {
  it("are updates, an insert or upsert and updates, and deletes, without being asked to", async () => {
    expect(
      await run([update({ a: 1 }), update({ b: 2 }), update({ a: 1, c: 3 })], "additive", {}),
    ).toMatchObject({
      sent: ['update {"a":1,"b":2,"c":3}'],
      ended: ["applied", "applied", "applied"],
      coalesced: 2,
    });
    for (const kind of ["insert", "upsert"] as const)
      expect(await run([[kind, { a: 1 }], update({ b: { c: null } })], "additive")).toMatchObject({
        sent: [`${kind} {"a":1,"b":{}}`],
        ended: ["applied", "applied"],
      });
    expect(await run([remove, remove, remove], "additive", {})).toMatchObject({
      sent: ["delete "],
      ended: ["found true", "found false", "found false"],
    });
  });

  it("do not overwrite one another unless they may", async () => {
    const steps: Step[] = [upsert({ a: 1 }), upsert({ a: 2 }), update({ a: 3 }), update({ a: 4 })];
    expect((await run(steps, "additive")).sent).toEqual([
      'upsert {"a":1}',
      'upsert {"a":2}',
      'update {"a":3}',
      'update {"a":4}',
    ]);
    expect(await run(steps, "all")).toMatchObject({ sent: ['upsert {"a":4}'], after: { a: 4 } });
    expect((await run([insert({}), update({ a: 1 })], "none")).sent).toHaveLength(2);
  });

  it("take a delete before them as told by its found", async () => {
    const steps: Step[] = [insert({ a: 1 }), update({ b: 2 }), upsert({}), remove, remove];
    expect(await run(steps, "all")).toMatchObject({
      sent: ["delete "],
      ended: ["applied", "applied", "applied", "found true", "found false"],
      after: undefined,
    });
    expect(await run(steps, "all", {})).toMatchObject({
      sent: ["delete "],
      ended: [`${DUPLICATE} 1`, "applied", "applied", "found true", "found false"],
      after: undefined,
    });
    for (const before of [undefined, {}])
      expect(await run([upsert({}), update({}), remove], "all", before)).toMatchObject({
        sent: ["delete "],
        ended: ["applied", "applied", "found true"],
      });
    expect(await run([update({ a: 1 }), update({ a: { b: 1 } }), remove], "all", {})).toMatchObject({
      sent: ["delete "],
      ended: ["applied", "applied", "found true"],
    });
  });

  it("are sent one by one where the one result does not tell", async () => {
    expect(await run([insert({ a: 1 }), update({ b: 2 })], "additive", {})).toEqual({
      sent: ['insert {"a":1,"b":2}', 'insert {"a":1}', 'update {"b":2}'],
      ended: [`${DUPLICATE} 2`, "applied"],
      after: { b: 2 },
      coalesced: 1,
    });
    expect(await run([update({ a: 1 }), remove], "all")).toMatchObject({
      sent: ["delete ", 'update {"a":1}', "delete "],
      ended: [`${MISSING} 2`, "found false"],
    });
  });

  it("are missing together, at the cost of one", async () => {
    expect(await run([update({ a: 1 }), update({ b: 2 })], "additive")).toMatchObject({
      sent: ['update {"a":1,"b":2}'],
      ended: [`${MISSING} 1`, `${MISSING} 1`],
    });
  });

  it("fail only for themselves when one of them is bad", async () => {
    const steps: Step[] = [update({ a: 1 }), update({ bad: 1 }), update({ b: 1 })];
    expect(await run(steps, "additive", {})).toMatchObject({
      sent: ['update {"a":1,"bad":1,"b":1}', 'update {"a":1}', 'update {"bad":1}', 'update {"b":1}'],
      ended: ["applied", "FORMDB_CONSTRAINT rejected 2", "applied"],
      after: { a: 1, b: 1 },
    });
  });

  it("never stand for what their result can't tell", async () => {
    const pairs: Step[][] = [
      [update({ a: 1 }), upsert({ a: 2 })],
      [update({ a: 1 }), insert({ a: 2 })],
      [insert({ a: 1 }), insert({ a: 2 })],
      [upsert({ a: 1 }), insert({ a: 2 })],
      [remove, insert({ a: 2 })],
      [remove, upsert({ a: 2 })],
      [remove, update({ a: 2 })],
      [update({ a: null }), update({ a: { b: 1 } })],
    ];
    for (const steps of pairs)
      for (const before of [undefined, { a: 0 }]) {
        const merged = await run(steps, "all", before);
        expect(merged).toEqual(await run(steps, "none", before));
        expect(merged.sent).toHaveLength(2);
      }
  });

  it("keep the call's indices, and may be bounded by collection", async () => {
    const { sent, execute } = store({ y: {} });
    const processor = new BatchProcessor(execute, { coalesce: (name) => (name === "c" ? "all" : "none") });
    const updates = [1, 2, 3].flatMap((n) => [
      { id: "x", document: { n } },
      { id: "y", document: { n } },
    ]);
    const result = await processor.submitAll("update", "c", updates);
    expect(result).toMatchObject({ successful: 3, failed: 3 });
    expect(result.errors.map(({ index, id, attempts }) => [index, id, attempts])).toEqual([
      [0, "x", 1],
      [2, "x", 1],
      [4, "x", 1],
    ]);
    expect(sent).toEqual(['update {"n":3}', 'update {"n":3}']);
    await processor.submitAll("update", "d", updates);
    expect(sent).toHaveLength(8);
  });

  it("carry no more bytes together than a group may have", async () => {
    const { sent, execute } = store({ x: {} });
    const processor = new BatchProcessor(execute, { maxBatchBytes: 100 });
    const many = Array.from({ length: 10 }, (_, i) => ({ id: "x", document: { [`f${i}`]: "y".repeat(20) } }));
    expect(await processor.submitAll("update", "c", many)).toMatchObject({ successful: 10 });
    expect(sent).toHaveLength(4);
  });

  it("are small: a large document is sent by itself", async () => {
    const large: Step = insert({ text: "x".repeat(MAX_MERGED_BYTES) });
    expect((await run([large, update({ a: 1 })], "all")).sent).toHaveLength(2);
  });

  it("are parted when one of them is aborted between two sendings", async () => {
    const clock = new ManualClock();
    const abort = new AbortController();
    const sent: string[][] = [];
    const processor = new BatchProcessor(
      async (group) => {
        sent.push(text(group));
        if (sent.length === 1) throw new FormDBError("FORMDB_BUSY", "busy");
      },
      { clock },
    );
    const ended = Promise.allSettled([
      processor.submit("update", "c", "x", { a: 1 }),
      processor.submit("update", "c", "x", { b: 1 }, { signal: abort.signal }),
      processor.submit("update", "c", "x", { c: 1 }),
    ]);
    await clock.advance(0);
    abort.abort();
    await clock.advance(5_000);
    expect(await ended).toMatchObject([
      { status: "fulfilled" },
      { reason: { code: "FORMDB_ABORTED", outcome: "rejected" } },
      { status: "fulfilled" },
    ]);
    expect(sent).toEqual([['update {"a":1,"b":1,"c":1}'], ['update {"a":1}'], ['update {"c":1}']]);
    expect(processor.stats()).toMatchObject({ held: 0, queued: 0, queuedBytes: 0, inFlight: 0 });
  });

  it("go to the lane of what they have become, and back when that is withdrawn", async () => {
    const abort = new AbortController();
    const sent: string[] = [];
    const processor = new BatchProcessor(
      async (group) => {
        sent.push(...group.operations.map(({ kind, id }) => `${kind} ${id}`));
        // The insert stood behind the third delete, to go as a delete.
        if (sent.length === 3) abort.abort();
      },
      { coalesce: "all", maxBatchSize: 1 },
    );
    const ended = Promise.allSettled([
      ...["1", "2", "3"].map((id) => processor.submit("delete", "c", id, undefined)),
      processor.submit("insert", "c", "x", { a: 1 }),
      processor.submit("delete", "c", "x", undefined, { signal: abort.signal }),
    ]);
    expect((await ended).map(({ status }) => status)).toEqual([...Array(4).fill("fulfilled"), "rejected"]);
    expect(sent).toEqual(["delete 1", "delete 2", "delete 3", "insert x"]);
    expect(processor.stats()).toMatchObject({ held: 0, queued: 0, coalesced: 0 });
  });
});

describe("closing at a deadline", () => {
  it("gives back all parts of what was merged, and what waits behind what is under way", async () => {
    const clock = new ManualClock();
    const processor = new BatchProcessor(() => new Promise(() => {}), { clock, onError: () => {} });
    const first = [1, 2].map((n) => processor.submit("update", "c", "x", { [`f${n}`]: n }));
    const ended = Promise.allSettled(first);
    await clock.advance(1);
    const behind = Promise.allSettled([processor.submit("delete", "c", "x", undefined)]);
    const closing = processor.close({ deadlineMs: 10 });
    await clock.advance(10);
    const { undelivered, result } = await closing;
    expect(undelivered.map(({ kind, id }) => [kind, id])).toEqual([["delete", "x"]]);
    expect(result.errors.map(({ index, outcome }) => [index, outcome])).toEqual([
      [0, "unknown"],
      [1, "unknown"],
      [2, "rejected"],
    ]);
    expect(await ended).toMatchObject([{ status: "rejected" }, { status: "rejected" }]);
    expect(await behind).toMatchObject([{ status: "rejected" }]);
  });
});
