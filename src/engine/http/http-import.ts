import { encodeDocument } from "../../base/document.ts";
import { type ErrorCode, FormDBError } from "../../base/errors.ts";
import type { ImportOptions, ImportProgress, ImportResult, RejectedDocument } from "../import.ts";
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

/** A document that could not be written as JSON here, and why. */
interface Unwritable {
  readonly document: unknown;
  readonly code: string;
  readonly error: string;
}

/** Sends documents as fast as the server takes them, which imports them as `db.import()` does there. */
export async function importOverHttp(
  client: HttpClient,
  path: string,
  documents: Iterable<unknown> | AsyncIterable<unknown>,
  { signal, ifExists = "reject", onProgress, onRejected }: ImportOptions,
): Promise<ImportResult> {
  const unwritable = new Map<number, Unwritable>();
  const texts = linesOf(documents, signal, unwritable);
  const own = <T extends { readonly index: number }>(told: T): T => ({
    ...told,
    ...unwritable.get(told.index),
  });
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
    if (told.rejected !== undefined) await onRejected?.(own(told.rejected));
    if (told.error !== undefined) throw toldError(told.error, 200);
    result ??= told.result;
  }
  if (result === undefined) {
    throw new FormDBError(
      "FORMDB_CONNECTION_LOST",
      "The server ended its answer to an import without a result",
      {
        details: { outcome: "unknown" },
      },
    );
  }
  const errors = result.errors.map(({ index, ...error }) => {
    const here = unwritable.get(index);
    return here === undefined
      ? { index, ...error }
      : { index, ...error, code: here.code as ErrorCode, error: here.error };
  });
  return { ...result, errors, aborted: signal?.aborted ?? false };
}

/** Ends early when the signal fires: what was taken from the source is still imported. */
async function* linesOf(
  documents: Iterable<unknown> | AsyncIterable<unknown>,
  signal: AbortSignal | undefined,
  unwritable: Map<number, Unwritable>,
): AsyncGenerator<string> {
  let index = 0;
  for await (const document of documents) {
    let line: string;
    try {
      line = encodeDocument(document);
    } catch (error) {
      if (!(error instanceof FormDBError)) throw error;
      unwritable.set(index, { document, code: error.code, error: error.message });
      line = UNWRITABLE;
    }
    index++;
    yield `${line}\n`;
    if (signal?.aborted) return;
  }
}
