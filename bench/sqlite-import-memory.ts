/**
 * Memory while many documents are imported into a SQLite file: node --expose-gc bench/sqlite-import-memory.ts [count].
 * Prints the heap after a collection and the process's size at each tenth.
 */
import { open } from "./harness/built.ts";
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
let next = 0;
const start = performance.now();
const result = await db.import("users", documents(), {
  onProgress: ({ imported }) => {
    if (imported < next) return;
    next += count / 10;
    globalThis.gc?.();
    const { heapUsed, rss } = process.memoryUsage();
    const seconds = ((performance.now() - start) / 1_000).toFixed(0);
    console.log(
      `${seconds.padStart(4)} s ${imported.toLocaleString("en").padStart(11)} documents, ` +
        `heap ${(heapUsed / MIB).toFixed(1)} MiB, process ${(rss / MIB).toFixed(0)} MiB`,
    );
  },
});
console.log(
  `${result.successful} imported, ${result.failed} failed, ${Math.round((count / result.elapsedMs) * 1_000)}/s`,
);
await db.close();
