import { perSecond } from "../numbers.ts";
import type { Measurement } from "./measure.ts";

/** One line of results. */
export interface Result {
  readonly workload: string;
  readonly setting: string;
  readonly found: Measurement;
  /** The rate beside that of the same work by hand; undefined if that was not measured. */
  readonly times: number | undefined;
  /** The plan cache's, between 0 and 1; undefined if it was not asked. */
  readonly hitRate: number | undefined;
}

/** Names and widths of the columns; together with what stands between them they fit into 80 characters. */
const COLUMNS: readonly (readonly [name: string, width: number])[] = [
  ["workload", 14],
  ["setting", 14],
  ["ops/s", 8],
  ["×", 6],
  ["p50 ms", 7],
  ["p99 ms", 7],
  ["hits", 6],
];
const TEXT_COLUMNS = 2;

/** The first lines of the table. Lines are printed one by one, as soon as each is measured. */
export function tableHead(): string {
  const rule = COLUMNS.map(([, width]) => "─".repeat(width)).join("─┼─");
  return `${row(COLUMNS.map(([name]) => name))}\n${rule}`;
}

export function tableRow({ workload, setting, found, times, hitRate }: Result): string {
  return row([
    workload,
    setting,
    perSecond(found.operations, found.elapsedMs),
    times === undefined ? "-" : times.toFixed(times < 10 ? 2 : 1),
    milliseconds(found.p50Ms),
    milliseconds(found.p99Ms),
    hitRate === undefined ? "-" : `${(hitRate * 100).toFixed(0)} %`,
  ]);
}

function row(cells: readonly string[]): string {
  const padded = cells.map((cell, index) => {
    const [, width] = COLUMNS[index]!;
    return index < TEXT_COLUMNS ? cell.padEnd(width) : cell.padStart(width);
  });
  return padded.join(" │ ").trimEnd();
}

function milliseconds(value: number): string {
  return value < 10 ? value.toFixed(3) : value.toFixed(1);
}
