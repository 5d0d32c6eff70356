import { parentPort, workerData } from "node:worker_threads";
import type { DatabaseSettings } from "./database-settings.ts";
import { failureOf } from "./errors.ts";
import { SqliteSession } from "./session.ts";
import { nextChunk } from "./stream-chunk.ts";
import type { WorkerRequest, WorkerResponse } from "./worker-protocol.ts";

/** The worker thread's side of a SQLite connection: a session that answers one request after the other. */
const port = parentPort!;
let session: SqliteSession | undefined;
let iteration: IterableIterator<unknown[]> | undefined;

port.on("message", (request: WorkerRequest) => {
  let response: WorkerResponse;
  try {
    session ??= new SqliteSession(workerData as DatabaseSettings);
    response = { ok: true, result: answer(session, request) };
  } catch (error) {
    response = { ok: false, failure: failureOf(error) };
  }
  port.postMessage(response);
  if (request.do === "close") port.close();
});

function answer(open: SqliteSession, request: WorkerRequest): unknown {
  switch (request.do) {
    case "bootstrap":
      open.bootstrap(request.texts);
      return null;
    case "execute": {
      const start = performance.now();
      const result = open.execute(
        request.text,
        request.values,
        request.returnsRows,
        request.keep,
        request.inTransaction,
      );
      return { ...result, ms: performance.now() - start };
    }
    case "iterate":
      iteration = open.iterate(request.text, request.values);
      return null;
    case "next":
      return iteration === undefined ? { rows: [], done: true } : nextChunk(iteration);
    case "endIteration":
      iteration?.return?.();
      iteration = undefined;
      return null;
    case "write":
      return open.write(request.group, request.inTransaction);
    case "getMany":
      return open.getMany(request.collection, request.ids);
    case "lookUpToken":
      return open.lookUpToken(request.token);
    case "pruneTokens":
      open.pruneTokens(request.before);
      return null;
    case "begin":
      open.begin(request.forWriting);
      return null;
    case "commit":
      open.commit();
      return null;
    case "rollback":
      open.rollback();
      return null;
    case "ping":
      return true;
    case "close":
      open.close();
      return null;
    default:
      return request satisfies never;
  }
}
