import { grouped } from "../../bench/harness/grouped.ts";
import { isRates, type Results } from "../../bench/harness/results.ts";
import { bars, type Group } from "./bars.ts";
import { ratesOf, tablesOf } from "./comparisons.ts";
import { curves, type Panel } from "./curves.ts";
import { overview } from "./overview.ts";

/** Each chart's file in `docs/images/`, with what is drawn; those of scenarios without results are left out. */
export function charts(results: Results): ReadonlyMap<string, string> {
  const drawn: [string, string | undefined][] = [
    ["ahead-behind.svg", overview(results)],
    ["many-callers.svg", manyCallers(results)],
    ["ycsb-sqlite.svg", ycsb(results, "SQLite")],
    ["ycsb-postgresql.svg", ycsb(results, "PostgreSQL")],
    ["growth-sqlite.svg", growth(results, "SQLite")],
    ["growth-postgresql.svg", growth(results, "PostgreSQL")],
  ];
  return new Map(drawn.filter((one): one is [string, string] => one[1] !== undefined));
}

function manyCallers(results: Results): string | undefined {
  const groups = ratesOf(results, "postgres-many-callers", "Small indexed queries, one shape").map(
    ({ title, measured }): Group => {
      const callers = /, (\d+) caller/.exec(title)![1]!;
      return {
        label: `${grouped(Number(callers))} caller${callers === "1" ? "" : "s"}`,
        measured: measured
          .filter(({ name }) => !name.includes("batch.reads"))
          .map((one) => (one.name === "ours" ? { ...one, name: "@formdb/perf" } : one)),
      };
    },
  );
  if (groups.length === 0) return undefined;
  return bars({
    title: "Small indexed queries from PostgreSQL a second, by callers",
    unit: "small indexed queries from PostgreSQL a second, ten connections each; more is better",
    groups,
  });
}

function ycsb(results: Results, engine: string): string | undefined {
  const tables = ratesOf(results, "ycsb", `${engine}, `);
  if (tables.length === 0) return undefined;
  return bars({
    title: `YCSB's workloads on ${engine}, as multiples of FormDB's rate`,
    unit: `YCSB's workloads on ${engine}: operations a second, FormDB's median = 1; more is better`,
    relative: true,
    groups: tables.map(({ title, measured }) => ({
      label: title.slice(engine.length + 2).split(":")[0]!,
      measured,
    })),
  });
}

function growth(results: Results, engine: string): string | undefined {
  const [table] = tablesOf(results, "growth", engine);
  if (table === undefined || isRates(table)) return undefined;
  const axis = table.columns.slice(1).map((column) => Number(column.replaceAll(/\D/g, "")));
  const panels = ["get", "query by index", "insert"].map((figure): Panel => {
    const rows = table.rows.filter(([name]) => String(name).startsWith(`${figure}, `));
    return {
      label: figure,
      curves: rows.map(([name, ...rates]) => ({
        name: String(name)
          .slice(figure.length + 2)
          .replace(",", " "),
        rates: rates.map(Number),
      })),
    };
  });
  return curves({
    title: `What a second brings on ${engine}, by the number of documents and callers`,
    unit: `${engine}: calls a second by the number of documents; a level line does not depend on it`,
    axis,
    panels,
  });
}
