import { FormDBError } from "@formdb/perf";

/** What the command tells the shell, beside 128 + the signal's number for one that was interrupted. */
export const ExitCode = {
  done: 0,
  failed: 1,
  usage: 2,
  doneWithRejects: 3,
  interrupted: 130,
  terminated: 143,
} as const;

/**
 * The exit code for an error: `usage` for what was asked for in a way that can't be done (an option, a name, a
 * URL), `failed` for the rest. A file that can't be read, which names its `path`, is no misuse.
 */
export function exitCodeOf(error: unknown): number {
  const isUsage = error instanceof FormDBError && error.code === "FORMDB_CONFIG" && !("path" in error);
  return isUsage ? ExitCode.usage : ExitCode.failed;
}
