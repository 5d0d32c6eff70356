import { FormDBError, type ImportOptions, type RejectedDocument } from "@formdb/perf";
import type { FastifyReply, FastifyRequest } from "fastify";
import { readNdjson } from "../read/ndjson.ts";
import { Failures } from "./failures.ts";
import type { Log } from "./log.ts";
import type { RouteTools } from "./server-options.ts";
import { answerTo, HttpError, messageInstead } from "./status.ts";

/** Lines of one upload that are in the queue and not settled. The client is not read while there are so many. */
const MAX_LINES_IN_FLIGHT = 500;
const MAX_BYTES_IN_FLIGHT = 8 * 1024 * 1024;
/** Failures that a result lists; it counts all. */
const MAX_ERRORS = 1_000;

/** How one line ended. `index` counts the documents from 0, `line` the lines from 1. */
export interface LineResult {
  readonly index: number;
  readonly line: number;
  readonly id?: string;
  readonly outcome: "applied" | "rejected" | "unknown";
  readonly code?: string;
  readonly error?: string;
}

/**
 * Inserts the documents of an NDJSON body as they arrive. The client is slowed by back-pressure to what the database
 * takes. Answers with a `BatchResult`, or, asked for `application/x-ndjson`, with a line for each document once it is
 * settled.
 */
export async function upload(
  tools: RouteTools,
  collection: string,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const byLine = (request.headers.accept ?? "").includes("application/x-ndjson");
  const lines = byLine ? new LineWriter(reply, tools.limits.stallTimeoutMs) : undefined;
  const counted = new Counted();
  const tell = (result: LineResult): Promise<void> | undefined => {
    counted.add(result);
    return lines?.write(`${JSON.stringify(result)}\n`);
  };
  try {
    await insertLines(tools, collection, request, tell);
  } catch (error) {
    const { status, body } = endedBy(error, request, tools.log);
    const { successful, failed, errors } = counted.result();
    const told = { error: { ...body.error, successful, failed, errors } };
    if (lines !== undefined) return lines.end(`${JSON.stringify(told)}\n`);
    return reply.code(status).send(told);
  }
  return lines === undefined ? counted.result() : lines.end("");
}

/**
 * Imports the documents of an NDJSON body as `db.import()` does. The answer is NDJSON too: `{progress}` and `{rejected}`
 * as they come, at last `{result}` or `{error}`.
 */
