import { Command, Option } from "commander";
import { databaseOption, databaseOrServerOption, running } from "./command-parts.ts";
import { OUTPUT_FORMATS } from "./print/output.ts";

export function collectionsCommand(): Command {
  return new Command("collections")
    .summary("list the collections and their indexes")
    .description("Lists the collections of a database, and the indexes of each.")
    .option("--count", "count the documents of each, which reads all of their ids")
    .addOption(new Option("--format <format>", "how to print the rows").choices(OUTPUT_FORMATS))
    .addOption(databaseOrServerOption())
    .action(running(async () => (await import("./run-care.ts")).runCollections));
}

export function backupCommand(): Command {
  return new Command("backup")
    .summary("copy a SQLite database while it is used")
    .description(
      "Copies a SQLite database, as it is at one moment and while other processes use it, to a new file that is a database of " +
        "its own. The file appears when it is whole. PostgreSQL has pg_dump for that.",
    )
    .argument("<file>", "where the copy goes")
    .option("--overwrite", "replace the file if it is there")
    .addOption(databaseOption())
    .action(running(async () => (await import("./run-care.ts")).runBackup));
}

export function checkCommand(): Command {
  return new Command("check")
    .summary("look whether a database is as it must be")
    .description(
      "Reads the whole database and tells what is wrong with its file (SQLite), its indexes and its documents. Exits with 1 if " +
        "anything is. Changes nothing.",
    )
    .addOption(databaseOption())
    .action(running(async () => (await import("./run-care.ts")).runCheck));
}
