import type { Row } from "@formdb/perf";
import Table from "cli-table3";
import { grouped } from "../numbers.ts";
import type { Paint } from "./colours.ts";
import { fieldOf, type Output, type Rows } from "./output.ts";
import { printable } from "./printable.ts";

/** More rows than this are for files and programs, not for a table. */
export const MAX_TABLE_ROWS = 1_000;
/** The width where the output is no terminal. */
export const DEFAULT_TABLE_COLUMNS = 120;
/** A column never gets narrower than this, its two spaces included. */
const MIN_COLUMN_WIDTH = 12;

/** No terminal shows more of a cell in one line, so no more of it is looked at. */
const MAX_CELL_CHARACTERS = 1_000;

/** What did not fit into a table. */
export interface TableLoss {
  readonly hasMoreRows: boolean;
  readonly columns: readonly string[];
}

/** A table as wide as the terminal at most: long cells are cut with an ellipsis. Gives what was left out. */
export async function printTable(rows: Rows, output: Output, width: number): Promise<TableLoss> {
  const shown: Row[] = [];
  let hasMoreRows = false;
  for await (const row of rows) {
    hasMoreRows = shown.length === MAX_TABLE_ROWS;
    if (hasMoreRows) break;
    shown.push(row);
  }
  const all = [...new Set(shown.flatMap((row) => Object.keys(row)))];
  const columns = all.slice(0, Math.max(1, Math.floor((width - 1) / (MIN_COLUMN_WIDTH + 1))));
  if (columns.length > 0) await output.write(`${draw(columns, shown, { width, paint: output.paint })}\n`);
  await output.write(`${grouped(shown.length)} ${shown.length === 1 ? "row" : "rows"}\n`);
  await output.flush();
  return { hasMoreRows, columns: all.slice(columns.length) };
}

interface Look {
  readonly width: number;
  readonly paint: Paint;
}

function draw(columns: readonly string[], rows: readonly Row[], { width, paint }: Look): string {
  const cells = rows.map((row) => columns.map((name) => cell(fieldOf(row, name))));
  const head = columns.map(printable);
  const natural = head.map(
    (name, column) => cells.reduce((most, row) => Math.max(most, wide(row[column]!)), wide(name)) + 2,
  );
  const table = new Table({
    head: head.map((name) => paint("bold", name)),
    colWidths: fitted(natural, width - columns.length - 1),
    colAligns: columns.map((name) => (isNumeric(name, rows) ? "right" : "left")),
    style: { head: [], border: [], compact: true },
  });
  table.push(...cells);
  return table.toString();
}

/** The widths cut from the widest down until they fit; none when all do. */
function fitted(natural: readonly number[], available: number): number[] {
  let limit = Math.max(...natural);
  const total = (cap: number): number => natural.reduce((sum, width) => sum + Math.min(width, cap), 0);
  while (limit > MIN_COLUMN_WIDTH && total(limit) > available) limit--;
  return natural.map((width) => Math.min(width, limit));
}

function isNumeric(name: string, rows: readonly Row[]): boolean {
  return rows.every((row) => {
    const value = fieldOf(row, name) ?? null;
    return value === null || typeof value === "number";
  });
}

function cell(value: unknown): string {
  if (value === undefined) return "";
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return printable(text.length > MAX_CELL_CHARACTERS ? `${text.slice(0, MAX_CELL_CHARACTERS - 1)}…` : text);
}

/** How many columns of a terminal a text takes, near enough: East Asian wide characters take two. */
function wide(text: string): number {
  let width = 0;
  for (const character of text) width += WIDE.test(character) ? 2 : MARK.test(character) ? 0 : 1;
  return width;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}]/u;
const MARK = /\p{Mark}/u;
