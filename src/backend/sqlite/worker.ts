import { parentPort, workerData } from "node:worker_threads";
import { answer } from "./answer.ts";
import type { DatabaseSettings } from "./database-settings.ts";
import { failureOf, type SqliteFailure } from "./errors.ts";
import { SqliteSession } from "./session.ts";
import type { SessionRequest } from "./session-protocol.ts";
import { ownTime } from "./thread-usage.ts";

/** What a worker thread sends back for each request. */
export type WorkerResponse =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly failure: SqliteFailure };

/** The worker thread's side of a SQLite connection: a session that answers one request after the other. */
const port = parentPort!;
const stopwatch = ownTime();
let session: SqliteSession | undefined;

port.on("message", (request: SessionRequest) => {
  port.postMessage(respond(request));
  if (request.do === "close") port.close();
});

function respond(request: SessionRequest): WorkerResponse {
  try {
    session ??= new SqliteSession(workerData as DatabaseSettings);
    return { ok: true, result: answer(session, request, stopwatch) };
  } catch (error) {
    return { ok: false, failure: session?.failureOf(error) ?? failureOf(error) };
  }
}
