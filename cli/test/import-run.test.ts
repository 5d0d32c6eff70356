import { FormDBError } from "@formdb/perf";
import { describe, expect, it } from "vitest";
import {
  type ImportOutcome,
  type ImportProgress,
  type ImportTarget,
  rejectLine,
  runImport,
} from "../src/import-run.ts";
import { readNdjson } from "../src/read/ndjson.ts";
import type { Reject } from "../src/rejects-file.ts";
import { source } from "./read/chunked.ts";

/** A database that keeps what it is given, and refuses documents that say so. */
class Keeper implements ImportTarget {
  readonly documents: Record<string, unknown>[] = [];

  async import(
    _collection: string,
    documents: AsyncIterable<unknown>,
    { onRejected, onProgress }: Parameters<ImportTarget["import"]>[2],
  ): Promise<{ successful: number; unchanged: number; failed: number }> {
    const counts = { imported: 0, unchanged: 0, failed: 0 };
    const late: (() => void)[] = [];
    for await (const item of documents) {
      const document = item as Record<string, unknown>;
      if (document.refuse === true) {
        counts.failed++;
        // Told only at the end, when many others were read in between.
        late.push(() => onRejected({ code: "FORMDB_CONSTRAINT", error: "refused", document }));
      } else {
        counts.imported++;
        this.documents.push(document);
      }
      onProgress(counts);
    }
    for (const tell of late) tell();
    return { successful: counts.imported, unchanged: 0, failed: counts.failed };
  }
}

interface Seen {
  readonly outcome: ImportOutcome;
  readonly rejects: Reject[];
  readonly progress: ImportProgress[];
}

async function run(target: ImportTarget, text: string, onReject?: () => void): Promise<Seen> {
  const rejects: Reject[] = [];
  const progress: ImportProgress[] = [];
  const outcome = await runImport(target, "things", readNdjson(source(text)), {
    idField: undefined,
    newIds: false,
    source: "/in",
    stop: new AbortController().signal,
    onProgress: (counts) => progress.push(counts),
    onReject: (reject) => {
      rejects.push(reject);
      onReject?.();
    },
  });
  return { outcome, rejects, progress };
}

describe("running an import", () => {
  it("knows the line of a document that is refused long after it was read", async () => {
    const lines = Array.from({ length: 5_000 }, (_, i) =>
      i % 1_000 === 1 ? '{"refuse":true}' : i % 7 === 0 ? "" : "{}",
    );
    const { outcome, rejects } = await run(new Keeper(), lines.join("\n"));
    expect(rejects.map(({ line }) => line)).toEqual([2, 1_002, 2_002, 3_002, 4_002]);
    expect(outcome).toMatchObject({ rejected: 5, imported: 5_000 - 714 - 5, failure: undefined });
  });

  it("knows the line and the content of one that is told by a copy, as a server tells of long ones", async () => {
    const target: ImportTarget = {
      import: async (_collection, documents, { onRejected }) => {
        let index = 0;
        for await (const document of documents) {
          if (index % 10_000 === 0) {
            const copy = JSON.parse(JSON.stringify(document)) as unknown;
            onRejected({ index, code: "FORMDB_CONSTRAINT", error: "refused", document: copy });
          }
          index++;
        }
        return { successful: 0, unchanged: 0, failed: 5 };
      },
    };
    const { rejects } = await run(target, '\n{"id":"1"}\n'.repeat(50_000));
    expect(rejects.map(({ line }) => line)).toEqual([2, 20_002, 40_002, 60_002, 80_002]);
    expect(rejects.map(({ document }) => document)).toEqual(Array(5).fill({ id: "1" }));
  });

  it("makes the same ids in every run, and others for another place, content or input", async () => {
    const ids = async (text: string): Promise<unknown[]> => {
      const keeper = new Keeper();
      await run(keeper, text);
      return keeper.documents.map(({ id }) => id);
    };
    const [a, b] = await ids('{"n":1}\n{"n":1}\n');
    expect(await ids('\n{"n":1}\r\n  {"n": 1}')).toEqual([a, b]);
    expect(a).not.toBe(b);
    expect((await ids('{"n":2}'))[0]).not.toBe(a);
    expect(a).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it("counts what was imported when the database fails in the middle, and keeps its error", async () => {
    const failing: ImportTarget = {
      async import(_collection, documents, { onProgress }) {
        let read = 0;
        for await (const _ of documents) {
          read++;
          onProgress({ imported: read, unchanged: 0, failed: 0 });
          if (read === 3) throw new FormDBError("FORMDB_CONNECTION_LOST", "gone");
        }
        throw new Error("the source ended too early");
      },
    };
    const { outcome } = await run(failing, "{}\n{}\n{}\n{}\n{}\n");
    expect(outcome).toMatchObject({ imported: 3, failure: { code: "FORMDB_CONNECTION_LOST" } });
  });

  it("ends when rejects can't be written, with what was imported until then", async () => {
    const keeper = new Keeper();
    const { outcome } = await run(keeper, "{}\nbad\n{}\n{}\n", () => {
      throw new FormDBError("FORMDB_CONFIG", "The disk is full");
    });
    expect(outcome).toMatchObject({ imported: 1, rejected: 1, failure: { message: "The disk is full" } });
    expect(keeper.documents).toHaveLength(1);
  });

  it("reports progress with rejects of both kinds", async () => {
    const { progress } = await run(new Keeper(), 'bad\n{"refuse":true}\n{}\n');
    expect(progress.at(-1)).toEqual({ imported: 1, unchanged: 0, rejected: 2 });
  });
});

it("a reject's line can't steer a terminal", () => {
  const line = rejectLine({ line: 1, id: "x\u001b[31m", code: "FORMDB_ENGINE", error: "\u001b[2J" });
  expect(line).toBe("line 1 (id x\\u001b[31m): \\u001b[2J [FORMDB_ENGINE]");
});
