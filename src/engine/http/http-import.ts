import { untilAborted } from "../../base/abort.ts";
import { encodeDocument } from "../../base/document.ts";
import { type ErrorCode, FormDBError } from "../../base/errors.ts";
import { asFormDBError } from "../../batch/feeder.ts";
import { refusedOperation } from "../../batch/operation.ts";
import {
  type ImportOptions,
  type ImportProgress,
  type ImportResult,
  MAX_ERRORS,
  type RejectedDocument,
} from "../import.ts";
import type { HttpClient } from "./http-client.ts";
import { toldError } from "./http-errors.ts";

/** A line of the answer to an import. */
interface Told {
  readonly progress?: ImportProgress;
  readonly rejected?: RejectedDocument;
  readonly result?: ImportResult;
  readonly error?: { readonly code: string; readonly message: string };
}

/** What can't be written as JSON is sent as this, so that the server counts and refuses it in its place. */
const UNWRITABLE = "null";

/** Of the documents that were sent last, so much JSON is remembered, in UTF-16 units: what may be on its way to the server. */
const MAX_REMEMBERED = 16 * 1024 * 1024;

/** Why a document could not be sent. */
interface Refusal {
  readonly code: ErrorCode;
  readonly error: string;
  readonly id?: string;
}

interface Sent {
  readonly document: unknown;
  readonly length: number;
  readonly refusal: Refusal | undefined;
}

/** The documents that were sent last, by their indexes. The server tells of them by copies, and a caller knows its own. */
class SentDocuments {
  readonly #sent = new Map<number, Sent>();
  #length = 0;

  add(index: number, sent: Sent): void {
    this.#sent.set(index, sent);
    this.#length += sent.length;
    for (const [first, { length }] of this.#sent) {
      if (this.#length <= MAX_REMEMBERED) return;
      this.#sent.delete(first);
      this.#length -= length;
    }
  }

  get(index: number): Sent | undefined {
    return this.#sent.get(index);
  }
}

/** Sends documents as fast as the server takes them, which imports them as `db.import()` does there. */
export async function importOverHttp(
  client: HttpClient,
  path: string,
  documents: Iterable<unknown> | AsyncIterable<unknown>,
  { signal, ifExists = "reject", onProgress, onRejected }: ImportOptions,
): Promise<ImportResult> {
  const sent = new SentDocuments();
  let failure: { readonly error: unknown } | undefined;
  const texts = (async function* (): AsyncGenerator<string> {
    try {
      yield* linesOf(documents, signal, sent);
    } catch (error) {
      // What was read before is imported.
      failure = { error };
    }
  })();
  /** Why documents could not be written as JSON, for as many as a result lists. */
  const refusals = new Map<number, Refusal>();
  const own = (rejected: RejectedDocument): RejectedDocument => {
    const here = sent.get(rejected.index);
    if (here === undefined) return rejected;
    const { document, refusal } = here;
    if (refusal !== undefined && refusals.size < MAX_ERRORS) refusals.set(rejected.index, refusal);
    return { ...rejected, ...refusal, document };
  };
  const request = {
    what: "import()",
    method: "POST",
    path: `${path}?ifExists=${ifExists}`,
    isRepeatable: false,
    isWrite: true,
  } as const;
  let result: ImportResult | undefined;
  for await (const line of client.lines(request, texts)) {
    const told = JSON.parse(line) as Told;
    if (told.progress !== undefined) await onProgress?.(told.progress);
    if (told.rejected !== undefined) {
      const rejected = own(told.rejected);
      await onRejected?.(rejected);
    }
    if (told.error !== undefined) throw toldError(told.error, 200);
    result ??= told.result;
  }
  if (failure !== undefined) throw failure.error;
  if (result === undefined) {
    throw new FormDBError(
      "FORMDB_CONNECTION_LOST",
      "The server ended its answer to an import without a result",
      { details: { outcome: "unknown" } },
    );
  }
  const errors = result.errors.map((error) => ({ ...error, ...refusals.get(error.index) }));
  return { ...result, errors, aborted: signal?.aborted ?? false };
}

/** Ends early when the signal fires: what was taken from the source is still imported. */
async function* linesOf(
  documents: Iterable<unknown> | AsyncIterable<unknown>,
  signal: AbortSignal | undefined,
  sent: SentDocuments,
): AsyncGenerator<string> {
  if (signal?.aborted) return;
  const source = Symbol.asyncIterator in documents ? untilAborted(documents, signal) : documents;
  let index = 0;
  for await (const document of source) {
    let line = UNWRITABLE;
    let refusal: Refusal | undefined;
    try {
      line = encodeDocument(document);
    } catch (error) {
      const { code, message } = asFormDBError(error);
      const { id } = refusedOperation({ kind: "insert", collection: "", id: undefined, value: document });
      refusal = { code, error: message, ...(id === "" ? {} : { id }) };
    }
    sent.add(index++, { document, length: line.length, refusal });
    yield `${line}\n`;
    if (signal?.aborted) return;
  }
}
