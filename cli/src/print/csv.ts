import type { Row } from "@formdb/perf";
import { fieldOf, type Output, type Rows } from "./output.ts";
import { printable } from "./printable.ts";

/** From how many rows the header is made: documents of one collection need not have the same fields. */
const CSV_HEADER_ROWS = 1_000;

export interface CsvPrintOptions {
  /** Whether strings that a spreadsheet would run as a formula get a `'` before them. */
  readonly isSafe: boolean;
  /** The columns; by default the fields of the first rows. */
  readonly columns?: readonly string[];
}

/**
 * CSV (RFC 4180, lines end in LF) with a header of all fields of the first rows. Objects and arrays are
 * written as JSON, null and missing fields as nothing. Gives the fields of later rows that the header lacks, whose
 * values are therefore not in the output.
 */
export async function printCsv(
  rows: Rows,
  output: Output,
  { isSafe, columns }: CsvPrintOptions = { isSafe: false },
): Promise<ReadonlySet<string>> {
  const spell = (value: unknown): string => {
    const text = isSafe && typeof value === "string" ? withoutFormula(value) : cell(value);
    return quoted(output.isTerminal ? printable(text) : text);
  };
  const line = (values: readonly unknown[]): string => {
    const text = values.map(spell).join(",");
    // An empty line would be no record for most readers.
    return text === "" ? '""\n' : `${text}\n`;
  };

  const lost = new Set<string>();
  let first: Row[] | undefined = [];
  let header: string[] = [];
  let known: ReadonlySet<string> = new Set();
  const mark = (row: Row): void => {
    for (const name of Object.keys(row)) if (!known.has(name)) lost.add(name);
  };

  const begin = async (): Promise<void> => {
    header = [...(columns ?? new Set(first!.flatMap((row) => Object.keys(row))))];
    known = new Set(header);
    if (header.length > 0) await output.write(line(header));
    for (const row of first!) mark(row);
    for (const row of first!) await output.write(line(header.map((name) => fieldOf(row, name))));
    first = undefined;
  };

  for await (const row of rows) {
    if (first !== undefined) {
      first.push(row);
      if (first.length === CSV_HEADER_ROWS) await begin();
    } else {
      mark(row);
      await output.write(line(header.map((name) => fieldOf(row, name))));
    }
    if (output.closed) return lost;
  }
  if (first !== undefined) await begin();
  await output.flush();
  return lost;
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** What spreadsheets take for the beginning of a formula, also behind blanks. */
const FORMULA = /^\s*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;

function withoutFormula(text: string): string {
  return FORMULA.test(text) ? `'${text}` : text;
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
