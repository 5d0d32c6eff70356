import { spawn } from "node:child_process";

/**
 * Runs a program that prints a line for each thing done until it has printed so many, then kills it with SIGKILL.
 * Gives the lines. Rejects if the program ends by itself.
 */
export function killedAfter(program: string, args: readonly string[], lines: number): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let errors = "";
    child.stdout.on("data", (data: Buffer) => {
      output += data.toString();
      if (output.split("\n").length > lines) child.kill("SIGKILL");
    });
    child.stderr.on("data", (data: Buffer) => {
      errors += data.toString();
    });
    child.on("close", (_code, signal) => {
      if (signal !== "SIGKILL") reject(new Error(`the program ended by itself: ${errors}`));
      // The last line may be cut in the middle by the kill.
      else resolve(output.split("\n").slice(0, -1));
    });
  });
}
