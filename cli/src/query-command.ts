import { Command, Option } from "commander";
import { databaseOrServerOption, running } from "./command-parts.ts";
import { OUTPUT_FORMATS } from "./print/output.ts";

export function queryCommand(): Command {
  return new Command("query")
    .summary("run a query and print its rows")
    .description(
      "Runs a query and prints its rows: as a table on a terminal, as JSON elsewhere. A query that writes prints how many " +
        "documents it wrote.",
    )
    .argument("<text>", "the query, such as 'SELECT name FROM users WHERE age > $1'")
    .addOption(
      new Option(
        "--param <value>",
        "the next value for $1, $2, … or ?, or name=value for :name; JSON, else a string. Can be given many times",
      )
        .argParser((value: string, before: readonly string[]) => [...before, value])
        .default([], "none"),
    )
    .addOption(new Option("--format <format>", "how to print the rows").choices(OUTPUT_FORMATS))
    .option("--safe-csv", "CSV for spreadsheets: a ' before each cell that they would run as a formula")
    .option("--explain", "print the plan instead of running the query")
    .addOption(databaseOrServerOption())
    .action(running(async () => (await import("./run-query.ts")).runQuery));
}