export async function importLines(
  { db, limits, draining, log }: RouteTools,
  collection: string,
  ifExists: ImportOptions["ifExists"],
  { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
): Promise<unknown> {
  const lines = new LineWriter(reply, limits.stallTimeoutMs);
  const tell = (line: object): Promise<void> | undefined => lines.write(`${JSON.stringify(line)}\n`);
  /** Why lines could not be read, by their documents' index: of those under way, and of the first ones, which the result lists. */
  const unreadable = new Map<number, FormDBError>();
  let failed = 0;
  const failures = new Failures(log, request.id);
  const withReason = <F extends Pick<RejectedDocument, "index" | "code" | "error">>(failure: F): F => {
    const why = unreadable.get(failure.index);
    return why === undefined ? failures.told(failure) : { ...failure, code: why.code, error: why.message };
  };
  const documents = async function* (): AsyncGenerator<unknown> {
    let index = 0;
    for await (const entry of readNdjson(bodyOf(request, limits.bodyTimeoutMs, draining))) {
      // What can't be read is no document either; it is refused in its place.
      if (entry.error !== undefined) unreadable.set(index, entry.error);
      yield entry.error === undefined ? entry.document : entry.excerpt.text;
      index++;
    }
  };
  try {
    const result = await db.import(collection, documents(), {
      ifExists,
      onProgress: (progress) => tell({ progress }),
      onRejected: (rejected) => {
        const told = withReason(rejected);
        if (++failed > MAX_ERRORS) unreadable.delete(rejected.index);
        return tell({ rejected: told });
      },
    });
    return lines.end(`${JSON.stringify({ result: { ...result, errors: result.errors.map(withReason) } })}\n`);
  } catch (error) {
    return lines.end(`${JSON.stringify(endedBy(error, request, log).body)}\n`);
  }
}

/** What is told of the error that has ended a body. What is not told of it is in the log. */
function endedBy(error: unknown, { id }: FastifyRequest, log: Log): ReturnType<typeof answerTo> {
  const failure = failureOf(error);
  const answer = answerTo(failure, id);
  const { code } = answer.body.error;
  if (messageInstead(code) !== undefined) {
    log.error({ reqId: id, err: failure, code }, "a body was not taken to its end");
  }
  return answer;
}

async function insertLines(
  { db, limits, draining, log }: RouteTools,
  collection: string,
  request: FastifyRequest,
  tell: (result: LineResult) => Promise<void> | undefined,
): Promise<void> {
  const failures = new Failures(log, request.id);
  const bounds = { timeoutMs: limits.callTimeoutMs };
  const inFlight = new Set<Promise<void>>();
  let bytesInFlight = 0;
  let failure: { readonly error: unknown } | undefined;
  let index = 0;
  const settle = async (line: number, at: number, document: Record<string, unknown>): Promise<void> => {
    const result = await db.insert(collection, document, bounds).then(
      (id) => ({ id, outcome: "applied" as const }),
      (error: unknown) => failures.told(failedLine(error), error),
    );
    await tell({ index: at, line, ...result });
  };
  try {
    for await (const entry of readNdjson(bodyOf(request, limits.bodyTimeoutMs, draining))) {
      const at = index++;
      if (entry.error !== undefined) {
        const { code, message } = entry.error;
        await tell({ index: at, line: entry.line, outcome: "rejected", code, error: message });
        continue;
      }
      const bytes = entry.excerpt.text.length;
      bytesInFlight += bytes;
      const settled: Promise<void> = settle(entry.line, at, entry.document)
        .catch((error: unknown) => {
          failure ??= { error };
        })
        .finally(() => {
          inFlight.delete(settled);
          bytesInFlight -= bytes;
        });
      inFlight.add(settled);
      while (inFlight.size >= MAX_LINES_IN_FLIGHT || bytesInFlight >= MAX_BYTES_IN_FLIGHT) {
        await Promise.race(inFlight);
      }
      if (failure !== undefined) throw failure.error;
    }
  } finally {
    await Promise.all(inFlight);
  }
  if (failure !== undefined) throw failure.error;
}

function failedLine(error: unknown): Omit<LineResult, "index" | "line"> {
  if (!(error instanceof FormDBError)) throw error;
  const { outcome, id, code, message } = error;
  return {
    ...(typeof id === "string" ? { id } : {}),
    outcome: outcome === "unknown" ? "unknown" : "rejected",
    code,
    error: message,
  };
}

/**
 * The body's parts, each of which must come in time. Ends with an error when the server drains. What is left of the body
 * is then thrown away as it comes: a connection that nobody reads does not notice its own end.
 */
async function* bodyOf(
  { raw }: FastifyRequest,
  timeoutMs: number,
  draining: AbortSignal,
): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      if (draining.aborted) throw ending();
      const part = raw.read() as Uint8Array | null;
      if (part !== null) yield part;
      else if (raw.readableEnded) return;
      else await nextPart(raw, timeoutMs, draining);
    }
  } finally {
    raw.resume();
  }
}

/** Resolves once there is more of the body, or its end. */
function nextPart(raw: FastifyRequest["raw"], timeoutMs: number, draining: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error): void => {
      clearTimeout(timer);
      raw.off("readable", onPart).off("end", onPart).off("error", settle).off("close", onClose);
      draining.removeEventListener("abort", onDrain);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onPart = (): void => settle();
    const onClose = (): void => settle(lostBody(undefined));
    const onDrain = (): void => settle(ending());
    const timer = setTimeout(() => {
      settle(new HttpError("HTTP_TIMEOUT", `No part of the body came within ${timeoutMs} ms`));
    }, timeoutMs);
    raw.on("readable", onPart).on("end", onPart).on("error", settle).on("close", onClose);
    draining.addEventListener("abort", onDrain);
    if (raw.destroyed && !raw.readableEnded) onClose();
  });
}

