import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, loadavg, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Figures, Rates } from "../bench/harness/report.ts";
import { type Result, readResults, writeResults } from "../bench/harness/results.ts";
import { runScenario } from "../bench/harness/run-scenario.ts";
import { writePages } from "./bench/pages.ts";

/**
 * Runs the scenarios of `bench/`: all of them, whose figures go to `bench/results.json` and to the pages and charts that are made
 * from it, or the named ones, which are printed.
 */
const USAGE = `npm run bench                      all scenarios; writes results, pages and charts
npm run bench -- --minutes 20      the same, with turns so short that it ends by then
npm run bench -- --missing         those that have no result of this commit: goes on after an interruption
npm run bench -- NAME [NAME…]      these, printed; --write keeps their results too
npm run bench -- NAME ARGUMENT     one, with an argument of its own
npm run bench -- --pages           makes pages and charts again
npm run bench -- --guard           fails if we lost half or more against a baseline of the same run`;

/** What a scenario of unknown length is taken for, in seconds. */
const UNKNOWN_SECONDS = 40;
/** Of the time that a run may take, what is planned: scenarios take longer on another day. */
const PLANNED = 0.85;
/** Shorter turns tell nothing. */
const MIN_SCALE = 0.2;

const root = fileURLToPath(new URL("../", import.meta.url));
const folder = `${root}bench/`;
const scenarios = readdirSync(folder)
  .filter((name) => name.endsWith(".ts"))
  .map((name) => name.slice(0, -3))
  .sort();

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: "string" },
    missing: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    pages: { type: "boolean", default: false },
    guard: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const named = positionals.filter((word) => scenarios.includes(word));
const args = positionals.filter((word) => !scenarios.includes(word));
const minutes = options.minutes === undefined ? Infinity : Number(options.minutes);

if (options.help) {
  console.log(USAGE);
} else if (args.length > 0 && named.length !== 1) {
  refuse(`There is no scenario ${args[0]}: ${scenarios.join(", ")}`);
} else if (!(minutes > 0)) {
  refuse(`--minutes takes a number above 0, not ${options.minutes}`);
} else if (options.pages) {
  writePages(readResults());
} else if (!existsSync(`${folder}node_modules`)) {
  refuse("The contenders are not installed. Run: npm ci --prefix bench");
} else if (options.guard) {
  const { guard } = await import("../bench/harness/guard.ts");
  process.exitCode = (await guard()) ? 0 : 1;
} else if (named.length > 0 && !options.write) {
  for (const name of named) {
    const { failure } = await runScenario(name, { args, shown: true });
    if (failure !== undefined) process.exitCode = 1;
  }
} else if (process.env.BENCH_QUICK === "1") {
  refuse("Results of BENCH_QUICK=1 are too rough to be kept");
} else {
  await runAndWrite(named.length > 0 ? named : scenarios);
}

function refuse(message: string): void {
  console.error(`${message}\n\n${USAGE}`);
  process.exitCode = 2;
}

/** Runs one scenario after the other, and keeps each result as soon as it is there. */
async function runAndWrite(chosen: readonly string[]): Promise<void> {
  const start = performance.now();
  const leftMs = (): number => minutes * 60_000 - (performance.now() - start);
  const commit = currentCommit();
  const before = readResults().scenarios;
  const names = options.missing ? chosen.filter((name) => !isDone(before[name], commit)) : chosen;
  const lengthOf = (name: string): number =>
    before[name] === undefined ? UNKNOWN_SECONDS : before[name].seconds / before[name].scale;
  /** What part of its usual time a turn may last if these scenarios are to end in time. */
  const scaleFor = (rest: readonly string[]): number => {
    const whole = rest.reduce((sum, name) => sum + lengthOf(name), 0);
    return Math.max(MIN_SCALE, Math.min(1, ((leftMs() / 1_000) * PLANNED) / whole));
  };
  const whole = names.reduce((sum, name) => sum + lengthOf(name), 0);
  console.log(`${names.length} scenarios, about ${Math.ceil((whole * scaleFor(names)) / 60)} minutes`);
  const unfinished: string[] = [];
  for (const [i, name] of names.entries()) {
    if (leftMs() <= 0) {
      unfinished.push(name);
      continue;
    }
    console.log(`\n== ${name} (${i + 1} of ${names.length})`);
    const result = await run(name, { commit, scale: scaleFor(names.slice(i)), timeoutMs: leftMs() });
    if (result.failure !== undefined) unfinished.push(name);
    // What failed does not take the place of what was measured.
    if (result.failure !== undefined && before[name] !== undefined && before[name].failure === undefined)
      continue;
    writeResults({
      versions: versions(),
      scenarios: { ...readResults().scenarios, [name]: result },
    });
  }
  writePages(readResults());
  console.log(`\nDone in ${((performance.now() - start) / 60_000).toFixed(1)} minutes.`);
  if (unfinished.length > 0) {
    console.error(`Failed, or not begun in time: ${unfinished.join(", ")}. Go on with --missing.`);
    process.exitCode = 1;
  }
}

interface Circumstances {
  readonly commit: string;
  readonly scale: number;
  readonly timeoutMs: number;
}

async function run(name: string, { commit, scale, timeoutMs }: Circumstances): Promise<Result> {
  const start = performance.now();
  const load = Number(loadavg()[0]!.toFixed(1));
  const { told, failure } = await runScenario(name, {
    env: { BENCH_SCALE: String(scale) },
    shown: true,
    ...(timeoutMs === Infinity ? {} : { timeoutMs: Math.ceil(timeoutMs) }),
  });
  return {
    date: new Date().toISOString().slice(0, 10),
    commit,
    machine: machine(),
    scale: Number(scale.toFixed(2)),
    seconds: Math.round((performance.now() - start) / 1_000),
    load,
    tables: told.filter((one): one is Rates | Figures => "title" in one),
    notes: told.flatMap((one) => ("note" in one ? [one.note] : [])),
    ...(failure === undefined ? {} : { failure }),
  };
}

function isDone(result: Result | undefined, commit: string): boolean {
  return result !== undefined && result.failure === undefined && result.commit === commit;
}

/** The commit that is checked out, with a `+` if the library or a scenario differs from it. */
function currentCommit(): string {
  const git = (...words: string[]): string =>
    spawnSync("git", words, { cwd: root, encoding: "utf8" }).stdout?.trim() ?? "";
  const changed = git("status", "--porcelain", "--", "src", "cli/src", "bench/*.ts", "bench/harness");
  return `${git("rev-parse", "--short=8", "HEAD")}${changed === "" ? "" : "+"}`;
}

function machine(): string {
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} × ${cpus()[0]?.model.trim()}, ${memory} GiB, ${process.platform}, Node ${process.version}`;
}

/** Of all contenders, as they are installed. */
function versions(): Readonly<Record<string, string>> {
  const require = createRequire(`${folder}package.json`);
  const { dependencies = {} } = JSON.parse(readFileSync(`${folder}package.json`, "utf8")) as {
    readonly dependencies?: Readonly<Record<string, string>>;
  };
  const names = [...Object.keys(dependencies), "better-sqlite3", "fastify", "pg"];
  const found = names
    .filter((name) => !name.startsWith("@types/"))
    .toSorted()
    .flatMap((name) => {
      const path = [`${folder}node_modules/${name}`, `${root}node_modules/${name}`].find(existsSync);
      if (path === undefined) return [];
      return [[name, (require(`${path}/package.json`) as { version: string }).version]];
    });
  return Object.fromEntries(found) as Record<string, string>;
}
