import type { FileIdentity } from "./file-identity.ts";

/** How an acknowledged write survives: `full` outlives a power cut, `normal` outlives the process's end. */
export type Durability = "full" | "normal";

/** All that is needed to open one handle on a database; it can be sent to a worker thread. */
export interface DatabaseSettings {
  readonly file: string;
  readonly readOnly: boolean;
  readonly durability: Durability;
  /** Milliseconds to wait for another process's lock before giving up with `FORMDB_BUSY`. */
  readonly busyTimeoutMs: number;
  /** The file that must be at the path, once one was opened there. */
  readonly identity?: FileIdentity | undefined;
  /** Whether a handle found that the file or its log was taken away: no other handle may be opened. */
  readonly isReplaced?: boolean | undefined;
}
