import { existsSync } from "node:fs";
import { join, relative } from "node:path";

/**
 * How this command was called, for the lines that tell people what to type next: `formdb` where it is installed, and
 * `npm run` in a checkout, which brings a Node of its own.
 */
export function commandName(script: string | undefined = process.argv[1]): string {
  const isSource =
    script?.endsWith(".ts") === true && existsSync(join(process.cwd(), "cli", "src", "main.ts"));
  return isSource && !relative(process.cwd(), script).startsWith("..") ? "npm run -s formdb --" : "formdb";
}
