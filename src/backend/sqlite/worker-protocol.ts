import type { EngineResult, GroupWrite, StoredDocument } from "../backend.ts";
import type { SqliteFailure } from "./errors.ts";
import type { SessionWriteResult } from "./session.ts";
import type { StreamChunk } from "./stream-chunk.ts";

/** What a connection asks of its worker thread. One request at a time, answered in order. */
export type WorkerRequest =
  /** Opens the database and makes what FormDB needs in it. */
  | { readonly do: "bootstrap"; readonly texts: readonly string[] }
  | {
      readonly do: "execute";
      readonly text: string;
      readonly values: readonly unknown[];
      readonly returnsRows: boolean;
      readonly keep: boolean;
      /** Whether the connection has begun a transaction; the session refuses where it has not. */
      readonly inTransaction: boolean;
    }
  | { readonly do: "iterate"; readonly text: string; readonly values: readonly unknown[] }
  /** The next chunk of the iteration that is open. */
  | { readonly do: "next" }
  | { readonly do: "endIteration" }
  | { readonly do: "write"; readonly group: GroupWrite; readonly inTransaction: boolean }
  | { readonly do: "getMany"; readonly collection: string; readonly ids: readonly string[] }
  | { readonly do: "lookUpToken"; readonly token: string }
  | { readonly do: "pruneTokens"; readonly before: number }
  | { readonly do: "begin"; readonly forWriting: boolean }
  | { readonly do: "commit" }
  | { readonly do: "rollback" }
  | { readonly do: "ping" }
  | { readonly do: "close" };

/** What each request gives. */
export interface WorkerResults {
  bootstrap: null;
  execute: EngineResult & { readonly ms: number };
  iterate: null;
  next: StreamChunk;
  endIteration: null;
  write: SessionWriteResult;
  getMany: StoredDocument[];
  lookUpToken: SessionWriteResult | undefined;
  pruneTokens: null;
  begin: null;
  commit: null;
  rollback: null;
  ping: true;
  close: null;
}

export type WorkerResponse =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly failure: SqliteFailure };
