import { isDeepStrictEqual } from "node:util";
import { untilAborted } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import { checkCollectionName } from "../base/collection-name.ts";
import { encodeDocument } from "../base/document.ts";
import { type ErrorCode, FormDBError } from "../base/errors.ts";
import { turnIfDue } from "../base/loop-turn.ts";
import { abortSignal, checkOptions, configError, func, oneOf, show } from "../base/options.ts";
import type { BatchProcessor } from "../batch/batch-processor.ts";
import type { BatchError } from "../batch/group.ts";
import type { DocumentReads } from "./get.ts";

/** How far an import has come. `read` counts the documents taken from the source. */
export interface ImportProgress {
  readonly read: number;
  readonly imported: number;
  readonly unchanged: number;
  readonly failed: number;
}

/** A document that was not imported, and why. `index` counts from 0 in the order of the source. */
export interface RejectedDocument {
  readonly index: number;
  readonly id?: string;
  readonly code: string;
  readonly error: string;
  readonly document: unknown;
}

/** How documents are imported. */
export interface ImportOptions {
  /** Ends the reading; what was taken from the source is still written. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Called after each batch. The import waits for it if it is `async`; what it throws or rejects with ends the
   * import.
   */
  readonly onProgress?: ((progress: ImportProgress) => unknown) | undefined;
  /** Called for each document that was not imported; unlike `errors`, for all of them. It may be `async` too. */
  readonly onRejected?: ((rejected: RejectedDocument) => unknown) | undefined;
  /**
   * What to do with a document whose id is taken. `reject` (the default): report it. `skip-identical`: count
   * it as `unchanged` where the very same document was there before this import began, else report it; so an
   * import that was cut off can be run again.
   */
  readonly ifExists?: "reject" | "skip-identical" | undefined;
}

/** What an import has done. */
export interface ImportResult {
  readonly read: number;
  readonly successful: number;
  /** Documents that were there already, as they are; see `ifExists`. */
  readonly unchanged: number;
  readonly failed: number;
  /** Whether the signal ended the reading: then there may be more in the source. */
  readonly aborted: boolean;
  /** The first failures; `failed` counts all. */
  readonly errors: BatchError[];
  readonly elapsedMs: number;
}

/** Documents that are under way at once, in chunks; no more than a queue holds where the user says nothing. */
const DOCUMENTS_IN_FLIGHT = 10_000;
/** Bytes that a chunk should have, judged by the last document of the one before. */
const CHUNK_BYTES = 8 * 1024 * 1024;
/** The first chunk, before anything is known of the documents' size. */
const FIRST_CHUNK_SIZE = 100;
/** One chunk is written while the next is read and encoded. */
const MIN_CHUNKS_IN_FLIGHT = 2;
/** A server writes several at once. More than this were no faster. */
const MAX_CHUNKS_IN_FLIGHT = 3;
/** Failures that a result lists; it counts all. */
export const MAX_ERRORS = 1_000;

/** How many documents are taken, or compared, between two looks at the clock, which tell whether the event loop needs a turn. */
const DOCUMENTS_A_CLOCK_READ = 16;

/**
 * What a write fails with, after its retries, because the database can't be reached, has no room, or is being
 * closed. That is no property of a document: every other document would fail with the same. True if running the
 * import again may succeed.
 */
const OUTAGES: ReadonlyMap<ErrorCode, boolean> = new Map<ErrorCode, boolean>([
  ["FORMDB_BUSY", true],
  ["FORMDB_CONNECT_FAILED", true],
  ["FORMDB_CONNECTION_LOST", true],
  ["FORMDB_POOL_PAUSED", true],
  ["FORMDB_POOL_QUEUE_FULL", true],
  ["FORMDB_POOL_TIMEOUT", true],
  ["FORMDB_QUEUE_FULL", true],
  ["FORMDB_SERIALIZATION", true],
  ["FORMDB_TIMEOUT", true],
  ["FORMDB_ABORTED", false],
  ["FORMDB_CLOSED", false],
  ["FORMDB_POOL_CLOSED", false],
  // Whoever may not write one document may write none.
  ["FORMDB_UNSUPPORTED", false],
]);

/** What an import works with. */
export interface ImportTools {
  readonly batch: BatchProcessor;
  readonly reads: DocumentReads;
  readonly clock: Clock;
  /** The engine's own time, in milliseconds since 1970. */
  readonly engineTime: () => Promise<number>;
  /** Rows that the engine takes in one group at most. */
  readonly maxRows: number;
  /** Groups that are on their way to the engine at once. */
  readonly groupsAtOnce: number;
  /** Told of each document that is reported as not imported, where documents may be skipped. */
  readonly rejected: (code: string) => void;
}

/**
 * Writes all documents of a source through the batch queue, in bounded memory. Rejects where the import could not
 * go on: with the source's own error, or with a `FormDBError` of an outage's code (`retryable`) or of
 * `FORMDB_CLOSED`, whose fields `read`, `imported`, `unchanged` and `failed` say how far it came.
 */
