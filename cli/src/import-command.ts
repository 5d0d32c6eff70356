import { Command, InvalidArgumentError, Option } from "commander";
import { databaseOption, wholeNumber } from "./database-option.ts";
import type { ImportFlags } from "./import-file.ts";
import { INPUT_FORMATS } from "./read/input.ts";

/**
 * Documents in one transaction where the user says nothing. Each transaction waits for the disk, so an import
 * takes more at once than callers who wait for each of their writes.
 */
const DEFAULT_BATCH_SIZE = 1_000;

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
      // What does the work is loaded only when there is some, so that help and refusals come at once.
      const { importFile } = await import("./import-file.ts");
      process.exitCode = await importFile(file, flags);
    });
}

function delimiter(text: string): string {
  const value = text === "\\t" || text === "tab" ? "\t" : text;
  if (/^[\t\x20-\x7e]$/.test(value) && !/[A-Za-z0-9"]/.test(value)) return value;
  throw new InvalidArgumentError(
    'It must be one ASCII character that is no letter, digit or quote, or "tab".',
  );
}
