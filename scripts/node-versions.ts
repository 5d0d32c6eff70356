import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Runs what was built under each version of Node that is supported: a program of a user's, the command, and the conformance
 * suite on a SQLite file. Needs `npm run build` and `npm ci --prefix tools`.
 */
const root = fileURLToPath(new URL("../", import.meta.url));
const VERSIONS = ["tools/node_modules/node-22", "node_modules/node", "tools/node_modules/node-26"];

function check(node: string, folder: string): void {
  const run = (...args: string[]): string =>
    execFileSync(node, args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  const version = run("--version").trim();
  // A copy, so that the name of the package leads to what was built, as in a user's project.
  const program = join(folder, "program.mjs");
  const code = readFileSync(join(root, "scripts/node-versions/program.mjs"), "utf8");
  writeFileSync(program, code.replaceAll("@formdb/perf", new URL("../dist/index.js", import.meta.url).href));
  const printed = run(program);
  if (printed !== "as expected\n") throw new Error(`${version} printed ${printed}`);
  const cli = join(root, "cli/dist/main.js");
  const found = run(cli, "query", "SELECT name FROM users", "--db", "program.db", "--format", "ndjson");
  if (found !== '{"name":"Ada"}\n') throw new Error(`${version}: formdb query printed ${found}`);
  const args = [
    join(root, "scripts/conformance.ts"),
    "--built",
    "--db",
    `sqlite:${join(folder, "suite.db")}`,
  ];
  const lines = run(...args)
    .trim()
    .split("\n");
  console.log(`Node ${version}: ${lines.at(-1)}`);
}

for (const place of VERSIONS) {
  const folder = mkdtempSync(join(tmpdir(), "formdb-node-"));
  try {
    check(join(root, place, "bin/node"), folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
