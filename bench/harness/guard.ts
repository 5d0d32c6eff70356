import { ratioOf } from "./compare.ts";
import type { Rates } from "./report.ts";
import { runScenario } from "./run-scenario.ts";

/**
 * Fails if we have become much slower than a baseline contender of the same run. A limit is about half of the ratio that is
 * usual: machines are noisy, and this is for mistakes that cost a multiple, not for per cents. No absolute time is looked at.
 */
interface Limit {
  readonly scenario: string;
  readonly ours: string;
  readonly baseline: string;
  readonly atLeast: number;
}

const LIMITS: readonly Limit[] = [
  { scenario: "cache-get", ours: "PlanCache", baseline: "lru-cache, TTL", atLeast: 0.6 },
  { scenario: "pool-acquire", ours: "ours, acquire", baseline: "generic-pool", atLeast: 1.2 },
  { scenario: "metrics-record", ours: "formdb", baseline: "prom-client", atLeast: 8 },
  {
    scenario: "batch-overhead",
    ours: "submitAll, groups of 1 000",
    baseline: "JSON.stringify alone",
    atLeast: 0.12,
  },
  {
    scenario: "sqlite-single-writes",
    ours: "100 awaited db.insert",
    baseline: "better-sqlite3, a transaction each, FULL",
    atLeast: 2,
  },
  {
    scenario: "sqlite-get",
    ours: "db.get, metrics on",
    baseline: "better-sqlite3 prepared + JSON.parse",
    atLeast: 0.2,
  },
  { scenario: "sqlite-get", ours: "db.query by id, metrics on", baseline: "Kysely", atLeast: 1.2 },
  {
    scenario: "pg-pool",
    ours: "ours, text and values",
    baseline: "pg.Pool, text and values",
    atLeast: 0.8,
  },
  {
    scenario: "pg-pool",
    ours: "ours, prepared by hand",
    baseline: "pg.Pool, prepared by hand",
    atLeast: 0.6,
  },
];

/** Another try for what looks like a loss: the machine may have been busy elsewhere. */
const TRIES = 3;

/** The tables of one quick run of a scenario. */
async function run(scenario: string): Promise<readonly Rates[]> {
  const { told, failure } = await runScenario(scenario, { env: { BENCH_QUICK: "1" }, shown: false });
  if (failure !== undefined) throw new Error(`The scenario ${scenario} failed: ${failure}`);
  return told.filter((one) => "measured" in one);
}

/** The smallest ratio of all tables of a scenario that have both contenders. */
function ratioIn(tables: readonly Rates[], { ours, baseline, scenario }: Limit): number {
  const ratios = tables.flatMap(({ measured }) => {
    const [a, b] = [ours, baseline].map((name) => measured.find((one) => one.name === name));
    return a === undefined || b === undefined ? [] : [ratioOf(a, b)];
  });
  if (ratios.length === 0)
    throw new Error(`The scenario ${scenario} has no table with ${ours} and ${baseline}`);
  return Math.min(...ratios);
}

/** Prints each ratio beside its limit. Gives whether all hold. */
export async function guard(): Promise<boolean> {
  let open = [...LIMITS];
  for (let attempt = 1; attempt <= TRIES && open.length > 0; attempt++) {
    const tables = new Map<string, readonly Rates[]>();
    for (const name of new Set(open.map(({ scenario }) => scenario))) tables.set(name, await run(name));
    open = open.filter((limit) => {
      const ratio = ratioIn(tables.get(limit.scenario)!, limit);
      const holds = ratio >= limit.atLeast;
      console.log(
        `${holds ? "ok  " : "LOSS"} ${limit.scenario}: ${limit.ours} / ${limit.baseline} = ${ratio.toFixed(2)}, ` +
          `must be ${limit.atLeast} (try ${attempt})`,
      );
      return !holds;
    });
  }
  return open.length === 0;
}
