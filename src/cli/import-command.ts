import { Command, InvalidArgumentError, Option } from "commander";
import { checkCollectionName } from "../base/collection-name.ts";
import { FormDBError, messageOf } from "../base/errors.ts";
import type { FormDB } from "../engine/form-db.ts";
import { open } from "../engine/open.ts";
import { databaseOption, wholeNumber } from "./database-option.ts";
import { ExitCode, exitCodeOf } from "./exit-code.ts";
import { type ImportOutcome, rejectLine, runImport } from "./import-run.ts";
import { grouped, perSecond, seconds } from "./numbers.ts";
import { startProgress } from "./progress.ts";
import { readCsv } from "./read/csv-documents.ts";
import type { Entry } from "./read/entry.ts";
import { INPUT_FORMATS, type Input, type InputFormat, isSameFile, openInput } from "./read/input.ts";
import { readJson } from "./read/json-array.ts";
import { readNdjson } from "./read/ndjson.ts";
import { type Reject, RejectsFile } from "./rejects-file.ts";
import { listenForInterruption } from "./signals.ts";

/**
 * Documents in one transaction where the user says nothing. Each transaction waits for the disk, so an import
 * takes more at once than callers who wait for each of their writes.
 */
const DEFAULT_BATCH_SIZE = 1_000;

/** How many rejects are shown on standard error. */
const SHOWN_REJECTS = 10;

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

export function importCommand(): Command {
  return new Command("import")
    .summary("import documents from NDJSON, a JSON array or CSV")
    .description(
      "Imports documents from NDJSON, a JSON array or CSV (any of them may be gzip) into a collection. What can't be " +
        "imported is reported with its line, and the rest goes on. Running the same import again stores nothing twice.",
    )
    .argument("<file>", "the file to read, or - for the standard input")
    .requiredOption("--into <collection>", "the collection, which is created when it is missing")
    .addOption(databaseOption())
    .addOption(
      new Option("--format <format>", "what the input is; else its extension or first bytes say").choices(
        INPUT_FORMATS,
      ),
    )
    .option("--id-field <field>", "the field whose value becomes the id of a document")
    .option("--rejects <file>", "write what was not imported there, one JSON object a line")
    .option("--batch-size <n>", "documents in one transaction", wholeNumber(1), DEFAULT_BATCH_SIZE)
    .option("--delimiter <c>", "what stands between the cells of a CSV input", delimiter)
    .option("--no-infer-types", "CSV: keep every cell a string, also numbers, true, false and empty ones")
    .option(
      "--source <name>",
      "what ids made for documents without one depend on, instead of the file's full path",
    )
    .action(async (file: string, flags: ImportFlags) => {
      process.exitCode = await importFile(file, flags);
    });
}

/** Runs an import and reports it; gives the exit code. */
export async function importFile(file: string, flags: ImportFlags): Promise<number> {
  const collection = checkCollectionName(flags.into);
  if (flags.rejects !== undefined && (await isSameFile(file, flags.rejects))) {
    throw new FormDBError(
      "FORMDB_CONFIG",
      `--rejects must name another file than the input, not ${flags.rejects}`,
    );
  }
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
export function readEntries(
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
        delimiter: flags.delimiter ?? (input.format === "tsv" ? "\t" : ","),
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

function delimiter(text: string): string {
  const value = text === "\\t" || text === "tab" ? "\t" : text;
  if (/^[\t\x20-\x7e]$/.test(value) && !/[A-Za-z0-9"]/.test(value)) return value;
  throw new InvalidArgumentError(
    'It must be one ASCII character that is no letter, digit or quote, or "tab".',
  );
}
