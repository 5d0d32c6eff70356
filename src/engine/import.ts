import { isDeepStrictEqual } from "node:util";
import { checkCollectionName } from "../base/collection-name.ts";
import { type Document, encodeDocument } from "../base/document.ts";
import { FormDBError } from "../base/errors.ts";
import { checkOptions, func, object, oneOf, show } from "../base/options.ts";
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

export interface ImportOptions {
  /** Ends the reading; what was taken from the source is still written. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each batch. */
  readonly onProgress?: ((progress: ImportProgress) => void) | undefined;
  /** Called for each document that was not imported; unlike `errors`, for all of them. */
  readonly onRejected?: ((rejected: RejectedDocument) => void) | undefined;
  /**
   * What to do with a document whose id is taken. `reject` (the default): report it. `skip-identical`: count
   * it as `unchanged` where the very same document was there before this import began, else report it; so an
   * import that was cut off can be run again.
   */
  readonly ifExists?: "reject" | "skip-identical" | undefined;
}

export interface ImportResult {
  readonly read: number;
  readonly successful: number;
  /** Documents that were there already, as they are; see `ifExists`. */
  readonly unchanged: number;
  readonly failed: number;
  /** The first failures; `failed` counts all. */
  readonly errors: BatchError[];
  readonly elapsedMs: number;
}

/** Documents that are handed to the queue together, and written by one transaction. */
const CHUNK_SIZE = 5_000;
/** Chunks that are under way at once: one is being written while the next is read and encoded. */
const CHUNKS_IN_FLIGHT = 2;
/** Failures that a result lists. */
const MAX_ERRORS = 1_000;

/** What an import works with. `engineTime` is the engine's own time, in milliseconds since 1970. */
export interface ImportTools {
  readonly batch: BatchProcessor;
  readonly reads: DocumentReads;
  readonly engineTime: () => Promise<number>;
  /** Rows that the engine takes in one group at most. */
  readonly maxRows: number;
}

/** Writes all documents of a source through the batch queue, in bounded memory. */
export async function importDocuments(
  { batch, reads, engineTime, maxRows }: ImportTools,
  collection: string,
  documents: Iterable<unknown> | AsyncIterable<unknown>,
  options: ImportOptions = {},
): Promise<ImportResult> {
  checkCollectionName(collection);
  checkOptions("import()", options, {
    signal: object,
    onProgress: func,
    onRejected: func,
    ifExists: oneOf("reject", "skip-identical"),
  });
  checkSource(documents);
  const startedAt = options.ifExists === "skip-identical" ? await engineTime() : 0;
  return new Import(batch, reads, collection, options, startedAt, Math.min(CHUNK_SIZE, maxRows)).run(
    documents,
  );
}

function checkSource(documents: unknown): void {
  const source = documents as Partial<AsyncIterable<unknown> & Iterable<unknown>> | null | undefined;
  const iterable =
    typeof source === "object" &&
    source !== null &&
    (source[Symbol.iterator] !== undefined || source[Symbol.asyncIterator] !== undefined);
  if (iterable) return;
  throw new FormDBError(
    "FORMDB_CONFIG",
    `An import needs an iterable or async iterable of documents, not ${show(documents)}`,
  );
}

class Import {
  readonly #batch: BatchProcessor;
  readonly #reads: DocumentReads;
  readonly #collection: string;
  readonly #options: ImportOptions;
  readonly #startedAt: number;
  readonly #chunkSize: number;
  readonly #errors: BatchError[] = [];
  #read = 0;
  #imported = 0;
  #unchanged = 0;
  #failed = 0;

  constructor(
    batch: BatchProcessor,
    reads: DocumentReads,
    collection: string,
    options: ImportOptions,
    startedAt: number,
    chunkSize: number,
  ) {
    this.#startedAt = startedAt;
    this.#chunkSize = chunkSize;
    this.#batch = batch;
    this.#reads = reads;
    this.#collection = collection;
    this.#options = options;
  }

  async run(documents: Iterable<unknown> | AsyncIterable<unknown>): Promise<ImportResult> {
    const start = performance.now();
    const inFlight = new Set<Promise<void>>();
    let failure: { readonly error: unknown } | undefined;
    const send = (chunk: readonly unknown[]): void => {
      const first = this.#read - chunk.length;
      const sent: Promise<void> = this.#write(chunk, first)
        .catch((error: unknown) => {
          failure ??= { error };
        })
        .finally(() => inFlight.delete(sent));
      inFlight.add(sent);
    };
    let chunk: unknown[] = [];
    try {
      for await (const document of documents) {
        chunk.push(document);
        this.#read++;
        if (chunk.length === this.#chunkSize) {
          send(chunk);
          chunk = [];
          if (inFlight.size >= CHUNKS_IN_FLIGHT) await Promise.race(inFlight);
        }
        if (failure !== undefined || this.#options.signal?.aborted) break;
      }
    } finally {
      if (chunk.length > 0) send(chunk);
      await Promise.all(inFlight);
    }
    if (failure !== undefined) throw failure.error;
    return {
      read: this.#read,
      successful: this.#imported,
      unchanged: this.#unchanged,
      failed: this.#failed,
      errors: this.#errors,
      elapsedMs: performance.now() - start,
    };
  }

  async #write(chunk: readonly unknown[], firstIndex: number): Promise<void> {
    const result = await this.#batch.submitAll("insert", this.#collection, chunk, {
      maxErrors: chunk.length,
      maxBatchSize: this.#chunkSize,
    });
    let unchanged: ReadonlySet<string> = NONE;
    if (this.#options.ifExists === "skip-identical" && result.errors.some(isDuplicate)) {
      unchanged = await this.#alreadyThere(chunk, result.errors.filter(isDuplicate));
    }
    this.#imported += result.successful;
    for (const error of result.errors) {
      if (isDuplicate(error) && unchanged.has(error.id!)) this.#unchanged++;
      else this.#reject({ ...error, index: firstIndex + error.index }, chunk[error.index]);
    }
    this.#options.onProgress?.({
      read: this.#read,
      imported: this.#imported,
      unchanged: this.#unchanged,
      failed: this.#failed,
    });
  }

  /** The ids of those whose very document was stored before this import began. */
  async #alreadyThere(
    chunk: readonly unknown[],
    duplicates: readonly BatchError[],
  ): Promise<ReadonlySet<string>> {
    const stored = await this.#reads.stored(
      this.#collection,
      duplicates.map(({ id }) => id!),
    );
    const before = new Map(
      stored.filter(({ updatedAt }) => updatedAt < this.#startedAt).map(({ id, json }) => [id, json]),
    );
    const same = new Set<string>();
    for (const { id, index } of duplicates) {
      const json = before.get(id!);
      if (json === undefined) continue;
      const given = JSON.parse(encodeDocument(chunk[index])) as Document;
      if (isDeepStrictEqual(given, JSON.parse(json))) same.add(id!);
    }
    return same;
  }

  #reject(error: BatchError, document: unknown): void {
    this.#failed++;
    if (this.#errors.length < MAX_ERRORS) this.#errors.push(error);
    const { index, id, code, error: message } = error;
    this.#options.onRejected?.({
      index,
      ...(id === undefined ? {} : { id }),
      code,
      error: message,
      document,
    });
  }
}

const NONE: ReadonlySet<string> = new Set();

function isDuplicate({ code, id }: BatchError): boolean {
  return code === "FORMDB_DUPLICATE_ID" && id !== undefined;
}