function ending(): FormDBError {
  return new FormDBError("FORMDB_CLOSED", "The server is ending and reads no more of the body");
}

/** Whatever else ends the reading of a body has cut it short. */
function failureOf(error: unknown): FormDBError | HttpError {
  return error instanceof FormDBError || error instanceof HttpError ? error : lostBody(error);
}

function lostBody(cause: unknown): HttpError {
  return Object.assign(new HttpError("HTTP_BAD_REQUEST", "The body ended before its end"), { cause });
}

class Counted {
  readonly #errors: LineResult[] = [];
  #successful = 0;
  #failed = 0;

  add(result: LineResult): void {
    if (result.outcome === "applied") this.#successful++;
    else if (++this.#failed <= MAX_ERRORS) this.#errors.push(result);
  }

  result(): { successful: number; failed: number; errors: readonly object[] } {
    const errors = this.#errors.toSorted((a, b) => a.index - b.index);
    return { successful: this.#successful, failed: this.#failed, errors };
  }
}

/** Writes lines of an answer. A client that does not read them is waited for, and cut off once it takes nothing for a time. */
export class LineWriter {
  readonly #reply: FastifyReply;
  readonly #stallTimeoutMs: number;
  #begun = false;
  /** Settles once the client has taken what was written. */
  #drained: Promise<void> | undefined;

  constructor(reply: FastifyReply, stallTimeoutMs: number) {
    this.#reply = reply;
    this.#stallTimeoutMs = stallTimeoutMs;
  }

  write(text: string): Promise<void> | undefined {
    const raw = this.#begin();
    if (raw.destroyed) throw clientGone();
    if (raw.write(text)) return undefined;
    // All who write meanwhile wait for the same.
    this.#drained ??= this.#nextDrain(raw);
    return this.#drained;
  }

  #nextDrain(raw: FastifyReply["raw"]): Promise<void> {
    return new Promise((resolve, reject) => {
      let isStalled = false;
      const end = (): void => {
        raw.off("drain", end).off("close", end).off("timeout", onStall).setTimeout(0);
        this.#drained = undefined;
        if (isStalled) reject(clientStalled(this.#stallTimeoutMs));
        else if (raw.destroyed) reject(clientGone());
        else resolve();
      };
      const onStall = (): void => {
        isStalled = true;
        raw.destroy();
      };
      // The socket's own timeout sees whether the system takes bytes of a write that is under way.
      raw.on("drain", end).on("close", end).on("timeout", onStall).setTimeout(this.#stallTimeoutMs);
    });
  }

  end(text: string): FastifyReply {
    this.#begin().setTimeout(this.#stallTimeoutMs).end(text);
    return this.#reply;
  }

  /** Cuts the answer short, so that no client takes it for whole. */
  break(): FastifyReply {
    this.#begin().destroy();
    return this.#reply;
  }

  #begin(): FastifyReply["raw"] {
    const { raw } = this.#reply;
    if (!this.#begun) {
      this.#begun = true;
      this.#reply.hijack();
      raw.writeHead(200, {
        ...(this.#reply.getHeaders() as Record<string, string>),
        "content-type": "application/x-ndjson; charset=utf-8",
      });
      // While the database works on the next line, an idle connection is no fault of the client.
      raw.setTimeout(0);
    }
    return raw;
  }
}

function clientStalled(timeoutMs: number): FormDBError {
  return new FormDBError(
    "FORMDB_ABORTED",
    `The client must read its answer, and has taken nothing of it for ${timeoutMs} ms`,
  );
}

function clientGone(): FormDBError {
  return new FormDBError("FORMDB_ABORTED", "The client has closed the connection");
}
