import { Command, Option } from "commander";
import { databaseOption, databaseOrServerOption, fileOption, running } from "./command-parts.ts";
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
    .addOption(fileOption())
    .action(running(async () => (await import("./run-care.ts")).runBackup));
}

export function restoreCommand(): Command {
  return new Command("restore")
    .summary("put a copy in the place of a SQLite database")
    .description(
      "Looks whether a copy that formdb backup has made is whole, and puts what it holds in the place of a SQLite database that no " +
        "process has open. If it is stopped or killed, the database is as it was. PostgreSQL has pg_restore for that.",
    )
    .argument("<copy>", "the copy; it is not changed")
    .option("--overwrite", "replace all that the database holds, if it is there")
    .addOption(fileOption())
    .action(running(async () => (await import("./run-restore.ts")).runRestore));
}

export function checkCommand(): Command {
  return new Command("check")
    .summary("check whether a database is intact")
    .description(
      "Reads the whole database and tells what is wrong with its file (SQLite), its indexes and its documents. Exits with 1 if " +
        "anything is. Changes nothing.",
    )
    .addOption(databaseOption())
    .action(running(async () => (await import("./run-care.ts")).runCheck));
}
