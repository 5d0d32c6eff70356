import { execFileSync, spawnSync } from "node:child_process";

/** What a run of a program gave. */
export interface ToolResult {
  readonly status: number | null;
  readonly output: string;
}

/**
 * Whether a program of Prometheus' is here. Where it is not, says loudly what can't be tested; on CI, where it
 * has to be, that is an error.
 */
export function hasTool(name: "promtool" | "prometheus", tests: string): boolean {
  try {
    execFileSync(name, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    const message = `${name} is not installed, so this can't be tested: ${tests}. Debian has it in the package prometheus`;
    if (process.env.CI === "true") throw new Error(message);
    process.stderr.write(`\n!!! ${message}.\n\n`);
    return false;
  }
}

/** Runs promtool to its end. */
export function promtool(args: readonly string[], input?: string): ToolResult {
  const { status, stdout, stderr, error } = spawnSync("promtool", args, { input, encoding: "utf8" });
  if (error !== undefined) throw error;
  return { status, output: `${stdout}${stderr}` };
}
