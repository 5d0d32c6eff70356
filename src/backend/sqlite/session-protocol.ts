import type { CallOptions } from "../../base/abort.ts";
import type { FailureOutcome } from "../../base/errors.ts";
import type { EngineResult, GroupWrite, StoredDocument } from "../backend.ts";
import type { SqliteFailure } from "./errors.ts";
import type { FileIdentity } from "./file-identity.ts";

/** A statement to run. `values` go to its `?` in their order. */
export interface ExecuteRequest {
  readonly do: "execute";
  readonly text: string;
  readonly values: readonly unknown[];
  readonly returnsRows: boolean;
  /** Whether it changes something, though it returns rows. */
  readonly writes?: boolean | undefined;
  /** Whether the statement is kept prepared. */
  readonly keep: boolean;
  /** Whether it is a user's own SQL, whose columns' names are asked for. */
  readonly raw?: boolean;
  /** Whether the connection has begun a transaction. The session refuses the request if it does not agree. */
  readonly inTransaction: boolean;
}

/** A request to a SQLite session. A connection makes one at a time; they are answered in order. */
export type SessionRequest =
  /** Opens the database and makes FormDB's own tables. */
  | { readonly do: "bootstrap"; readonly texts: readonly string[] }
  | ExecuteRequest
  /** Opens a stream of the statement's rows; the result is its number. */
  | { readonly do: "openStream"; readonly text: string; readonly values: readonly unknown[] }
  | { readonly do: "readStream"; readonly stream: number }
  | { readonly do: "closeStream"; readonly stream: number }
  | { readonly do: "write"; readonly group: GroupWrite; readonly inTransaction: boolean }
  | { readonly do: "getMany"; readonly collection: string; readonly ids: readonly string[] }
  | { readonly do: "lookUpToken"; readonly token: string }
  | { readonly do: "pruneTokens"; readonly before: number }
  | { readonly do: "begin" }
  | { readonly do: "commit" }
  | { readonly do: "rollback" }
  | { readonly do: "close" };

/** What a statement gave. A long result comes in parts: `rest` is the stream of the rows that follow. */
export type ExecuteResult = EngineResult & {
  readonly rows: unknown[][];
  readonly rest: number | undefined;
};

/** Rows of a stream, and whether it has ended with them. */
export interface StreamChunk {
  readonly rows: unknown[][];
  readonly done: boolean;
}

/** What a group of writes did, in a form that crosses between threads. */
export interface SessionWriteResult {
  readonly missing: string[];
  readonly rejected: { readonly id: string; readonly failure: SqliteFailure }[];
  /** Of changes, aligned with them. */
  readonly changes?: SessionChangeResult[] | undefined;
}

/** How a change ended; null where there was no document. */
export type SessionChangeResult =
  | null
  | { readonly version: number; readonly unchanged?: string | undefined }
  | { readonly failure: SqliteFailure };

/** The result of each request. */
export interface SessionResults {
  bootstrap: FileIdentity | undefined;
  /** With the milliseconds that it took. */
  execute: ExecuteResult & { readonly ms: number };
  openStream: number;
  readStream: StreamChunk;
  closeStream: undefined;
  write: SessionWriteResult;
  getMany: StoredDocument[];
  lookUpToken: SessionWriteResult | undefined;
  pruneTokens: undefined;
  begin: undefined;
  commit: undefined;
  rollback: undefined;
  close: undefined;
}

export type RequestKind = SessionRequest["do"];
export type RequestOf<K extends RequestKind> = Extract<SessionRequest, { readonly do: K }>;

/** What is known of a request if its session ends before it has answered. What was not committed is rolled back. */
export function outcomeIfLost(request: SessionRequest): FailureOutcome | undefined {
  if (!mayWrite(request)) return undefined;
  const commits = request.do !== "begin" && !("inTransaction" in request && request.inTransaction);
  return commits ? "unknown" : "rejected";
}

/** Whether a request may change the database, so that its failure has an outcome. */
export function mayWrite(request: SessionRequest): boolean {
  switch (request.do) {
    case "write":
    case "begin":
    case "commit":
      return true;
    case "execute":
      return !request.returnsRows || request.writes === true;
    default:
      return false;
  }
}

/** The way from a connection to the session that answers it: on a worker thread, or on the caller's own. */
export interface SessionClient {
  /** True while requests can be made. */
  readonly usable: boolean;
  /** Whether requests are answered on the caller's thread. */
  readonly local: boolean;
  /** Called once if the session is lost without having been asked to end. */
  onLost: ((error: Error) => void) | undefined;
  /** `what` names the request in errors. */
  request<K extends RequestKind>(
    what: string,
    request: RequestOf<K>,
    options?: CallOptions,
  ): Promise<SessionResults[K]>;
  /** Ends what the connection has begun, after the requests before it. Never throws. */
  close(): Promise<void>;
}
