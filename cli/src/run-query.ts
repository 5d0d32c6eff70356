import { FormDBError, type Row } from "@formdb/perf";
import { outlineOf, type QueryOutline } from "@formdb/perf/query";
import { ExitCode } from "./exit-code.ts";
import { configError } from "./message.ts";
import { type Database, openDatabase } from "./open-database.ts";
import { parameters } from "./parameters.ts";
import { Output, type OutputFormat, type Rows } from "./print/output.ts";
import { printableLines } from "./print/printable.ts";
import { printRows } from "./print/rows.ts";
import { say } from "./print/say.ts";
import { interruptible } from "./signals.ts";

export interface QueryFlags {
  readonly param: readonly string[];
  readonly format?: OutputFormat;
  readonly explain?: boolean;
  readonly safeCsv?: boolean;
  readonly db?: string;
}

/** Runs a query and prints what it gives; gives the exit code. */
export async function runQuery(text: string, flags: QueryFlags): Promise<number> {
  const outline = outlineOf(text);
  const params = parameters(outline, flags.param);
  const format = flags.format ?? (process.stdout.isTTY ? "table" : "json");
  if (flags.safeCsv === true && format !== "csv") {
    throw configError(`--safe-csv is for --format csv, not ${format}`);
  }
  const output = new Output(process.stdout);
  return interruptible(async ({ signal }) => {
    await using db = await openDatabase(flags.db, { mustExist: !MAKERS.has(outline.verb) });
    if (flags.explain === true) {
      const plan = output.isTerminal
        ? await explainedAsTree(db, text, params, outline)
        : JSON.stringify(await db.explain(text, params), null, 2);
      await output.write(`${output.isTerminal ? printableLines(plan) : plan}\n`);
      await output.flush();
      return ExitCode.done;
    }
    const rows = await rowsOf(db, text, outline, params, signal).catch((error: unknown) => {
      if (signal.aborted && !READERS.has(outline.verb)) tellOutcome(error);
      throw error;
    });
    return await printRows(rows, format, output, flags.safeCsv === true);
  }).catch((error) => {
    throw flags.param.length === 0 ? withOption(error) : error;
  });
}

/** Whether a write that was stopped took place. One without an outcome was not sent. */
function tellOutcome(error: unknown): void {
  const isUnknown = (error as { outcome?: unknown }).outcome === "unknown";
  const what = isUnknown ? "whether the write took place is not known" : "nothing was written";
  say(process.stderr, `formdb: stopped; ${what}`);
}

/** What the library says of missing parameters, and how they are given here. */
function withOption(error: unknown): unknown {
  if (!(error instanceof FormDBError) || error.code !== "FORMDB_PARAMETER_MISMATCH") return error;
  return new FormDBError(error.code, `${error.message}; --param VALUE, or --param NAME=VALUE, gives one`, {
    cause: error,
  });
}

/** The plan as a tree for people. */
async function explainedAsTree(
  db: Database,
  text: string,
  params: unknown[] | Record<string, unknown>,
  { verb }: QueryOutline,
): Promise<string> {
  const { rows } = await db.query(verb === "EXPLAIN" ? text : `EXPLAIN ${text}`, params);
  return rows.map(({ plan }) => plan).join("\n");
}

/** Queries that mean something for a database that is not there yet. For any other, its name was mistyped. */
const MAKERS: ReadonlySet<string> = new Set(["INSERT", "CREATE"]);

/** Queries that write nothing. */
const READERS: ReadonlySet<string> = new Set(["SELECT", "EXPLAIN", "INTROSPECT"]);

/** The rows of a reading query as they come; of a writing one a single row that says how many it wrote. */
async function rowsOf(
  db: Database,
  text: string,
  { verb }: QueryOutline,
  params: unknown[] | Record<string, unknown>,
  signal: AbortSignal,
): Promise<Rows> {
  if (verb === "SELECT") return db.stream(text, params, { signal });
  const { rows, rowCount } = await db.query(text, params, { signal });
  return rows.length > 0 || READERS.has(verb) ? rows : [{ rowCount } satisfies Row];
}
