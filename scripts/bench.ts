import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, totalmem } from "node:os";
import { fileURLToPath } from "node:url";

/**
 * Runs the scenarios of bench/ that are named on the command line, `--guard` for a quick look for large losses, or, without
 * a name, all of them: what they print goes to bench/RESULTS.md.
 */
const root = fileURLToPath(new URL("../", import.meta.url));
const folder = `${root}bench/`;
const scenarios = readdirSync(folder)
  .filter((name) => name.endsWith(".ts"))
  .map((name) => name.slice(0, -3));
const [named, ...rest] = process.argv.slice(2);

if (!existsSync(`${folder}node_modules`)) {
  console.error("The contenders are not installed. Run: npm ci --prefix bench");
  process.exitCode = 2;
} else if (named === "--guard") {
  const { guard } = (await import(`${folder}harness/guard.ts`)) as typeof import("../bench/harness/guard.ts");
  process.exitCode = guard() ? 0 : 1;
} else if (named === undefined) {
  runAll();
} else if (scenarios.includes(named)) {
  const { status } = spawnSync(process.execPath, ["--expose-gc", `${folder}${named}.ts`, ...rest], {
    stdio: "inherit",
  });
  process.exitCode = status ?? 1;
} else {
  console.error(`There is no scenario ${named}: ${scenarios.join(", ")}`);
  process.exitCode = 2;
}

/** Runs every scenario in a process of its own, one after the other, and writes what they print. */
function runAll(): void {
  const parts = [header()];
  for (const scenario of scenarios) {
    console.log(`\n== ${scenario}`);
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ["--expose-gc", `${folder}${scenario}.ts`],
      {
        encoding: "utf8",
        maxBuffer: 64 * 1024 * 1024,
      },
    );
    process.stdout.write(stdout);
    if (status !== 0) {
      process.stderr.write(stderr);
      process.exitCode = 1;
    }
    const failure = status === 0 ? "" : `\n(failed: ${stderr.trim().split("\n").at(-1)})`;
    parts.push(`## ${scenario}\n\n\`\`\`text\n${stdout.trim()}${failure}\n\`\`\``);
    writeFileSync(`${folder}RESULTS.md`, `${parts.join("\n\n")}\n`);
  }
}

function header(): string {
  const require = createRequire(`${folder}package.json`);
  const versionOf = (name: string): string => {
    for (const path of [`${folder}node_modules/${name}`, `${root}node_modules/${name}`]) {
      if (existsSync(path)) return (require(`${path}/package.json`) as { version: string }).version;
    }
    return "?";
  };
  const git = (...args: string[]): string =>
    spawnSync("git", args, { cwd: root, encoding: "utf8" }).stdout.trim();
  const { dependencies } = JSON.parse(readFileSync(`${folder}package.json`, "utf8")) as {
    readonly dependencies?: Readonly<Record<string, string>>;
  };
  const peers = [...Object.keys(dependencies ?? {}), "better-sqlite3", "pg"]
    .toSorted()
    .map((name) => `${name} ${versionOf(name)}`);
  return [
    "# Results",
    "",
    "One run of `npm run bench`, which writes this page. Rates of one table can be compared, those of different tables or runs can't:",
    "contenders take turns, medians are shown with the slowest and fastest turn, and `ours / this` is our median over theirs.",
    "",
    `- ${new Date().toISOString().slice(0, 10)}, commit ${git("rev-parse", "--short", "HEAD")}`,
    `- ${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${process.platform}, Node ${process.version}`,
    `- ${[...new Set(peers)].join(", ")}`,
  ].join("\n");
}
