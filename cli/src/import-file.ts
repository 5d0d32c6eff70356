import type { FormDB } from "@formdb/perf";
import { checkCollectionName, open } from "@formdb/perf";
import { checkPaths } from "./check-paths.ts";
import { ExitCode, exitCodeOf } from "./exit-code.ts";
import { type ImportOutcome, rejectLine, runImport } from "./import-run.ts";
import { messageOf } from "./message.ts";
import { grouped, perSecond, seconds } from "./numbers.ts";
import { startProgress } from "./progress.ts";
import { readCsv } from "./read/csv-documents.ts";
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
  readonly rejects?: string;
  readonly batchSize: number;
  readonly delimiter?: string;
  readonly inferTypes: boolean;
  readonly source?: string;
}

/** How many rejects are shown on standard error. */
const SHOWN_REJECTS = 10;

/** Runs an import and reports it; gives the exit code. */
export async function importFile(file: string, flags: ImportFlags): Promise<number> {
  const collection = checkCollectionName(flags.into);
  checkPaths({ input: file, rejects: flags.rejects, url: flags.db });
  const input = await openInput(file, flags.format);
  try {
    await using db = await open(flags.db, { batch: { maxBatchSize: flags.batchSize } });
    return await importInput(db, collection, input, flags);
  } finally {
    input.stop();
  }
}

async function importInput(
  db: FormDB,
  collection: string,
  input: Input,
  flags: ImportFlags,
): Promise<number> {
  const interruption = listenForInterruption();
  interruption.signal.addEventListener("abort", () => input.stop(), { once: true });
  const shown: Reject[] = [];
  const rejects = flags.rejects === undefined ? undefined : new RejectsFile(flags.rejects);
  const progress = startProgress({ totalBytes: input.sizeBytes, bytesRead: input.bytesRead }, process.stderr);
  let outcome: ImportOutcome;
  try {
    outcome = await runImport(db, collection, readEntries(input, flags), {
      idField: flags.idField,
      source: flags.source ?? input.source,
      stop: interruption.signal,
      onProgress: (counts) => progress.update(counts),
      onReject: (reject) => {
        if (shown.length < SHOWN_REJECTS) shown.push(reject);
        rejects?.write(reject);
      },
    });
    rejects?.close();
  } finally {
    progress.stop();
    interruption.release();
  }
  reportRejects(shown, outcome, flags.rejects);
  reportOutcome(outcome, collection, input);
  return reportEnd(outcome, interruption.exitCode(), input);
}

/** The documents of an input, by its format. */
function readEntries(
  input: Input,
  flags: Pick<ImportFlags, "delimiter" | "inferTypes" | "idField">,
): AsyncIterable<Entry> {
  switch (input.format) {
    case "ndjson":
      return readNdjson(input.chunks);
    case "json":
      return readJson(input.chunks);
    case "csv":
    case "tsv":
      return readCsv(input.chunks, {
        delimiter: flags.delimiter ?? (input.format === "tsv" ? "\t" : undefined),
        inferTypes: flags.inferTypes,
        textColumns: [flags.idField ?? "id"],
      });
    default:
      return input.format satisfies never;
  }
}

function reportRejects(
  shown: readonly Reject[],
  { rejected }: ImportOutcome,
  file: string | undefined,
): void {
  if (rejected === 0) return;
  const lines = shown.map(rejectLine);
  const more = rejected - shown.length;
  if (more > 0) lines.push(`and ${grouped(more)} more`);
  lines.push(
    file === undefined
      ? "--rejects FILE writes all of them with their reasons"
      : `all of them are in ${file}`,
  );
  process.stderr.write(`${lines.join("\n")}\n`);
}

function reportOutcome(outcome: ImportOutcome, collection: string, input: Input): void {
  const { imported, unchanged, rejected, elapsedMs, madeIds } = outcome;
  const lines = [
    `${collection}: ${grouped(imported)} imported, ${grouped(unchanged)} already there, ${grouped(rejected)} rejected ` +
      `in ${seconds(elapsedMs)} (${perSecond(imported + unchanged + rejected, elapsedMs)} documents/s)`,
  ];
  if (madeIds > 0) {
    const from = input.source === "-" ? "the standard input" : input.source;
    lines.push(
      `${grouped(madeIds)} without an id got one made from ${from}, their place in it and their content`,
    );
  }
  process.stdout.write(`${lines.join("\n")}\n`);
}

function reportEnd(outcome: ImportOutcome, interrupted: number | undefined, input: Input): number {
  if (outcome.failure !== undefined) {
    process.stderr.write(
      `formdb: the import stopped early: ${messageOf(outcome.failure)}\n` +
        "What is counted above is stored; the same command again goes on and stores nothing twice.\n",
    );
    return exitCodeOf(outcome.failure);
  }
  if (interrupted !== undefined) {
    const of = input.sizeBytes === undefined ? "" : ` of ${grouped(input.sizeBytes)}`;
    process.stderr.write(
      `formdb: interrupted after ${grouped(input.bytesRead())}${of} bytes of ${input.name}. ` +
        "What was read is stored; the same command again goes on and stores nothing twice.\n",
    );
    return interrupted;
  }
  return outcome.rejected > 0 ? ExitCode.doneWithRejects : ExitCode.done;
}
