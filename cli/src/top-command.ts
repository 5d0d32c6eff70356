import { Command } from "commander";
import { running, wholeNumber } from "./command-parts.ts";

export function topCommand(): Command {
  return new Command("top")
    .summary("watch a running server or a process' metrics")
    .description(
      "Shows what a server of `formdb serve`, or any process that serves FormDB's metrics, does at the moment: a verdict, " +
        "rates, times, plan cache, pool, batches, and a server's statements. Where standard output is no terminal, a line " +
        "for each sample. `q` ends it. A server's key comes from FORMDB_API_KEY, FORMDB_READ_KEY or FORMDB_METRICS_KEY.",
    )
    .argument(
      "[url]",
      "a server, or a page of metrics such as http://host:9464/metrics",
      "http://127.0.0.1:8080",
    )
    .option(
      "--interval-ms <n>",
      "how often a page of metrics is read; a server has one second",
      wholeNumber(200, 60_000),
      1_000,
    )
    .option("--samples <n>", "end after so many samples", wholeNumber(1))
    .action(running(async () => (await import("./run-top.ts")).runTop));
}