export async function importDocuments(
  tools: ImportTools,
  collection: string,
  documents: Iterable<unknown> | AsyncIterable<unknown>,
  options: ImportOptions = {},
): Promise<ImportResult> {
  checkCollectionName(collection);
  checkImport(documents, options);
  const startedAt = options.ifExists === "skip-identical" ? await tools.engineTime() : 0;
  return new Import(tools, collection, options, startedAt).run(documents);
}

/** Refuses options that there are not, and what is no source of documents. */
export function checkImport(documents: unknown, options: ImportOptions): void {
  checkOptions("import()", options, {
    signal: abortSignal,
    onProgress: func,
    onRejected: func,
    ifExists: oneOf("reject", "skip-identical"),
  });
  const source = documents as Partial<AsyncIterable<unknown> & Iterable<unknown>> | null | undefined;
  const iterable =
    typeof source === "object" &&
    source !== null &&
    (source[Symbol.iterator] !== undefined || source[Symbol.asyncIterator] !== undefined);
  if (iterable) return;
  throw configError(`An import needs an iterable or async iterable of documents, not ${show(documents)}`);
}

class Import {
  readonly #tools: ImportTools;
  readonly #collection: string;
  readonly #options: ImportOptions;
  readonly #startedAt: number;
  readonly #chunksInFlight: number;
  /** A chunk is handed to the queue as a whole, and written by one transaction if the engine takes as many rows in one. */
  readonly #maxChunkSize: number;
  readonly #inFlight = new Set<Promise<void>>();
  #chunk: unknown[] = [];
  #chunkSize: number;
  #failure: { readonly error: unknown } | undefined;
  readonly #errors: BatchError[] = [];
  #read = 0;
  #imported = 0;
  #unchanged = 0;
  #failed = 0;
  /** Whether a document had no id, so that no later run finds it. */
  #hasMadeIds = false;

  constructor(tools: ImportTools, collection: string, options: ImportOptions, startedAt: number) {
    this.#tools = tools;
    this.#collection = collection;
    this.#options = options;
    this.#startedAt = startedAt;
    this.#chunksInFlight = Math.max(MIN_CHUNKS_IN_FLIGHT, Math.min(MAX_CHUNKS_IN_FLIGHT, tools.groupsAtOnce));
    this.#maxChunkSize = Math.floor(DOCUMENTS_IN_FLIGHT / this.#chunksInFlight);
    this.#chunkSize = Math.min(this.#maxChunkSize, FIRST_CHUNK_SIZE);
  }

