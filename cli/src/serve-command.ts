import { Command, Option } from "commander";
import { databaseOption, running, wholeNumber } from "./command-parts.ts";
import { DEFAULT_LIMITS } from "./server/server-options.ts";

export function serveCommand(): Command {
  return new Command("serve")
    .summary("serve a database over HTTP")
    .description(
      "Serves a database over HTTP: documents, queries, metrics and live figures. It listens on the loopback address; " +
        "elsewhere it needs FORMDB_API_KEY in the environment. FORMDB_READ_KEY and FORMDB_METRICS_KEY allow less.",
    )
    .option("--port <n>", "the port; 0 takes any free one", wholeNumber(0, 65_535), 8_080)
    .option("--host <address>", "the address to listen on", "127.0.0.1")
    .option(
      "--max-requests <n>",
      "requests under way at once; more are answered by 503",
      wholeNumber(1),
      DEFAULT_LIMITS.maxRequests,
    )
    .option(
      "--requests-per-second <n>",
      "requests a second for each key or address; more are answered by 429",
      wholeNumber(1),
      DEFAULT_LIMITS.requestsPerSecond,
    )
    .option(
      "--stall-timeout-ms <n>",
      "cut off a stream that its client reads nothing of for so long",
      wholeNumber(1),
      DEFAULT_LIMITS.stallTimeoutMs,
    )
    .option("--slow-query-ms <n>", "log queries that take as long or longer (default: none)", wholeNumber(0))
    .option("--deadline-ms <n>", "how long SIGTERM may take", wholeNumber(0), 10_000)
    .addOption(
      new Option("--log-level <level>", "what is logged, to standard error")
        .choices(["fatal", "error", "warn", "info", "debug", "silent"])
        .default("info"),
    )
    .addOption(databaseOption())
    .action(running(async () => (await import("./run-serve.ts")).runServe));
}
