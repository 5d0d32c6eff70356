import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

/** A process of this Node, with what it has printed so far. */
export class Child {
  readonly process: ChildProcess;
  output = "";
  errors = "";

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.process = spawn(process.execPath, args, {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.process.stdout!.on("data", (data: Buffer) => {
      this.output += data.toString();
    });
    this.process.stderr!.on("data", (data: Buffer) => {
      this.errors += data.toString();
    });
  }

  /** Settles when it has ended by itself, as it should: without an error. */
  async end(): Promise<void> {
    const [code, signal] = await once(this.process, "close");
    if (this.errors !== "" || code !== 0) throw new Error(`it ended with ${code ?? signal}: ${this.errors}`);
  }
}

/**
 * Runs a program that prints a line for each thing done until it has printed so many, then kills it with SIGKILL.
 * Gives the lines. Rejects if the program ends by itself.
 */
export async function killedAfter(
  program: string,
  args: readonly string[],
  lines: number,
): Promise<string[]> {
  const child = new Child([program, ...args]);
  child.process.stdout!.on("data", () => {
    if (child.output.split("\n").length > lines) child.process.kill("SIGKILL");
  });
  const [, signal] = await once(child.process, "close");
  if (signal !== "SIGKILL") throw new Error(`the program ended by itself: ${child.errors}`);
  // The last line may be cut in the middle by the kill.
  return child.output.split("\n").slice(0, -1);
}
