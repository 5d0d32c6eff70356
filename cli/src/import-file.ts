import { checkCollectionName } from "@formdb/perf";
import { checkPaths } from "./check-paths.ts";
import { type ImportReport, reportImport } from "./import-report.ts";
import { type ImportOutcome, runImport } from "./import-run.ts";
import { configError } from "./message.ts";
import { type Database, openDatabase, serverOf } from "./open-database.ts";
import { startProgress } from "./progress.ts";
import type { ColumnType } from "./read/column-types.ts";
import { type CsvNotes, readCsv } from "./read/csv-documents.ts";
import type { Entry } from "./read/entry.ts";
import { type Input, type InputFormat, openInput } from "./read/input.ts";
import { readJson } from "./read/json-array.ts";
import { readNdjson } from "./read/ndjson.ts";
import { type Reject, RejectsFile } from "./rejects-file.ts";
import { listenForInterruption } from "./signals.ts";

export interface ImportFlags {
  readonly into: string;
  readonly db?: string;
  readonly format?: InputFormat;
  readonly idField?: string;
  readonly newIds?: boolean;
  readonly rejects?: string;
  readonly batchSize?: number;
  readonly delimiter?: string;
  readonly columns?: readonly string[];
  readonly type?: ReadonlyMap<string, ColumnType>;
  readonly inferTypes: boolean;
  readonly source?: string;
}

/**
 * Documents in one transaction unless the user says otherwise. Each transaction waits for the disk, so an import takes more at
 * once than callers who wait for each of their writes.
 */
const DEFAULT_BATCH_SIZE = 1_000;
/** How many rejects are shown on standard error. */
const SHOWN_REJECTS = 10;

/** Runs an import and reports it; gives the exit code. */
export async function importFile(file: string, flags: ImportFlags): Promise<number> {
  const collection = checkCollectionName(flags.into);
  const { batchSize = DEFAULT_BATCH_SIZE } = flags;
  if (flags.batchSize !== undefined && serverOf(flags.db) !== undefined) {
    throw configError("--batch-size can't be given with a server's URL: the server decides it");
  }
  checkPaths({ input: file, rejects: flags.rejects, url: flags.db });
  const input = await openInput(file, flags.format);
  try {
    checkFormat(input, flags);
    await using db = await openDatabase(flags.db, { batch: { maxBatchSize: batchSize } });
    return reportImport(await importInput(db, collection, input, flags));
  } finally {
    input.stop();
  }
}

/** Refuses options that mean nothing for what the input is. */
function checkFormat({ format, name }: Input, flags: ImportFlags): void {
  if (format === "csv" || format === "tsv") return;
  const given = (["delimiter", "columns", "type"] as const).find((option) => flags[option] !== undefined);
  if (given === undefined) return;
  throw configError(`--${given} is for CSV, and ${name} is read as ${format}; --format csv says otherwise`);
}

async function importInput(
  db: Database,
  collection: string,
  input: Input,
  flags: ImportFlags,
): Promise<ImportReport> {
  const interruption = listenForInterruption();
  interruption.signal.addEventListener("abort", () => input.stop(), { once: true });
  const shown: Reject[] = [];
  const rejects = flags.rejects === undefined ? undefined : new RejectsFile(flags.rejects);
  const progress = startProgress({ totalBytes: input.sizeBytes, bytesRead: input.bytesRead }, process.stderr);
  const notes: CsvNotes = { headerData: [], drifts: new Map() };
  let outcome: ImportOutcome;
  try {
    outcome = await runImport(db, collection, readEntries(input, flags, notes), {
      idField: flags.idField,
      newIds: flags.newIds === true,
      source: flags.source ?? input.source,
      stop: interruption.signal,
      onProgress: (counts) => progress.update(counts),
      onReject: (reject) => {
        if (shown.length < SHOWN_REJECTS) shown.push(reject);
        rejects?.write(reject);
      },
    });
    outcome = closed(rejects, outcome);
  } finally {
    progress.stop();
    interruption.release();
  }
  const { rejects: rejectsFile, newIds } = flags;
  const interrupted = interruption.exitCode();
  return { outcome, collection, input, shown, rejectsFile, newIds: newIds === true, notes, interrupted };
}

/** What is left of the rejects is written at the end. Where that fails, what was imported is told all the same. */
function closed(rejects: RejectsFile | undefined, outcome: ImportOutcome): ImportOutcome {
  try {
    rejects?.close();
    return outcome;
  } catch (error) {
    return { ...outcome, failure: outcome.failure ?? error };
  }
}

/** The documents of an input, by its format. */
function readEntries(input: Input, flags: ImportFlags, notes: CsvNotes): AsyncIterable<Entry> {
  switch (input.format) {
    case "ndjson":
      return readNdjson(input.chunks);
    case "json":
      return readJson(input.chunks);
    case "csv":
    case "tsv":
      return readCsv(input.chunks, {
        delimiter: flags.delimiter ?? (input.format === "tsv" ? "\t" : undefined),
        columns: flags.columns,
        inferTypes: flags.inferTypes,
        types: flags.type,
        // Ids that are made keep what the column `id` holds as data like any other.
        textColumns: flags.newIds === true ? [] : [flags.idField ?? "id"],
        notes,
      });
    default:
      return input.format satisfies never;
  }
}
