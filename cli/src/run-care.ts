import type { BackupProgress, CheckProblem } from "@formdb/perf";
import { ExitCode } from "./exit-code.ts";
import { grouped, percent } from "./numbers.ts";
import { type Database, openDatabase, openHere } from "./open-database.ts";
import { Output, type OutputFormat } from "./print/output.ts";
import { printable } from "./print/printable.ts";
import { printRows } from "./print/rows.ts";
import { say } from "./print/say.ts";
import { interruptible } from "./signals.ts";

interface DatabaseFlags {
  readonly db?: string;
}

export interface CollectionsFlags extends DatabaseFlags {
  readonly count?: boolean;
  readonly format?: OutputFormat;
}

export interface BackupFlags extends DatabaseFlags {
  readonly overwrite?: boolean;
}

export type CheckFlags = DatabaseFlags;

/** Lists the collections; gives the exit code. */
export function runCollections({ db: url, count, format }: CollectionsFlags): Promise<number> {
  return interruptible(async ({ signal }) => {
    await using db = await openDatabase(url, { mustExist: true });
    const names = await db.listCollections();
    const indexes = await db.listIndexes();
    async function* rows(): AsyncGenerator<Record<string, unknown>> {
      for (const collection of names) {
        const own = indexes.filter((index) => index.collection === collection).map(({ name }) => name);
        const counted = count === true ? { documents: await countOf(db, collection, signal) } : {};
        yield { collection, ...counted, indexes: own };
      }
    }
    const output = new Output(process.stdout);
    return await printRows(rows(), format ?? (output.isTerminal ? "table" : "json"), output, false);
  });
}

/** Copies a SQLite database; gives the exit code. */
export function runBackup(file: string, { db: url, overwrite = false }: BackupFlags): Promise<number> {
  return interruptible(async ({ signal }) => {
    await using db = await openHere("backup", url, { mustExist: true });
    const result = await db.backup(file, { overwrite, signal, onProgress: progressLines() });
    say(process.stdout, `${grouped(result.bytes)} bytes in ${printable(result.file)}`);
    return ExitCode.done;
  });
}

/** Checks a database; gives the exit code. */
export function runCheck({ db: url }: CheckFlags): Promise<number> {
  return interruptible(async ({ signal }) => {
    await using db = await openHere("check", url, { mustExist: true });
    const { ok, problems } = await db.check({ signal });
    say(process.stdout, ok ? "no problems found" : problems.map(problemLine).join("\n"));
    return ok ? ExitCode.done : ExitCode.failed;
  });
}

async function countOf(db: Database, collection: string, signal: AbortSignal): Promise<number> {
  const { rows } = await db.query<{ n: number }>(`SELECT COUNT(*) AS n FROM \`${collection}\``, [], {
    signal,
  });
  return rows[0]!.n;
}

/** How often a line is written, in milliseconds. */
const LINE_INTERVAL_MS = 1_000;

/** Writes how far it is, on standard error and from time to time. */
export function progressLines(): (progress: BackupProgress) => void {
  let written = performance.now();
  return ({ copiedBytes, totalBytes }) => {
    const now = performance.now();
    if (now - written < LINE_INTERVAL_MS) return;
    written = now;
    process.stderr.write(`${percent(copiedBytes, totalBytes)} of ${grouped(totalBytes)} bytes\n`);
  };
}

function problemLine({ kind, collection, index, id, message }: CheckProblem): string {
  const name = index ?? id;
  const place = collection === undefined ? "" : ` of ${collection}`;
  return printable(`${kind}${name === undefined ? "" : ` ${name}`}${place}: ${message}`);
}
