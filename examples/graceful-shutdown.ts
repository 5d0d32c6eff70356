/**
 * A service that ends well: `POST /notes` stores a document and answers 201 once it is committed. On SIGTERM it takes no
 * more requests, finishes those it has, writes what is queued, and ends. What it has acknowledged is never lost.
 *
 * Usage: FORMDB_URL=sqlite:notes.db PORT=8080 node graceful-shutdown.ts
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { FormDBError, open } from "@formdb/perf";

/** Less than what the supervisor waits before it sends SIGKILL (30 s in Kubernetes, 10 s in Docker). */
const DEADLINE_MS = 8_000;

const stop = new AbortController();
process.once("SIGTERM", () => stop.abort());
process.once("SIGINT", () => stop.abort());

const db = await open();
const server = createServer((request, response) => void answer(request, response));
server.listen(Number(process.env.PORT ?? 8080), "127.0.0.1");
await once(server, "listening");
console.log(`listening on ${(server.address() as AddressInfo).port}`);

await once(stop.signal, "abort");

const startedAt = performance.now();
// 1. No new requests; those under way get their answers, but do not keep the process beyond its time.
const answered = once(server, "close");
server.close();
await Promise.race([answered, new Promise((resolve) => setTimeout(resolve, DEADLINE_MS / 2).unref())]);
// 2. What is queued is written. What could not be written in time was acknowledged to nobody; it is told here.
const left = Math.max(0, DEADLINE_MS - (performance.now() - startedAt));
const { undelivered, result } = await db.close({ deadlineMs: left });
console.log(
  `closed: ${result.successful} written, ${result.failed} failed, ${undelivered.length} not delivered`,
);
process.exitCode = result.failed === 0 ? 0 : 1;
server.closeAllConnections();

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) body += chunk;
    // The time is the request's: a write that is not sent by then is taken back.
    const id = await db.insert("notes", JSON.parse(body), { timeoutMs: 5_000 });
    // A client that keeps its connection would go on sending.
    response.shouldKeepAlive = !stop.signal.aborted;
    response.writeHead(201).end(id);
  } catch (error) {
    const isOurs = error instanceof FormDBError;
    const status = !isOurs ? 400 : error.retryable || error.code === "FORMDB_CLOSED" ? 503 : 500;
    response.shouldKeepAlive = !stop.signal.aborted;
    response.writeHead(status).end(isOurs ? error.code : "bad request");
  }
}
