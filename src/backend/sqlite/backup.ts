import { randomUUID } from "node:crypto";
import { link, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { Worker } from "node:worker_threads";
import { bounded } from "../../base/abort.ts";
import { guardCallback } from "../../base/callback.ts";
import { systemClock } from "../../base/clock.ts";
import { FormDBError } from "../../base/errors.ts";
import { configError } from "../../base/options.ts";
import type { BackupOptions, BackupProgress, BackupResult } from "../backend.ts";
import { ALREADY_THERE, backupPlace } from "./backup-place.ts";
import type { BackupMessage, BackupOrder } from "./backup-worker.ts";
import type { DatabaseSettings } from "./database-settings.ts";
import { failureOf, sqliteError } from "./errors.ts";
import { workerFile } from "./worker-client.ts";

const WHAT = "The backup";

/** Copies all pages of a database to a file that is there and empty, until the signal fires. */
export type CopyPages = (
  file: string,
  signal: AbortSignal,
  onProgress: (progress: BackupProgress) => void,
) => Promise<void>;

/** The backups of one database that are under way. */
export class Backups {
  readonly #underWay = new Set<AbortController>();

  /**
   * Copies a database to a file: into a temporary file beside it, which gets the file's name once all of it is on the disk.
   * So there is never half a backup under that name, and what was there before is there until the new one is whole.
   */
  async run(
    file: string,
    database: string | undefined,
    copy: CopyPages,
    { overwrite = false, onProgress, signal, timeoutMs }: BackupOptions,
  ): Promise<BackupResult> {
    const place = backupPlace(file, database, overwrite);
    const temporary = `${place}.${randomUUID().slice(0, 8)}.partial`;
    const end = new AbortController();
    this.#underWay.add(end);
    const report = guardCallback((progress: BackupProgress) => onProgress?.(progress));
    const copied = this.#copy(temporary, copy, end.signal, report);
    try {
      await bounded(WHAT, copied, systemClock, { signal, timeoutMs });
      // From here on it takes no time worth giving up.
      if (overwrite) await rename(temporary, place);
      else await renameToNew(temporary, place);
      await syncFolder(dirname(place));
      return { file: place, bytes: (await stat(place)).size };
    } catch (error) {
      end.abort();
      await copied.catch(() => {});
      throw error instanceof FormDBError ? error : sqliteError(WHAT, failureOf(error), { cause: error });
    } finally {
      this.#underWay.delete(end);
      await rm(temporary, { force: true });
      await rm(`${temporary}-journal`, { force: true });
    }
  }

  /** Ends those that are under way. */
  end(): void {
    for (const end of this.#underWay) end.abort();
  }

  async #copy(
    temporary: string,
    copy: CopyPages,
    signal: AbortSignal,
    onProgress: (progress: BackupProgress) => void,
  ): Promise<void> {
    // Read and written by its owner alone, as new databases are.
    await (await open(temporary, "wx", 0o600)).close();
    try {
      await copy(temporary, signal, onProgress);
    } catch (error) {
      throw signal.aborted ? endedError() : error;
    }
    await syncPath(temporary, "r+");
  }
}

/** Copies a file's pages on a thread of its own, by a handle of its own, so that no connection is held. */
export function copyOnWorker(settings: DatabaseSettings): CopyPages {
  return (file, signal, onProgress) =>
    new Promise((resolve, reject) => {
      const worker = new Worker(workerFile("backup-worker", import.meta.url), {
        workerData: { settings, file } satisfies BackupOrder,
        execArgv: [],
      });
      worker.on("message", (message: BackupMessage) => {
        if ("failure" in message) reject(sqliteError(WHAT, message.failure));
        else if ("progress" in message) onProgress(message.progress);
        else resolve();
      });
      worker.on("error", (error) => reject(sqliteError(WHAT, failureOf(error), { cause: error })));
      worker.on("exit", () => reject(endedError()));
      const stop = (): void => void worker.terminate();
      if (signal.aborted) stop();
      else signal.addEventListener("abort", stop, { once: true });
    });
}

/** What a backup ends with if the database is closed meanwhile. */
export function endedError(): FormDBError {
  return new FormDBError("FORMDB_CONNECTION_LOST", "The backup was ended before it was whole");
}

/** Gives a file a name that must be free, so that nothing is lost that another process has put there meanwhile. */
async function renameToNew(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") {
      throw configError(`The backup can't be written to ${to}: ${ALREADY_THERE}`, "file", to);
    }
    // Some file systems have no second names for a file.
    if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"].includes(code ?? "")) throw error;
    await rename(from, to);
  }
}

async function syncFolder(folder: string): Promise<void> {
  // Windows can't open a folder.
  if (process.platform !== "win32") await syncPath(folder, "r");
}

async function syncPath(path: string, flags: "r" | "r+"): Promise<void> {
  const handle = await open(path, flags);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
