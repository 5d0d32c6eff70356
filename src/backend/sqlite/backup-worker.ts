import { parentPort, workerData } from "node:worker_threads";
import type { BackupProgress } from "../backend.ts";
import { copyPages } from "./copy-pages.ts";
import { openDatabase } from "./database.ts";
import type { DatabaseSettings } from "./database-settings.ts";
import { failureOf, type SqliteFailure } from "./errors.ts";

/** What a backup's thread is to do. */
export interface BackupOrder {
  readonly settings: DatabaseSettings;
  /** Where the pages go: an empty file. */
  readonly file: string;
}

/** What a backup's thread sends. */
export type BackupMessage =
  | { readonly progress: BackupProgress }
  | { readonly done: true }
  | { readonly failure: SqliteFailure };

const port = parentPort!;
const send = (message: BackupMessage): void => port.postMessage(message);

const { settings, file } = workerData as BackupOrder;
try {
  const database = openDatabase({ ...settings, readOnly: true });
  try {
    await copyPages(database, file, (progress) => send({ progress }));
  } finally {
    database.close();
  }
  send({ done: true });
} catch (error) {
  send({ failure: failureOf(error) });
}
