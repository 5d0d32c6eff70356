import { type Measured, ratioOf } from "../../bench/harness/compare.ts";
import { grouped } from "../../bench/harness/grouped.ts";
import type { Figures, Rates } from "../../bench/harness/report.ts";
import { isRates, type Results } from "../../bench/harness/results.ts";

/** What the pages compare: a table of a scenario, and whom of it. */
export interface Comparison {
  readonly what: string;
  readonly scenario: string;
  /** How the title of the table begins. */
  readonly table: string;
  /** The contender that is ours; the table's first if absent. */
  readonly ours?: string;
  /** The others to show; all but `ours` if absent. */
  readonly against?: readonly string[];
}

const BY_HAND = "better-sqlite3 prepared + JSON.parse";
const BUILDERS = [BY_HAND, "Drizzle prepared", "Kysely", "Knex"];
const FULL = "better-sqlite3, a transaction each, FULL";
const CLIENTS = ["pg, pipelined", "postgres.js", "pg-pool, prepared", "Drizzle, prepared", "Kysely", "Knex"];
const BESIDE_SCANS = ["pg-pool, prepared", "pg, pipelined"];
const TTL = ["lru-cache, TTL", "tiny-lru, TTL", "quick-lru, TTL", "lru.min, TTL by hand"];

/** By the page's section. */
export const COMPARISONS = {
  sqlite: [
    { what: "import of 1 000 000 documents", scenario: "sqlite-import", table: "Import" },
    { what: "100 single inserts awaited together", scenario: "sqlite-single-writes", table: "Single" },
    {
      what: "reads by id, `db.get`",
      scenario: "sqlite-get",
      table: "Reads",
      ours: "db.get, metrics on",
      against: BUILDERS,
    },
    {
      what: "reads by id, `db.query`",
      scenario: "sqlite-get",
      table: "Reads",
      ours: "db.query by id, metrics on",
      against: BUILDERS,
    },
    {
      what: "100 updates of one document at once",
      scenario: "batch-hot-key",
      table: "A hundred",
      ours: 'coalesce: "additive", a field of its own each',
      against: ['coalesce: "none", a field of its own each'],
    },
    {
      what: "100 changes awaited together",
      scenario: "sqlite-single-writes",
      table: "100 changes of as many",
      against: [FULL],
    },
    {
      what: "changes by one caller, each awaited before the next",
      scenario: "sqlite-single-writes",
      table: "100 changes of as many",
      ours: "update(id, { inc }), one by one",
      against: [FULL],
    },
  ],
  postgres: [
    { what: "import of 100 000 documents", scenario: "postgres-import", table: "Import" },
    {
      what: "100 single inserts awaited together",
      scenario: "postgres-single-writes",
      table: "100 inserts awaited",
    },
    {
      what: "100 callers with ten inserts each",
      scenario: "postgres-single-writes",
      table: "100 callers with ten inserts",
    },
    {
      what: "100 changes awaited together",
      scenario: "postgres-single-writes",
      table: "100 changes of as many",
    },
    {
      what: "100 changes of one document awaited together",
      scenario: "postgres-single-writes",
      table: "100 changes of one",
    },
    {
      what: "changes by one caller, each awaited before the next",
      scenario: "postgres-single-writes",
      table: "A single caller's changes",
    },
    {
      what: "100 reads by id awaited together",
      scenario: "postgres-get",
      table: "100 reads awaited",
      against: CLIENTS,
    },
    {
      what: "100 callers with ten reads each",
      scenario: "postgres-get",
      table: "100 callers with ten reads",
      against: CLIENTS,
    },
    {
      what: "reads by id, one caller, in one process",
      scenario: "postgres-reads",
      table: "Reads by id",
      against: ["pg client, prepared", ...CLIENTS],
    },
    {
      what: "short queries beside scans: time of half of them",
      scenario: "postgres-beside-scans",
      table: "Short queries beside scans: one over the time (s) within which half",
      against: BESIDE_SCANS,
    },
    {
      what: "short queries beside scans: time of 99 of 100",
      scenario: "postgres-beside-scans",
      table: "Short queries beside scans: one over the time (s) within which 99",
      against: BESIDE_SCANS,
    },
  ],
  http: [
    { what: "reads of a document by id", scenario: "http", table: "Reads" },
    { what: "inserts, each durable when it is answered", scenario: "http", table: "Inserts" },
    { what: "queries by an indexed field", scenario: "http", table: "Queries" },
  ],
  parts: [
    {
      what: "pool, 1 caller",
      scenario: "pool-acquire",
      table: "acquire/release, 1 caller",
      against: ["generic-pool", "pg-pool", "lightning-pool", "tarn"],
    },
    {
      what: "pool, 100 callers",
      scenario: "pool-acquire",
      table: "acquire/release, 100 callers",
      against: ["generic-pool", "pg-pool", "lightning-pool", "tarn"],
    },
    { what: "plan cache, `get`, all hits", scenario: "cache-get", table: "get", against: TTL },
    { what: "plan cache, `set`, all present", scenario: "cache-set", table: "set", against: TTL },
    { what: "metrics, bound counter", scenario: "metrics-record", table: "A counter" },
    { what: "metrics, bound histogram", scenario: "metrics-record", table: "A histogram" },
    { what: "metrics, `recordQuery` with labels", scenario: "metrics-record", table: "A query" },
    {
      what: "metrics, export of 1 000 series",
      scenario: "metrics-export",
      table: "An export",
      against: ["prom-client"],
    },
  ],
} as const satisfies Readonly<Record<string, readonly Comparison[]>>;

/** A contender's name, and our rate over its. */
export interface Ratio {
  readonly name: string;
  readonly ratio: number;
}

/** The tables of a scenario whose title begins like this. */
export function tablesOf(results: Results, scenario: string, title = ""): readonly (Rates | Figures)[] {
  const tables = results.scenarios[scenario]?.tables ?? [];
  return tables.filter((table) => table.title.startsWith(title));
}

export function ratesOf(results: Results, scenario: string, title = ""): readonly Rates[] {
  return tablesOf(results, scenario, title).filter(isRates);
}

/** Our rates over theirs. Empty if it was not measured. */
export function ratiosOf(results: Results, comparison: Comparison): readonly Ratio[] {
  const { scenario, table, ours, against } = comparison;
  const [rates] = ratesOf(results, scenario, table);
  if (rates === undefined) return [];
  const own = ours === undefined ? rates.measured[0] : find(rates, ours);
  const others = against?.map((name) => find(rates, name)) ?? rates.measured.filter((one) => one !== own);
  if (own === undefined || others.includes(undefined)) {
    throw new Error(`${scenario}'s table "${rates.title}" lacks a contender that the pages show`);
  }
  return (others as readonly Measured[]).map((theirs) => ({
    name: theirs.name,
    ratio: ratioOf(own, theirs),
  }));
}

function find({ measured }: Rates, name: string): Measured | undefined {
  return measured.find((one) => one.name === name);
}

/** 0.66, 4.60, 17: three digits at the most. */
export function shown(ratio: number): string {
  return ratio < 9.995 ? ratio.toFixed(2) : grouped(Math.round(ratio));
}
