import { open } from "../../../src/engine/open.ts";

/** Imports documents with the ids 0 to COUNT - 1 and prints a line for each chunk. Usage: node importing-process.ts URL COUNT */
const [url, count] = process.argv.slice(2);
const db = await open(url);

function* documents(): Generator<{ id: string; n: number }> {
  for (let n = 0; n < Number(count); n++) yield { id: String(n), n };
}

await db.import("killed", documents(), {
  ifExists: "skip-identical",
  onProgress: ({ imported }) => process.stdout.write(`${imported}\n`),
});
await db.close();
