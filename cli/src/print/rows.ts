import { ExitCode } from "../exit-code.ts";
import { grouped } from "../numbers.ts";
import { printCsv } from "./csv.ts";
import { printJson, printNdjson } from "./json.ts";
import type { Output, OutputFormat, Rows } from "./output.ts";
import { printable } from "./printable.ts";
import { DEFAULT_TABLE_COLUMNS, MAX_TABLE_ROWS, printTable } from "./table.ts";

/** Prints rows in a format, and on standard error what the format can't show; gives the exit code. */
export async function printRows(
  rows: Rows,
  format: OutputFormat,
  output: Output,
  isSafe: boolean,
): Promise<number> {
  switch (format) {
    case "json":
      await printJson(rows, output);
      return ExitCode.done;
    case "ndjson":
      await printNdjson(rows, output);
      return ExitCode.done;
    case "csv": {
      const lost = await printCsv(rows, output, { isSafe });
      if (lost.size === 0) return ExitCode.done;
      process.stderr.write(
        `formdb: fields that the first rows do not have are missing in the output: ${[...lost].map(printable).join(", ")}. ` +
          "Name the fields in SELECT, or use --format ndjson.\n",
      );
      return ExitCode.failed;
    }
    case "table": {
      const loss = await printTable(rows, output, process.stdout.columns || DEFAULT_TABLE_COLUMNS);
      if (loss.hasMoreRows) {
        process.stderr.write(
          `Only the first ${grouped(MAX_TABLE_ROWS)} rows are shown; --format json, ndjson or csv gives all.\n`,
        );
      }
      if (loss.columns.length > 0) {
        process.stderr.write(
          `Too wide to be shown: ${loss.columns.map(printable).join(", ")}; --format json gives all.\n`,
        );
      }
      return ExitCode.done;
    }
    default:
      return format satisfies never;
  }
}
