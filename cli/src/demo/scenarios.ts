import { databaseFiles, type FormDB, type OpenOptions, open } from "@formdb/perf";
import { ByHand } from "./by-hand.ts";
import type { City } from "./cities.ts";
import { type Measurement, measure, type Work } from "./measure.ts";
import type { Result } from "./results-table.ts";
import { BATCH_SIZE, batchedWrites, lookUps, mixed, scans, singleWrites } from "./workloads.ts";

/** A workload, by hand and under each of its settings. */
interface Scenario {
  readonly workload: string;
  readonly callers: number;
  readonly byHand: (byHand: ByHand) => Work;
  readonly work: (db: FormDB) => Work;
  readonly settings: readonly (readonly [setting: string, options: OpenOptions])[];
}

/** What the scenarios work on. */
export interface DemoData {
  readonly url: string;
  readonly sample: readonly City[];
  readonly ids: readonly string[];
}

function scenarios({ sample, ids }: DemoData): Scenario[] {
  return [
    {
      workload: "look-ups",
      callers: 1,
      byHand: (byHand) => byHand.lookUps(sample),
      work: (db) => lookUps(db, sample),
      settings: [
        ["plan cache off", { cache: { ttlMs: 0 } }],
        ["plan cache on", {}],
      ],
    },
    {
      workload: "single writes",
      callers: 1,
      byHand: (byHand) => byHand.singleWrites(sample),
      work: (db) => singleWrites(db, sample),
      settings: [["one at a time", {}]],
    },
    {
      workload: "100 writers",
      callers: 100,
      byHand: (byHand) => byHand.singleWrites(sample),
      work: (db) => singleWrites(db, sample),
      settings: [["one each", {}]],
    },
    {
      workload: "batched writes",
      callers: 1,
      byHand: (byHand) => byHand.batchedWrites(sample),
      work: (db) => batchedWrites(db, sample),
      settings: [[`calls of ${BATCH_SIZE}`, {}]],
    },
    {
      workload: "scans",
      callers: 8,
      byHand: (byHand) => byHand.scans(sample),
      work: (db) => scans(db, sample),
      settings: [
        ["pool of 1", poolOf(1)],
        ["pool of 4", poolOf(4)],
      ],
    },
    {
      workload: "mixed",
      callers: 8,
      byHand: (byHand) => byHand.mixed(sample, ids),
      work: (db) => mixed(db, sample, ids),
      settings: [["8 callers", {}]],
    },
  ];
}

function poolOf(size: number): OpenOptions {
  return { pool: { minConnections: size, maxConnections: size } };
}

/**
 * Measures one line after the other. By hand is measured on a SQLite file only: it stands for what a person would write
 * for that engine.
 */
export async function* results(
  data: DemoData,
  durationMs: number,
  signal: AbortSignal,
): AsyncGenerator<Result> {
  const [file] = databaseFiles(data.url);
  using byHand = file === undefined ? undefined : new ByHand(file);
  for (const { workload, callers, byHand: workByHand, work, settings } of scenarios(data)) {
    let handRate: number | undefined;
    if (byHand !== undefined) {
      const found = await measure(workByHand(byHand), callers, durationMs, signal);
      handRate = rate(found);
      yield { workload, setting: "by hand", found, times: 1, hitRate: undefined };
    }
    for (const [setting, options] of settings) {
      await using db = await open(data.url, options);
      const found = await measure(work(db), callers, durationMs, signal);
      const { hits, misses, hitRate } = db.cache.stats();
      const times = handRate === undefined ? undefined : rate(found) / handRate;
      yield { workload, setting, found, times, hitRate: hits + misses === 0 ? undefined : hitRate };
    }
  }
}

function rate({ operations, elapsedMs }: Measurement): number {
  return operations / elapsedMs;
}
