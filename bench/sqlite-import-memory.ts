/**
 * Memory while many documents are imported into a SQLite file: node --expose-gc bench/sqlite-import-memory.ts [count].
 * Prints the heap after a collection and the process's size at each tenth.
 */
import { open } from "./harness/built.ts";
import { tabulate } from "./harness/report.ts";
import { temporaryFile } from "./harness/temporary.ts";

const count = Number(process.argv[2] ?? 5_000_000);

function* documents(): Generator<unknown> {
  for (let i = 0; i < count; i++) {
    yield {
      id: String(i).padStart(9, "0"),
      name: `Person number ${i}`,
      age: i % 90,
      tags: ["alpha", "beta"],
    };
  }
}

const MIB = 1024 * 1024;
const db = await open(`sqlite:${temporaryFile()}`);
const rows: number[][] = [];
let next = 0;
const start = performance.now();
const result = await db.import("users", documents(), {
  onProgress: ({ imported }) => {
    if (imported < next) return;
    next += count / 10;
    globalThis.gc?.();
    const { heapUsed, rss } = process.memoryUsage();
    const perSecond = Math.round((imported / (performance.now() - start)) * 1_000);
    rows.push([imported, perSecond, Math.round(heapUsed / MIB), Math.round(rss / MIB)]);
  },
});
if (result.successful !== count) throw new Error(`${result.successful} of ${count} were imported`);
tabulate(
  "Memory while documents are imported into a SQLite file, heap after a collection",
  ["documents", "a second so far", "heap, MiB", "process, MiB"],
  rows,
);
await db.close();
