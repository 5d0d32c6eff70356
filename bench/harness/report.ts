import { appendFileSync } from "node:fs";
import { type Measured, ratioOf } from "./compare.ts";
import { grouped } from "./grouped.ts";

/** A file to which each of the calls below appends a line of JSON, for `scripts/bench.ts` and the guard. */
const JSON_FILE = process.env.BENCH_JSON;

/** Rates of contenders that took turns; the first is ours. */
export interface Rates {
  readonly title: string;
  readonly measured: readonly Measured[];
}

/** Figures that are no rates of contenders: a row each, with as many cells as there are columns. */
export interface Figures {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

/** What a scenario tells. A note says under which settings its tables were measured. */
export type Told = Rates | Figures | { readonly note: string };

/** Prints rates as a table, fastest first, each with its ratio to the first contender, which is ours. */
export function report(title: string, measured: readonly Measured[]): void {
  tell({ title, measured });
  const ours = measured[0]!;
  console.log(`\n${title}`);
  const rows = measured.toSorted((a, b) => b.perSecond - a.perSecond);
  const width = Math.max(...rows.map(({ name }) => name.length));
  for (const row of rows) {
    const { name, perSecond, slowest, fastest } = row;
    const ratio = row === ours ? "" : `  ours / this = ${ratioOf(ours, row).toFixed(2)}`;
    console.log(
      `  ${name.padEnd(width)}  ${format(perSecond)}/s  (${format(slowest)} to ${format(fastest)})${ratio}`,
    );
  }
}

/** Prints other figures as a table. */
export function tabulate(title: string, columns: Figures["columns"], rows: Figures["rows"]): void {
  tell({ title, columns, rows });
  console.log(`\n${title}`);
  const texts = [columns, ...rows].map((row) =>
    row.map((cell) => (typeof cell === "number" ? grouped(cell) : cell)),
  );
  const widths = columns.map((_, i) => Math.max(...texts.map((row) => row[i]!.length)));
  for (const row of texts) {
    const cells = row.map((text, i) => (i === 0 ? text.padEnd(widths[i]!) : text.padStart(widths[i]!)));
    console.log(`  ${cells.join("  ")}`);
  }
}

/** Prints a line about what all tables have in common. */
export function note(text: string): void {
  tell({ note: text });
  console.log(`\n${text}`);
}

function tell(told: Told): void {
  if (JSON_FILE !== undefined) appendFileSync(JSON_FILE, `${JSON.stringify(told)}\n`);
}

function format(perSecond: number): string {
  return grouped(Math.round(perSecond)).padStart(12);
}
