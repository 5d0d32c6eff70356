import { FormDBError } from "@formdb/perf";
import { type IdOptions, withId } from "./document-id.ts";
import { messageOf } from "./message.ts";
import { printable } from "./print/printable.ts";
import type { Entry, ReadDocument } from "./read/entry.ts";
import type { Reject } from "./rejects-file.ts";

/** What an import needs of a database. */
export interface ImportTarget {
  import(
    collection: string,
    documents: AsyncIterable<unknown>,
    options: {
      readonly signal?: AbortSignal;
      readonly ifExists: "skip-identical";
      readonly onProgress: (progress: ImportCounts) => void;
      readonly onRejected: (rejected: RejectedDocument) => void;
    },
  ): Promise<{ readonly successful: number; readonly unchanged: number; readonly failed: number }>;
}

interface ImportCounts {
  readonly imported: number;
  readonly unchanged: number;
  readonly failed: number;
}

interface RejectedDocument {
  /** Its place among the documents that were given. */
  readonly index?: number;
  readonly id?: string | undefined;
  readonly code: string;
  readonly error: string;
  readonly document: unknown;
}

export interface ImportRunOptions extends IdOptions {
  /** Ends the reading: what was read is still imported and counted. */
  readonly stop: AbortSignal;
  readonly onReject: (reject: Reject) => void;
  readonly onProgress: (progress: ImportProgress) => void;
}

export interface ImportProgress {
  readonly imported: number;
  readonly unchanged: number;
  readonly rejected: number;
}

/** How an import ended. `failure` is what kept the rest of the input from being imported. */
export interface ImportOutcome extends ImportProgress {
  /** How many documents got an id from their place and content. */
  readonly madeIds: number;
  readonly elapsedMs: number;
  /** Why documents were rejected, by the code of the error. */
  readonly reasons: ReadonlyMap<string, Reason>;
  readonly failure: unknown;
}

export interface Reason {
  readonly count: number;
  /** The line of the first of them that was told. */
  readonly line: number | undefined;
}

/** Where a document came from goes with it. JSON leaves symbols out; a WeakMap took a seventh of the command's processor time. */
const ORIGIN: unique symbol = Symbol("origin");

/** Of so many documents that were given last their lines are known by their index: a server tells of long ones by copies. */
const REMEMBERED_LINES = 32_768;

/** A document that the database has in hand. */
interface Imported {
  [ORIGIN]?: ReadDocument;
}

/**
 * Imports what a reader yields. Failures of reading and of single documents are rejects; the import goes on. Only
 * an error of the database, of the input as a whole, or of writing rejects ends it early, and it too is part
 * of the outcome, beside what was imported until then.
 */
export async function runImport(
  target: ImportTarget,
  collection: string,
  entries: AsyncIterable<Entry>,
  options: ImportRunOptions,
): Promise<ImportOutcome> {
  const started = performance.now();
  const reasons = new Map<string, Reason>();
  let unreadable = 0;
  let madeIds = 0;
  let failure: unknown;
  let counts: ImportCounts = { imported: 0, unchanged: 0, failed: 0 };
  const lines = new Float64Array(REMEMBERED_LINES);
  let given = 0;
  const lineOf = (index: number): number | undefined =>
    index >= given - REMEMBERED_LINES ? lines[index % REMEMBERED_LINES] : undefined;

  const progress = (): ImportProgress => {
    const { imported, unchanged, failed } = counts;
    return { imported, unchanged, rejected: failed + unreadable };
  };
  const report = (): void => options.onProgress(progress());

  /** What can fail without a document's fault: it ends the reading, and never throws into the database. */
  function reject(rejected: Reject): void {
    const { code, line } = rejected;
    const { count, line: first } = reasons.get(code) ?? { count: 0, line };
    reasons.set(code, { count: count + 1, line: first });
    try {
      options.onReject(rejected);
    } catch (error) {
      failure ??= error;
    }
  }

  async function* documents(): AsyncGenerator<Record<string, unknown>> {
    try {
      for await (const entry of entries) {
        if (options.stop.aborted || failure !== undefined) return;
        const document = identified(entry);
        if (document === undefined) continue;
        lines[given++ % REMEMBERED_LINES] = entry.line;
        yield document;
      }
    } catch (error) {
      // A stopped input ends in the middle of its reading.
      if (!options.stop.aborted) failure ??= error;
    }
  }

  function identified(entry: Entry): Record<string, unknown> | undefined {
    try {
      if (entry.error !== undefined) throw entry.error;
      const { document, isMade } = withId(entry.document, entry.number, options);
      if (isMade) madeIds++;
      (document as Imported)[ORIGIN] = entry;
      return document;
    } catch (error) {
      if (!(error instanceof FormDBError)) throw error;
      unreadable++;
      const { line, excerpt } = entry;
      const document = "document" in entry ? entry.document : undefined;
      reject({ line, code: error.code, error: error.message, document, excerpt });
      report();
      return undefined;
    }
  }

  try {
    const result = await target.import(collection, documents(), {
      ifExists: "skip-identical",
      onProgress: (now) => {
        counts = now;
        report();
      },
      onRejected: ({ index = -1, id, code, error, document: told }) => {
        const { line, document, excerpt } = (told as Imported)[ORIGIN] ?? {
          line: lineOf(index),
          document: told,
        };
        reject({ line, id, code, error, document, excerpt });
      },
    });
    counts = { imported: result.successful, unchanged: result.unchanged, failed: result.failed };
  } catch (error) {
    failure ??= error;
    counts = countsOf(error) ?? counts;
  }
  return { ...progress(), madeIds, reasons, elapsedMs: performance.now() - started, failure };
}

/** What an import that was stopped by an outage had done; batches may have ended since the last report. */
function countsOf(error: unknown): ImportCounts | undefined {
  const { imported, unchanged, failed } = error as Partial<ImportCounts>;
  if (imported === undefined || unchanged === undefined || failed === undefined) return undefined;
  return { imported, unchanged, failed };
}

/** One line for a reject, as people read it. */
export function rejectLine({ line, id, code, error }: Omit<Reject, "document" | "excerpt">): string {
  const where = line === undefined ? "a document" : `line ${line}`;
  return printable(`${where}${id === undefined ? "" : ` (id ${id})`}: ${messageOf(error)} [${code}]`);
}
