import { Command, Option } from "commander";
import { databaseOrServerOption, running } from "./command-parts.ts";
import { EXPORT_FORMATS } from "./print/output.ts";

export function exportCommand(): Command {
  return new Command("export")
    .summary("write the documents of a collection as NDJSON, a JSON array or CSV")
    .description(
      "Writes all documents of a collection, as they are at one moment, to standard output or a file. formdb import reads what " +
        "it writes; from NDJSON and JSON every document comes back as it was.",
    )
    .argument("<collection>", "the collection")
    .option("--out <file>", "write to this file, which appears when it is whole; else to standard output")
    .option("--overwrite", "replace the file if it is there")
    .addOption(
      new Option("--format <format>", "how to write it; else the file's extension says, else NDJSON").choices(
        EXPORT_FORMATS,
      ),
    )
    .option("--safe-csv", "CSV for spreadsheets: a ' before each cell that they would run as a formula")
    .addOption(databaseOrServerOption())
    .action(running(async () => (await import("./run-export.ts")).runExport));
}
