import { type Measured, ratioOf } from "../../bench/harness/compare.ts";
import { isRates, type Results } from "../../bench/harness/results.ts";
import {
  COMPARISONS,
  type Comparison,
  type Ratio,
  ratesOf,
  ratiosOf,
  shown,
  tablesOf,
} from "./comparisons.ts";
import { table } from "./markdown.ts";

/** What stands in the guides between `<!-- figures: NAME … -->` and `<!-- end of figures -->`, by name. */
export const FIGURES: Readonly<Record<string, (results: Results) => string>> = {
  run,
  behind,
  sqlite: (results) => comparisons(results, COMPARISONS.sqlite),
  postgres: (results) => comparisons(results, COMPARISONS.postgres),
  http: (results) => comparisons(results, COMPARISONS.http),
  parts: (results) => comparisons(results, COMPARISONS.parts),
  pool: (results) =>
    comparisons(
      results,
      COMPARISONS.parts.filter(({ scenario }) => scenario === "pool-acquire"),
    ),
  "many-callers": manyCallers,
  ycsb,
  queries,
  "pg-pool": pgPool,
  "lone-writes": (results) => asMeasured(results, "sqlite-lone-writes"),
  "lone-reads": (results) => asMeasured(results, "postgres-lone-reads"),
  "pool-spike": (results) => asMeasured(results, "pool-spike"),
  "metrics-cost": (results) => asMeasured(results, "sqlite-metrics-cost"),
  "import-memory": (results) => asMeasured(results, "sqlite-import-memory"),
  "growth-memory": growthMemory,
};

/** Behind by more than what two runs of one program differ by. */
const BEHIND = 0.95;
const NOT_MEASURED = "not measured";

/** When, where and of what the results are. */
function run({ scenarios }: Results): string {
  const all = Object.values(scenarios);
  const one = (facts: readonly string[]): string => [...new Set(facts)].sort().join(" and ");
  const loads = all.map(({ load }) => load);
  const cores = Math.min(...all.map(({ machine }) => Number.parseInt(machine, 10)));
  // A scenario and its server keep more than one core busy; what it follows is still in the kernel's minute.
  const busy = Math.max(...loads) > 2 * cores;
  return (
    `Measured on ${one(all.map(({ date }) => date))} at commit ${one(all.map(({ commit }) => commit))}, on ` +
    `${one(all.map(({ machine }) => machine))}. When a scenario began, ${Math.min(...loads)} to ${Math.max(...loads)} processes wanted a core.` +
    (busy ? " **The machine had other work as well: these figures tell little.**" : "")
  );
}

function comparisons(results: Results, all: readonly Comparison[]): string {
  const rows = all.map((comparison) => {
    const ratios = ratiosOf(results, comparison);
    return [comparison.what, `\`${comparison.scenario}\``, listed(ratios)];
  });
  return table(["what", "scenario", "our rate over theirs"], rows);
}

function listed(ratios: readonly Ratio[]): string {
  if (ratios.length === 0) return NOT_MEASURED;
  return ratios.map(({ name, ratio }) => `${shown(ratio)} × ${name}`).join("; ");
}

/** Scenarios whose tables all compare the first contender, which is ours, with the others. */
const PLAIN_SCENARIOS = ["ycsb", "queries", "postgres-many-callers", "pg-pool"];

/** Every comparison of the pages in which somebody else is ahead, worst first. */
function behind(results: Results): string {
  const named = Object.values(COMPARISONS)
    .flat()
    .map((comparison) => ({ ...comparison, ratios: ratiosOf(results, comparison) }));
  const plain = PLAIN_SCENARIOS.flatMap((scenario) =>
    ratesOf(results, scenario).map(({ title, measured }) => ({
      what: title.replace(/, (?:operations |queries )?a second$/, ""),
      scenario,
      ratios: besideFirst(measured.filter(isPeer)),
    })),
  );
  const lost = [...named, ...plain]
    .map(({ what, scenario, ratios }) => ({
      what,
      scenario,
      ratios: ratios.filter(({ ratio }) => ratio < BEHIND).toSorted((a, b) => a.ratio - b.ratio),
    }))
    .filter(({ ratios }) => ratios.length > 0)
    .toSorted((a, b) => a.ratios[0]!.ratio - b.ratios[0]!.ratio);
  return table(
    ["what", "scenario", "our rate over theirs"],
    lost.map(({ what, scenario, ratios }) => [what, `\`${scenario}\``, listed(ratios)]),
  );
}

