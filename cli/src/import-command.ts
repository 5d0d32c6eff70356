import { Command, InvalidArgumentError, Option } from "commander";
import { databaseOrServerOption, running, wholeNumber } from "./command-parts.ts";
import { COLUMN_TYPES, type ColumnType } from "./read/column-types.ts";
import { INPUT_FORMATS } from "./read/input.ts";

export function importCommand(): Command {
  return new Command("import")
    .summary("import documents from NDJSON, a JSON array or CSV")
    .description(
      "Imports documents from NDJSON, a JSON array or CSV (any of them may be gzip) into a collection. What can't be " +
        "imported is reported with its line, and the rest goes on. Running the same import again stores nothing twice.",
    )
    .argument("<file>", "the file to read, or - for the standard input")
    .option("--into <collection>", "the collection, which is created when it is missing; it must be given")
    .addOption(databaseOrServerOption())
    .addOption(
      new Option("--format <format>", "what the input is; else its extension or first bytes say").choices(
        INPUT_FORMATS,
      ),
    )
    .option("--id-field <field>", "the field whose value becomes the id of a document")
    .addOption(
      new Option(
        "--new-ids",
        "make a new id for each document; its field id, if it has one, is kept as original_id",
      ).conflicts("idField"),
    )
    .option("--rejects <file>", "write what was not imported there, one JSON object a line")
    .option("--batch-size <n>", "documents in one transaction (default: 1000)", wholeNumber(1))
    .option("--delimiter <c>", "what stands between the cells of a CSV input", delimiter)
    .option("--columns <names>", "CSV without a header: the names of its columns, as a,b,c", columns)
    .addOption(
      new Option(
        "--type <column=type>",
        `CSV: the type of a column (${COLUMN_TYPES.join(", ")}); can be given many times`,
      ).argParser(columnTypes),
    )
    .option("--no-infer-types", "CSV: keep every cell a string, also numbers, true, false and empty ones")
    .option(
      "--source <name>",
      "what ids made for documents without one depend on, instead of the file's full path",
    )
    .action(running(async () => (await import("./import-file.ts")).importFile))
    .hook("preAction", (command) => {
      // Not a required option of Commander's, which would ask for it where it was misspelled.
      if (command.opts<{ into?: string }>().into === undefined)
        command.error("error: required option '--into <collection>' not specified");
    });
}

function delimiter(text: string): string {
  const value = text === "\\t" || text === "tab" ? "\t" : text;
  if (/^[\t\x20-\x7e]$/.test(value) && !/[A-Za-z0-9"]/.test(value)) return value;
  throw new InvalidArgumentError(
    'It must be one ASCII character that is no letter, digit or quote, or "tab".',
  );
}

function columns(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  if (names.includes("")) throw new InvalidArgumentError("Each column must have a name, as in a,b,c.");
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new InvalidArgumentError(`It names the column ${twice} twice.`);
  return names;
}

function columnTypes(
  text: string,
  before: ReadonlyMap<string, ColumnType> | undefined,
): Map<string, ColumnType> {
  const at = text.lastIndexOf("=");
  const type = COLUMN_TYPES.find((known) => known === text.slice(at + 1));
  if (at < 1 || type === undefined) {
    throw new InvalidArgumentError(`It must be COLUMN=TYPE, and the type one of ${COLUMN_TYPES.join(", ")}.`);
  }
  return new Map(before).set(text.slice(0, at), type);
}
