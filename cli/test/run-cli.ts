import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { open, type Row } from "@formdb/perf";
import { afterAll } from "vitest";

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));

/** How a run of the command ended. */
export interface Run {
  /** The exit code, or the signal that ended it. */
  readonly code: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
}

export interface StartOptions extends Pick<RunOptions, "cwd" | "env"> {
  /** A file that is the standard input, as the shell's `<` makes it. */
  readonly inputFile?: string;
}

/** As `npm run formdb` does. */
const NODE_OPTIONS = ["--disable-warning=ExperimentalWarning", "--conditions=@formdb/source"];

/** Starts the real command, as a user's shell would. */
export function startCli(
  args: readonly string[],
  options: StartOptions = {},
): ChildProcessWithoutNullStreams {
  const { FORMDB_URL: _url, FORMDB_DEBUG: _debug, ...env } = process.env;
  return spawn(process.execPath, [...NODE_OPTIONS, MAIN, ...args], {
    cwd: options.cwd,
    env: { ...env, ...options.env },
    stdio: [options.inputFile === undefined ? "pipe" : openSync(options.inputFile, "r"), "pipe", "pipe"],
  }) as ChildProcessWithoutNullStreams;
}

/** Waits for a command to say something, however long the machine takes. */
export async function saidBy(child: ChildProcessWithoutNullStreams, what: RegExp): Promise<RegExpExecArray> {
  let text = "";
  for await (const part of child.stdout.iterator({ destroyOnReturn: false })) {
    text += String(part);
    const said = what.exec(text);
    if (said !== null) return said;
  }
  throw new Error(`It ended without saying ${what}: ${text}`);
}

/** Where a `formdb serve` that was just started listens. */
export async function servedAt(child: ChildProcessWithoutNullStreams): Promise<string> {
  return (await saidBy(child, /at (http:\S+)\n/))[1]!;
}

export async function finished(child: ChildProcessWithoutNullStreams): Promise<Run> {
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const code = await new Promise<number | string | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (exitCode, signal) => resolve(exitCode ?? signal));
  });
  return { code, stdout, stderr };
}

export async function runCli(args: readonly string[], options: RunOptions = {}): Promise<Run> {
  const child = startCli(args, options);
  // A command that refuses its options does not read its input.
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  return finished(child);
}

/** A directory for one test; gone at its end. */
export class Scratch {
  readonly path: string = mkdtempSync(join(tmpdir(), "formdb-cli-"));

  file(name: string): string {
    return join(this.path, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A directory for the tests of this file; gone at their end. */
export function useScratch(): Scratch {
  const scratch = new Scratch();
  afterAll(() => scratch[Symbol.dispose]());
  return scratch;
}

/** The documents of the collection `things`, by their ids; none where it is not there. */
export async function thingsIn(url: string): Promise<readonly Row[]> {
  await using db = await open(url);
  if (!(await db.listCollections()).includes("things")) return [];
  return (await db.query("SELECT * FROM things ORDER BY id")).rows;
}

/** What is in lines of JSON. */
// biome-ignore lint/suspicious/noExplicitAny: each test says what it expects of a line
export function parsedLines(text: string): any[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

/** Imports a file into the collection `things` of a scratch database. */
export function importInto(
  scratch: Scratch,
  file: string,
  args: readonly string[] = [],
  input?: string,
): Promise<Run> {
  return runCli(["import", file, "--into", "things", "--db", scratch.file("app.db"), ...args], {
    ...(input === undefined ? {} : { input }),
    cwd: scratch.path,
  });
}

/** What a command says on its standard error, without the lines of progress that one writes which takes longer than a second. */
export function withoutProgress(stderr: string): string {
  return stderr.replaceAll(/^(?:\d+ % of [\d\s]+ bytes|(?:\d+ %, )?[\d\s]+ documents, [\d\s]+\/s)\n/gmu, "");
}
