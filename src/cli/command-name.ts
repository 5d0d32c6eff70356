import { existsSync } from "node:fs";
import { basename, join, relative } from "node:path";

/**
 * How this command was called, for the lines that tell people what to type next: `formdb` where it is
 * installed, and what works in a checkout, where the Node of the machine may be too old.
 */
export function commandName(script: string | undefined = process.argv[1]): string {
  if (script === undefined || !/\.[jt]s$/.test(basename(script))) return "formdb";
  const path = relative(process.cwd(), script);
  if (path.startsWith("..") || path.includes("node_modules")) return "formdb";
  return existsSync(join(process.cwd(), "node_modules", ".bin", "node"))
    ? `npx node ${path}`
    : `node ${path}`;
}
