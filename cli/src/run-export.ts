import { extname } from "node:path";
import { checkCollectionName, FormDBError, type Row } from "@formdb/perf";
import { checkOutput } from "./check-paths.ts";
import { ExitCode } from "./exit-code.ts";
import { configError } from "./message.ts";
import { grouped } from "./numbers.ts";
import { type Database, openDatabase } from "./open-database.ts";
import { printCsv } from "./print/csv.ts";
import { printJson, printNdjson } from "./print/json.ts";
import { NewFile } from "./print/new-file.ts";
import { type ExportFormat, Output } from "./print/output.ts";
import { printable } from "./print/printable.ts";
import { say } from "./print/say.ts";
import { interruptible } from "./signals.ts";

export interface ExportFlags {
  readonly out?: string;
  readonly overwrite?: boolean;
  readonly format?: ExportFormat;
  readonly safeCsv?: boolean;
  readonly db?: string;
}

const BY_EXTENSION: Readonly<Record<string, ExportFormat>> = {
  ".ndjson": "ndjson",
  ".jsonl": "ndjson",
  ".json": "json",
  ".csv": "csv",
};

/** Exports a collection; gives the exit code. */
export async function runExport(name: string, flags: ExportFlags): Promise<number> {
  const collection = checkCollectionName(name);
  const { out } = flags;
  const format = formatOf(flags);
  if (flags.safeCsv === true && format !== "csv")
    throw configError(`--safe-csv is for --format csv, not ${format}`);
  if (flags.overwrite === true && out === undefined) throw configError("--overwrite needs --out FILE");
  if (out !== undefined) {
    refuseName(out, flags.format, `formdb export ${collection} --format ${format} | gzip > ${out}`);
    checkOutput(out, flags.db);
  }
  // Signals are caught before there is a file, which one of them would otherwise leave behind.
  return interruptible(async ({ signal }) => {
    let file: NewFile | undefined;
    try {
      if (out !== undefined) file = new NewFile(out, flags.overwrite === true);
      await using db = await openDatabase(flags.db, { mustExist: true });
      const output = file === undefined ? new Output(process.stdout) : new Output(file.stream, out);
      const { count, lost } = await print(db, collection, { format, output, signal, flags });
      if (lost.size > 0) {
        throw new FormDBError(
          "FORMDB_CONFLICT",
          `Fields came into the collection while it was exported: ${[...lost].map(printable).join(", ")}. Run it again`,
        );
      }
      await file?.keep();
      if (file !== undefined) say(process.stdout, `${grouped(count)} documents of ${collection} in ${out}`);
      return ExitCode.done;
    } catch (error) {
      if (signal.aborted && out !== undefined) {
        say(process.stderr, `formdb: stopped; ${out} was not written`);
      }
      throw error;
    } finally {
      await file?.discard();
    }
  });
}

/** Refuses a name by which `formdb import` would take the file for something else than it is. */
function refuseName(out: string, format: ExportFormat | undefined, packing: string): void {
  if (/\.gz$/i.test(out)) {
    throw configError(`--out must not end in .gz, since an export is not packed: ${packing}`);
  }
  if (format === undefined && /\.tsv$/i.test(out)) {
    throw configError(
      "--out must not end in .tsv, which is no format of an export; --format says which one is meant",
    );
  }
}

function formatOf({ format, out = "" }: ExportFlags): ExportFormat {
  return format ?? BY_EXTENSION[extname(out.replace(/\.gz$/i, "")).toLowerCase()] ?? "ndjson";
}

interface Printing {
  readonly format: ExportFormat;
  readonly output: Output;
  readonly signal: AbortSignal;
  readonly flags: ExportFlags;
}

/** Prints all documents; gives how many, and the fields that the columns of a CSV have not. */
async function print(
  db: Database,
  collection: string,
  { format, output, signal, flags }: Printing,
): Promise<{ readonly count: number; readonly lost: ReadonlySet<string> }> {
  let count = 0;
  const documents = (): AsyncIterable<Row> => db.stream(`SELECT * FROM \`${collection}\``, [], { signal });
  async function* counted(): AsyncGenerator<Row> {
    for await (const document of documents()) {
      count++;
      yield document;
    }
  }
  if (format === "ndjson") await printNdjson(counted(), output);
  else if (format === "json") await printJson(counted(), output);
  else {
    // Which columns there are only all documents say; they are read twice, since they need not fit into memory.
    const columns = new Set<string>();
    for await (const document of documents()) for (const name of Object.keys(document)) columns.add(name);
    const lost = await printCsv(counted(), output, { isSafe: flags.safeCsv === true, columns: [...columns] });
    return { count, lost };
  }
  return { count, lost: new Set() };
}