  async run(documents: Iterable<unknown> | AsyncIterable<unknown>): Promise<ImportResult> {
    const { clock } = this.#tools;
    const start = clock.now();
    try {
      if (Symbol.asyncIterator in documents) await this.#readAsync(documents);
      else await this.#readSync(documents);
    } finally {
      if (this.#failure === undefined) this.#send();
      await Promise.all(this.#inFlight);
    }
    if (this.#failure !== undefined) throw this.#stoppedBy(this.#failure.error);
    return {
      read: this.#read,
      successful: this.#imported,
      unchanged: this.#unchanged,
      failed: this.#failed,
      aborted: this.#options.signal?.aborted ?? false,
      errors: this.#errors,
      elapsedMs: clock.now() - start,
    };
  }

  /** Then a failure may turn out to be none: what is no failure must not count as one. */
  get #skipsIdentical(): boolean {
    return this.#options.ifExists === "skip-identical";
  }

  get #stopped(): boolean {
    return this.#failure !== undefined || this.#options.signal?.aborted === true;
  }

  async #readSync(documents: Iterable<unknown>): Promise<void> {
    if (this.#stopped) return;
    for (const document of documents) {
      const pause = this.#take(document);
      if (pause !== undefined) await pause;
      if (this.#stopped) return;
    }
  }

  async #readAsync(documents: AsyncIterable<unknown>): Promise<void> {
    for await (const document of untilAborted(documents, this.#options.signal)) {
      const pause = this.#take(document);
      if (pause !== undefined) await pause;
      if (this.#stopped) return;
    }
  }

  /** Takes a document; a promise if the next one must wait, for room or for the event loop's turn. */
  #take(document: unknown): Promise<void> | undefined {
    this.#chunk.push(document);
    this.#read++;
    const isFull = this.#chunk.length >= this.#chunkSize;
    if (isFull) this.#send();
    if (this.#inFlight.size >= this.#chunksInFlight) return this.#room();
    return isFull || this.#read % DOCUMENTS_A_CLOCK_READ === 0 ? turnIfDue() : undefined;
  }

  /** A database in memory writes a chunk without leaving the thread: then the event loop has had no turn meanwhile. */
  async #room(): Promise<void> {
    await Promise.race(this.#inFlight);
    await turnIfDue();
  }

  #send(): void {
    const chunk = this.#chunk;
    if (chunk.length === 0) return;
    this.#chunk = [];
    this.#chunkSize = Math.min(
      this.#maxChunkSize,
      Math.max(1, Math.floor(CHUNK_BYTES / sizeOf(chunk.at(-1)))),
    );
    const sent: Promise<void> = this.#write(chunk, this.#read - chunk.length)
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#inFlight.delete(sent));
    this.#inFlight.add(sent);
  }

  async #write(chunk: readonly unknown[], firstIndex: number): Promise<void> {
    const result = await this.#tools.batch.submitAll("insert", this.#collection, chunk, {
      maxErrors: chunk.length,
      maxBatchSize: Math.min(this.#maxChunkSize, this.#tools.maxRows),
      countsFailures: !this.#skipsIdentical,
    });
    this.#imported += result.successful;
    if (result.successful > 0) this.#hasMadeIds ||= chunk.some(hasNoId);
    let same: ReadonlyMap<number, "before" | "since"> = NONE;
    if (this.#skipsIdentical && result.errors.some(isDuplicate)) {
      same = await this.#sameStored(chunk, result.errors.filter(isDuplicate));
    }
    let outage: BatchError | undefined;
    const told: unknown[] = [];
    for (const error of result.errors) {
      const stored = same.get(error.index);
      if (stored === "before") this.#unchanged++;
      else if (OUTAGES.has(error.code)) outage ??= error;
      else {
        const message = stored === "since" ? error.error + STORED_SINCE : error.error;
        const index = firstIndex + error.index;
        told.push(this.#reject({ ...error, error: message, index }, chunk[error.index]));
      }
    }
    if (told.length > 0) await Promise.all(told);
    if (outage !== undefined) {
      const { code, error, outcome } = outage;
      throw new FormDBError(code, error, { retryable: OUTAGES.get(code)!, details: { outcome } });
    }
    await this.#options.onProgress?.({
      read: this.#read,
      imported: this.#imported,
      unchanged: this.#unchanged,
      failed: this.#failed,
    });
  }

  /** By its place in the chunk, for each whose very document is stored: whether it was so before this import began. */
  async #sameStored(
    chunk: readonly unknown[],
    duplicates: readonly BatchError[],
  ): Promise<ReadonlyMap<number, "before" | "since">> {
    const stored = await this.#tools.reads.stored(
      this.#collection,
      duplicates.map(({ id }) => id!),
    );
    const byId = new Map(stored.map((document) => [document.id, document]));
    const same = new Map<number, "before" | "since">();
    for (const [i, { id, index }] of duplicates.entries()) {
      // Comparing a whole chunk takes some tenths of a second: others have their turn in between.
      if (i % DOCUMENTS_A_CLOCK_READ === 0) await turnIfDue();
      const found = byId.get(id!);
      if (found === undefined) continue;
      const given = encodeDocument(chunk[index]);
      // PostgreSQL gives the fields in an order of its own.
      if (given !== found.json && !isDeepStrictEqual(JSON.parse(given), JSON.parse(found.json))) continue;
      same.set(index, found.updatedAt < this.#startedAt ? "before" : "since");
    }
    return same;
  }

  /** What the import rejects with. The source's own errors stay as they are. */
  #stoppedBy(error: unknown): unknown {
    if (!(error instanceof FormDBError)) return error;
    const { code, message, retryable, outcome } = error;
    const counts = {
      read: this.#read,
      imported: this.#imported,
      unchanged: this.#unchanged,
      failed: this.#failed,
    };
    const { read, imported, failed } = counts;
    const sofar = `${imported} of the ${read} documents read are imported, ${failed} were rejected`;
    const but = this.#hasMadeIds ? ", but stores documents without an id once more" : "";
    const again = retryable
      ? `. Running it again with ifExists: "skip-identical" goes on from there${but}`
      : "";
    return new FormDBError(code, `The import stopped: ${message}. ${sofar}${again}`, {
      cause: error,
      retryable,
      details: outcome === undefined ? counts : { ...counts, outcome },
    });
  }

  /** Gives what the application's callback gives. */
  #reject(error: BatchError, document: unknown): unknown {
    this.#failed++;
    if (this.#errors.length < MAX_ERRORS) this.#errors.push(error);
    const { index, id, code, error: message } = error;
    if (this.#skipsIdentical) this.#tools.rejected(code);
    return this.#options.onRejected?.({
      index,
      ...(id === undefined ? {} : { id }),
      code,
      error: message,
      document,
    });
  }
}

const NONE: ReadonlyMap<number, "before" | "since"> = new Map();
const STORED_SINCE =
  ": this very document, stored since this import began; it is in the input twice, or another import writes it too";

function hasNoId(document: unknown): boolean {
  try {
    return (
      typeof document === "object" && document !== null && (document as { id?: unknown }).id === undefined
    );
  } catch {
    return false;
  }
}

function isDuplicate({ code, id }: BatchError): boolean {
  return code === "FORMDB_DUPLICATE_ID" && id !== undefined;
}

/** Roughly the bytes of a document. What can't be written as JSON is refused later. */
function sizeOf(document: unknown): number {
  try {
    return JSON.stringify(document)?.length ?? 1;
  } catch {
    return 1;
  }
}
