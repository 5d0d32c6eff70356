import type { Output, Rows } from "./output.ts";
import { printable } from "./printable.ts";

/** One JSON object a line. */
export async function printNdjson(rows: Rows, output: Output): Promise<void> {
  for await (const row of rows) {
    await output.write(`${jsonOf(row, output)}\n`);
    if (output.closed) return;
  }
  await output.flush();
}

/** A JSON array with a row on each line, written as the rows come. */
export async function printJson(rows: Rows, output: Output): Promise<void> {
  let before = "[\n";
  for await (const row of rows) {
    await output.write(`${before}${jsonOf(row, output)}`);
    if (output.closed) return;
    before = ",\n";
  }
  await output.write(before === "[\n" ? "[]\n" : "\n]\n");
  await output.flush();
}

/** The same value either way: what a terminal must not get can only be within strings, where JSON has escapes. */
function jsonOf(row: object, { isTerminal }: Output): string {
  const json = JSON.stringify(row);
  return isTerminal ? printable(json) : json;
}
