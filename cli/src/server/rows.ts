import { setMaxListeners } from "node:events";
import type { Socket } from "node:net";
import { type CallOptions, FormDBError, type Row } from "@formdb/perf";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { RouteTools } from "./server-options.ts";
import { LineWriter } from "./upload.ts";

/** Rows that are written as one piece, and how many characters of them are enough for one. */
const ROWS_A_PIECE = 64;
const CHARACTERS_A_PIECE = 64 * 1024;

const ends = new WeakMap<Socket, AbortSignal>();

/** Fires when the client's connection is closed. All requests of a connection share it. */
export function endOf(socket: Socket): AbortSignal {
  const known = ends.get(socket);
  if (known !== undefined) return known;
  const end = new AbortController();
  // Pipelined requests may listen by the dozen.
  setMaxListeners(0, end.signal);
  socket.once("close", () => end.abort());
  ends.set(socket, end.signal);
  return end.signal;
}

/** A request for rows. */
interface Asked {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly tools: RouteTools;
}

/** Whether the client asks for NDJSON. */
export function wantsLines({ headers }: FastifyRequest): boolean {
  return (headers.accept ?? "").includes("application/x-ndjson");
}

/**
 * Answers with rows, one a line. The first row is there before the answer begins, so that a query that fails at once has
 * its status.
 */
export async function sendRows(
  begin: (bounds: CallOptions) => AsyncIterator<Row>,
  { request, reply, tools }: Asked,
): Promise<FastifyReply> {
  const { limits, log } = tools;
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), limits.callTimeoutMs);
  const signal = AbortSignal.any([endOf(request.raw.socket), late.signal]);
  let rows: AsyncIterator<Row>;
  let next: IteratorResult<Row>;
  try {
    rows = begin({ signal, timeoutMs: limits.streamTimeoutMs });
    next = await rows.next();
  } catch (error) {
    throw late.signal.aborted ? noRowWithin(limits.callTimeoutMs) : error;
  } finally {
    clearTimeout(timer);
  }
  const lines = new LineWriter(reply, limits.stallTimeoutMs);
  try {
    let piece: string[] = [];
    let characters = 0;
    for (; next.done !== true; next = await rows.next()) {
      const row = JSON.stringify(next.value);
      piece.push(row);
      characters += row.length;
      if (piece.length < ROWS_A_PIECE && characters < CHARACTERS_A_PIECE) continue;
      await lines.write(`${piece.join("\n")}\n`);
      piece = [];
      characters = 0;
    }
    return lines.end(piece.length === 0 ? "" : `${piece.join("\n")}\n`);
  } catch (error) {
    log.warn({ reqId: request.id, err: error }, "a stream of rows was cut short");
    // The query ends with what cut it, and is counted so.
    await rows.throw?.(error).catch(() => {});
    return lines.break();
  } finally {
    await rows.return?.();
  }
}

function noRowWithin(timeoutMs: number): FormDBError {
  return new FormDBError("FORMDB_TIMEOUT", `The stream had no row within its ${timeoutMs} ms`, {
    details: { timeoutMs },
  });
}
