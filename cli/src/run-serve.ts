import { SlowLog, slowQueryObserver } from "@formdb/perf/metrics";
import { destination, pino } from "pino";
import { ExitCode } from "./exit-code.ts";
import { openHere } from "./open-database.ts";
import { requestId, serve } from "./server/form-server.ts";

const MAX_UNWRITTEN_LOG_CHARACTERS = 1024 * 1024;

export interface ServeFlags {
  readonly port: number;
  readonly host: string;
  readonly maxRequests: number;
  readonly requestsPerSecond: number;
  readonly stallTimeoutMs: number;
  readonly slowQueryMs?: number;
  readonly deadlineMs: number;
  readonly logLevel: string;
  readonly db?: string;
}

/** Serves until SIGTERM or SIGINT, then drains and reports; gives the exit code. A second signal ends it at once. */
export async function runServe(flags: ServeFlags): Promise<number> {
  const log = pino({ level: flags.logLevel, base: null }, logOutput());
  const asked = stopAsked();
  const { slowQueryMs, maxRequests, requestsPerSecond, stallTimeoutMs } = flags;
  const slowLog =
    slowQueryMs === undefined
      ? undefined
      : new SlowLog({
          thresholdMs: slowQueryMs,
          // A group has writes of several requests.
          write: ({ time: _, ...entry }) =>
            entry.queueMs === undefined
              ? log.warn({ ...entry, reqId: requestId() }, "a slow query")
              : log.warn(entry, "a slow group of queued writes"),
        });
  const db = await openHere(
    "serve",
    flags.db,
    slowLog === undefined ? {} : { observer: slowQueryObserver(slowLog) },
  );
  const stopWatching = await db.metrics.watchEventLoop();
  try {
    const server = await serve(db, {
      host: flags.host,
      port: flags.port,
      logger: log,
      tagsCalls: slowLog !== undefined,
      apiKey: process.env.FORMDB_API_KEY,
      readKey: process.env.FORMDB_READ_KEY,
      metricsKey: process.env.FORMDB_METRICS_KEY,
      limits: { maxRequests, requestsPerSecond, stallTimeoutMs },
    });
    process.stdout.write(`Serving ${db.stats().url} at ${server.url}\n`);
    const signal = await asked;
    process.stdout.write(`Stopping by ${signal}: requests in progress are finished\n`);
    const { undelivered } = await server.close({ deadlineMs: flags.deadlineMs });
    process.stdout.write(`Stopped by ${signal}: ${undelivered.length} operations could not be delivered\n`);
    return undelivered.length === 0 ? ExitCode.done : ExitCode.failed;
  } finally {
    stopWatching();
    await db.close();
  }
}

/** Standard error. What a full disk does not take is kept, up to a limit, and a server does not end for it. */
function logOutput(): ReturnType<typeof destination> {
  const output = destination({ dest: 2, sync: true, maxLength: MAX_UNWRITTEN_LOG_CHARACTERS });
  output.on("error", () => {});
  process.stdout.on("error", () => {});
  return output;
}

function stopAsked(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.once(signal, () => {
        process.once(signal, () =>
          process.exit(signal === "SIGINT" ? ExitCode.interrupted : ExitCode.terminated),
        );
        resolve(signal);
      });
    }
  });
}
