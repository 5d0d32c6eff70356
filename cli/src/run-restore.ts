import { randomUUID } from "node:crypto";
import {
  type BigIntStats,
  createReadStream,
  createWriteStream,
  lstatSync,
  realpathSync,
  statSync,
} from "node:fs";
import { link, open as openFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { pathToFileURL } from "node:url";
import { databaseFiles, FormDBError, open } from "@formdb/perf";
import Database from "better-sqlite3";
import { ExitCode } from "./exit-code.ts";
import { configError, messageOf } from "./message.ts";
import { grouped } from "./numbers.ts";
import { refuseServer } from "./open-database.ts";
import { printable } from "./print/printable.ts";
import { say } from "./print/say.ts";
import { progressLines } from "./run-care.ts";
import { isSameFile } from "./same-file.ts";
import { interruptible } from "./signals.ts";

export interface RestoreFlags {
  readonly db?: string;
  readonly overwrite?: boolean;
}

/** Pages that are written between two looks at whether to go on. */
const PAGES_AT_ONCE = 128;

/** What SQLite keeps beside a database, under the database's name. */
const COMPANIONS = ["-wal", "-shm", "-journal"] as const;

/**
 * Puts a copy in the place of a SQLite database; gives the exit code. Where there is a database, its pages are overwritten in
 * one of SQLite's own transactions and under its locks, so that at each moment there is the old one or the new one
 * (decision 0158).
 */
export async function runRestore(
  copy: string,
  { db: url, overwrite = false }: RestoreFlags,
): Promise<number> {
  const target = targetOf(url);
  if (databaseFiles(url).some((file) => isSameFile(copy, file))) {
    throw configError(`The copy must be another file than the database and what belongs to it, not ${copy}`);
  }
  const before = atRest(copy);
  return interruptible(async ({ signal }) => {
    const old = lockedDatabase(target, overwrite);
    // SQLite leaves files beside what it reads, so it reads a file of our own: backups may lie where nothing can be written.
    const partial = `${target}.${randomUUID().slice(0, 8)}.partial`;
    try {
      await pipeline(
        createReadStream(copy),
        createWriteStream(partial, { flags: "wx", mode: 0o600, flush: true }),
        { signal },
      );
      const after = atRest(copy);
      if (after.mtimeNs !== before.mtimeNs || after.size !== before.size || after.ino !== before.ino) {
        throw refusal(copy, "it was changed while it was read");
      }
      await mustBeWhole(copy, partial, signal);
      if (old === undefined) await putWhereNothingIs(partial, target);
      else await writeInto(target, old, partial, signal);
      await syncFolder(dirname(target));
    } catch (error) {
      if (signal.aborted) say(process.stderr, `formdb: stopped; ${printable(target)} is as it was`);
      throw error;
    } finally {
      old?.close();
      for (const end of ["", ...COMPANIONS]) await rm(`${partial}${end}`, { force: true });
    }
    say(process.stdout, `${grouped(Number(before.size))} bytes in ${printable(target)}`);
    return ExitCode.done;
  });
}

/** The path of the database to restore, without links. Opens nothing. */
function targetOf(url: string | undefined): string {
  refuseServer("restore", url);
  const asked = url ?? process.env.FORMDB_URL;
  const [target] = databaseFiles(url);
  if (target === undefined) {
    throw new FormDBError(
      "FORMDB_UNSUPPORTED",
      "formdb restore is for a SQLite file. PostgreSQL has pg_restore, for what pg_dump has written",
    );
  }
  if (asked?.endsWith("?mode=ro")) throw configError("--db must not end in ?mode=ro: it is to be written");
  if (statSync(target, { throwIfNoEntry: false }) === undefined && isThere(target)) {
    throw configError(`${target} is a link to what is not there`);
  }
  return target;
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/**
 * What tells whether a copy was changed. Throws if it is no file, or if a log beside it holds what belongs to it, so that the
 * file alone is not the database.
 */
function atRest(copy: string): BigIntStats {
  const stats = statSync(copy, { throwIfNoEntry: false, bigint: true });
  if (stats === undefined) {
    if (/^(?:sqlite|file):/i.test(copy))
      throw configError(`The copy must be a path, without ${copy.split(":", 1)[0]}:, not ${copy}`);
    throw configError(`There is no file ${copy}`, copy);
  }
  if (!stats.isFile()) throw refusal(copy, "it is no file");
  for (const end of ["-wal", "-journal"]) {
    const log = statSync(`${realpathSync(copy)}${end}`, { throwIfNoEntry: false });
    if (log === undefined || log.size === 0) continue;
    throw refusal(
      copy,
      `a part of it is in ${copy}${end}, since it is open or was not closed. Make a copy that is whole: ` +
        `formdb backup whole.db --db sqlite:${copy}`,
    );
  }
  return stats;
}

/**
 * Opens the database that is there so that nobody else can, with all that its log holds in its file; undefined if there is
 * none. Throws if anybody has it open.
 */
function lockedDatabase(target: string, overwrite: boolean): Database.Database | undefined {
  if (!isThere(target)) return undefined;
  if (!overwrite) throw configError(`There is a file ${target} already; --overwrite replaces what it holds`);
  let database: Database.Database | undefined;
  try {
    database = new Database(target, { fileMustExist: true, timeout: 0 });
    // SQLite gives the log up only while nobody else has the database open.
    database.pragma("journal_mode = DELETE");
    database.exec("BEGIN EXCLUSIVE");
    return database;
  } catch (error) {
    database?.close();
    throw targetError(target, error);
  }
}

function targetError(target: string, error: unknown): FormDBError {
  const { code } = error as { readonly code?: string };
  if (code?.startsWith("SQLITE_BUSY")) return inUse(target);
  if (/^SQLITE_(?:NOTADB|CORRUPT)/.test(code ?? "")) {
    const why = code === "SQLITE_NOTADB" ? "is no SQLite database" : "is too damaged to be opened";
    return configError(
      `${target} ${why}, so that nobody can be kept out of it. Move it away, with its -wal if there is one, and restore again`,
      target,
      error,
    );
  }
  return configError(`${target} can't be written: ${messageOf(error)}`, target, error);
}

function inUse(target: string): FormDBError {
  return configError(`${target} is open in another process: end all that use it, then restore`, target);
}

/** Throws unless a file is a database of FormDB in which SQLite finds nothing wrong. */
async function mustBeWhole(copy: string, file: string, signal: AbortSignal): Promise<void> {
  // Nothing of a path may look like the password of a server.
  const url = pathToFileURL(file).href.replaceAll(/[@=]/g, encodeURIComponent);
  let wrong: string | undefined;
  try {
    await using db = await open(`${url}?mode=ro`);
    const own = await db.sql("SELECT 1 FROM sqlite_schema WHERE name = 'formdb_indexes'", [], { signal });
    const found = await db.sql("PRAGMA integrity_check(1)", [], { signal });
    const [text] = Object.values(found.rows[0]!);
    if (text !== "ok") wrong = String(text);
    else if (own.rows.length === 0) wrong = "it is no database that FormDB has made";
  } catch (error) {
    throw refusal(copy, messageOf(error).replaceAll(file, copy), error);
  }
  if (wrong !== undefined) throw refusal(copy, wrong);
}

function refusal(copy: string, why: string, cause?: unknown): FormDBError {
  return configError(`${copy} can't be restored: ${why}`, copy, cause);
}

/** Gives a file the name of a database that is not there. What an earlier one has left beside it goes first. */
async function putWhereNothingIs(file: string, target: string): Promise<void> {
  if (isThere(target)) throw appeared(target);
  for (const end of COMPANIONS) await rm(`${target}${end}`, { force: true });
  try {
    await link(file, target);
  } catch {
    if (isThere(target)) throw appeared(target);
    // Some file systems have no second names for a file.
    await rename(file, target);
  }
}

function appeared(target: string): FormDBError {
  return configError(
    `Another process has made ${target} meanwhile: end all that use it, then restore`,
    target,
  );
}

/**
 * Overwrites a database with the pages of another, all in one transaction. `old` is the handle that keeps others out: SQLite
 * takes the lock over by a handle of its own.
 */
async function writeInto(
  target: string,
  old: Database.Database,
  file: string,
  signal: AbortSignal,
): Promise<void> {
  const report = progressLines();
  const source = new Database(file, { readonly: true });
  try {
    const pageBytes = source.pragma("page_size", { simple: true }) as number;
    old.close();
    const { totalPages } = await source.backup(target, {
      progress: ({ totalPages: total, remainingPages }) => {
        signal.throwIfAborted();
        report({ copiedBytes: (total - remainingPages) * pageBytes, totalBytes: total * pageBytes });
        return PAGES_AT_ONCE;
      },
    });
    // Where another handle has the lock, the driver ends without a word and without a page.
    if (totalPages === 0) throw inUse(target);
  } catch (error) {
    if (signal.aborted || error instanceof FormDBError) throw error;
    throw targetError(target, error);
  } finally {
    source.close();
  }
}

/** Brings the end of SQLite's journal, or a new name, to the disk. */
async function syncFolder(folder: string): Promise<void> {
  // Windows can't open a folder.
  if (process.platform === "win32") return;
  const handle = await openFile(folder, "r");
  await handle.sync().finally(() => handle.close());
}
