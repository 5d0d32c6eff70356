import type { Output, Rows } from "./output.ts";

/** One JSON object a line. */
export async function printNdjson(rows: Rows, output: Output): Promise<void> {
  for await (const row of rows) {
    await output.write(`${JSON.stringify(row)}\n`);
    if (output.closed) return;
  }
  await output.flush();
}

/** A JSON array with a row on each line, written as the rows come. */
export async function printJson(rows: Rows, output: Output): Promise<void> {
  let before = "[\n";
  for await (const row of rows) {
    await output.write(`${before}${JSON.stringify(row)}`);
    if (output.closed) return;
    before = ",\n";
  }
  await output.write(before === "[\n" ? "[]\n" : "\n]\n");
  await output.flush();
}
