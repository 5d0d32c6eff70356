import { readFileSync } from "node:fs";

/** Fails unless a tag such as v0.2.0 is the version of both packages, of the dependency between them, and of a CHANGELOG heading. */
const read = (path) => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");
const perf = JSON.parse(read("package.json"));
const cli = JSON.parse(read("cli/package.json"));
const tag = process.argv[2] ?? `v${perf.version}`;
const versions = {
  tag: tag.slice(1),
  perf: perf.version,
  cli: cli.version,
  dependency: cli.dependencies[perf.name],
};
const isOne = tag.startsWith("v") && new Set(Object.values(versions)).size === 1;
const isTold = new RegExp(`^## ${perf.version.replaceAll(".", "\\.")}\\b`, "m").test(read("CHANGELOG.md"));
if (!isOne) console.error(`These must be one version: ${JSON.stringify(versions)}`);
if (!isTold) console.error(`CHANGELOG.md has no heading ## ${perf.version}`);
process.exitCode = isOne && isTold ? 0 : 1;
