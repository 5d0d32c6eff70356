import type { Row } from "@formdb/perf";
import type { Output, Rows } from "./output.ts";

/** From how many rows the header is made: documents of one collection need not have the same fields. */
const CSV_HEADER_ROWS = 1_000;

/**
 * CSV (RFC 4180, lines end in LF) with a header of all fields of the first rows. Objects and arrays are
 * written as JSON, null and missing fields as nothing. Gives the fields of later rows that the header lacks, whose
 * values are therefore not in the output.
 */
export async function printCsv(rows: Rows, output: Output): Promise<ReadonlySet<string>> {
  const lost = new Set<string>();
  let first: Row[] | undefined = [];
  let header: string[] = [];
  let known: ReadonlySet<string> = new Set();

  const begin = async (): Promise<void> => {
    header = [...new Set(first!.flatMap((row) => Object.keys(row)))];
    known = new Set(header);
    if (header.length > 0) await output.write(line(header));
    for (const row of first!) await output.write(line(header.map((name) => cell(row[name]))));
    first = undefined;
  };

  for await (const row of rows) {
    if (first !== undefined) {
      first.push(row);
      if (first.length === CSV_HEADER_ROWS) await begin();
    } else {
      for (const name of Object.keys(row)) if (!known.has(name)) lost.add(name);
      await output.write(line(header.map((name) => cell(row[name]))));
    }
    if (output.closed) return lost;
  }
  if (first !== undefined) await begin();
  await output.flush();
  return lost;
}

function line(cells: readonly string[]): string {
  const text = cells
    .map((text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text))
    .join(",");
  // An empty line would be no record for most readers.
  return text === "" ? '""\n' : `${text}\n`;
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
