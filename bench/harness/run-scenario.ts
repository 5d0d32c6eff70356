import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Told } from "./report.ts";

const folder = fileURLToPath(new URL("../", import.meta.url));

export interface RunOptions {
  readonly args?: readonly string[];
  /** Beside those of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** After which it is killed. */
  readonly timeoutMs?: number;
  /** Whether what it prints is shown while it runs. */
  readonly shown: boolean;
}

export interface Ran {
  readonly told: readonly Told[];
  /** The last line of its errors, if it failed. */
  readonly failure: string | undefined;
}

/** Runs a scenario in a process of its own. */
export async function runScenario(name: string, options: RunOptions): Promise<Ran> {
  const { args = [], env = {}, timeoutMs, shown } = options;
  const scratch = mkdtempSync(join(tmpdir(), "formdb-bench-"));
  const json = join(scratch, "told");
  try {
    const child = spawn(process.execPath, ["--expose-gc", `${folder}${name}.ts`, ...args], {
      env: { ...process.env, ...env, BENCH_JSON: json },
      stdio: ["ignore", shown ? "inherit" : "ignore", "pipe"],
      ...(timeoutMs === undefined ? {} : { timeout: timeoutMs }),
    });
    let errors = "";
    child.stderr!.on("data", (part) => {
      errors += part;
      if (shown) process.stderr.write(part);
    });
    const ended = Promise.withResolvers<string | undefined>();
    child.on("error", (error) => ended.resolve(error.message));
    child.on("close", (code, signal) => {
      if (code === 0) ended.resolve(undefined);
      else if (signal !== null) ended.resolve(`ended by ${signal}`);
      else ended.resolve(errors.match(/^\w*Error\b.*/m)?.[0] ?? `ended with ${code}`);
    });
    const failure = await ended.promise;
    return { told: toldIn(json), failure };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function toldIn(json: string): Told[] {
  if (!existsSync(json)) return [];
  const lines = readFileSync(json, "utf8").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as Told);
}