/** Not ours with another setting. */
const isPeer = ({ name }: { readonly name: string }): boolean => !name.includes("batch.reads");

function besideFirst(measured: readonly Measured[]): Ratio[] {
  const [ours, ...others] = measured;
  return others.map((theirs) => ({ name: theirs.name, ratio: ratioOf(ours!, theirs) }));
}

/** A row for each of a scenario's tables, a column for each contender. */
function matrix(
  first: string,
  rows: readonly { readonly name: string; readonly ratios: readonly Ratio[] }[],
): string {
  if (rows.length === 0) return NOT_MEASURED;
  const names = [...new Set(rows.flatMap(({ ratios }) => ratios.map(({ name }) => name)))];
  return table(
    [first, ...names],
    rows.map(({ name, ratios }) => [
      name,
      ...names.map((column) => {
        const found = ratios.find((one) => one.name === column);
        return found === undefined ? "" : shown(found.ratio);
      }),
    ]),
    { numbers: true },
  );
}

function manyCallers(results: Results): string {
  return ["one shape", "ten shapes in turn"]
    .map((shape) => {
      const tables = ratesOf(results, "postgres-many-callers", `Small indexed queries, ${shape}`);
      const rows = tables.map(({ title, measured }) => ({
        name: /, (\d+) caller/.exec(title)![1]!,
        ratios: besideFirst(measured.filter(isPeer)),
      }));
      return matrix(`callers, ${shape}`, rows);
    })
    .join("\n\n");
}

function ycsb(results: Results): string {
  return ["SQLite", "PostgreSQL"]
    .map((engine) => {
      const rows = ratesOf(results, "ycsb", `${engine}, `).map(({ title, measured }) => ({
        name: title.slice(engine.length + 2).replace(/, operations a second$/, ""),
        ratios: besideFirst(measured),
      }));
      return matrix(engine, rows);
    })
    .join("\n\n");
}

/** A row for each query, a column for each engine, whatever the engine is called. */
function queries(results: Results): string {
  const rows = new Map<string, Ratio[]>();
  for (const { title, measured } of ratesOf(results, "queries")) {
    const [engine = "", what = ""] = title.replace(/, a second$/, "").split(/: (.*)/);
    const [{ ratio }] = besideFirst(measured) as [Ratio];
    rows.set(what, [...(rows.get(what) ?? []), { name: engine, ratio }]);
  }
  for (const found of tablesOf(results, "queries")) {
    if (isRates(found)) continue;
    const [engine = "", what = ""] = found.title.split(/: (.*)/);
    const shownAs = `${what} (smaller is better)`;
    rows.set(shownAs, [...(rows.get(shownAs) ?? []), { name: engine, ratio: Number(found.rows[0]!.at(-1)) }]);
  }
  return matrix(
    "our rate over that by hand",
    [...rows].map(([name, ratios]) => ({ name: /COUNT|ORDER/.test(name) ? `\`${name}\`` : name, ratios })),
  );
}

function pgPool(results: Results): string {
  const rows = new Map<string, Ratio[]>();
  for (const { title, measured } of ratesOf(results, "pg-pool")) {
    const [what = "", callers = ""] = title.split(/, (.*)/);
    rows.set(what, [
      ...(rows.get(what) ?? []),
      { name: callers, ratio: ratioOf(measured[0]!, measured[1]!) },
    ]);
  }
  const rates = matrix(
    "our rate over `pg.Pool`'s",
    [...rows].map(([name, ratios]) => ({ name, ratios })),
  );
  return `${rates}\n\n${asMeasured(results, "pg-pool")}`;
}

/** The tables of a scenario as they are in the results. */
function asMeasured(results: Results, scenario: string, title = ""): string {
  const tables = tablesOf(results, scenario, title).flatMap((one) => (isRates(one) ? [] : [one]));
  if (tables.length === 0) return NOT_MEASURED;
  return tables
    .map((one) => `${one.title}:\n\n${table(one.columns, one.rows, { numbers: true })}`)
    .join("\n\n");
}

/** Of the tables of growth the rows about memory. */
function growthMemory(results: Results): string {
  const tables = tablesOf(results, "growth").flatMap((one) => (isRates(one) ? [] : [one]));
  if (tables.length === 0) return NOT_MEASURED;
  const rows = tables.flatMap(({ title, rows: all }) =>
    all
      .filter(([name]) => /MiB/.test(String(name)))
      .map(([name, ...cells]) => [`${title.split(",")[0]}: ${name}`, ...cells]),
  );
  return table(["", ...tables[0]!.columns.slice(1)], rows, { numbers: true });
}
