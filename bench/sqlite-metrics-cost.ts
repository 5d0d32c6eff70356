/** What all metrics cost a read by id from a SQLite file: on and off in short turns, so that both meet the same machine. */
import { open } from "./harness/built.ts";
import { makeDocuments } from "./harness/documents.ts";
import { tabulate } from "./harness/report.ts";
import { temporaryFile } from "./harness/temporary.ts";

const TURNS = 100;
const READS = 2_000;
const documents = makeDocuments(10_000);
const url = `sqlite:${temporaryFile()}`;

const on = await open(url);
await on.batchInsert("users", documents);
const off = await open(url, { metrics: false });

async function turn(db: typeof on): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < READS; i++) await db.get("users", documents[(i * 7_919) % documents.length]!.id);
  return ((performance.now() - start) * 1_000) / READS;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

for (let i = 0; i < 10; i++) {
  await turn(on);
  await turn(off);
}
const times = { on: [] as number[], off: [] as number[] };
for (let i = 0; i < TURNS; i++) {
  for (const side of i % 2 === 0 ? (["on", "off"] as const) : (["off", "on"] as const)) {
    times[side].push(await turn(side === "on" ? on : off));
  }
}
const [withMetrics, without] = [median(times.on), median(times.off)];
tabulate(
  "Reads by id from a SQLite file with all metrics and without",
  ["metrics", "µs a read", "rate beside off"],
  [
    ["on", withMetrics.toFixed(2), (without / withMetrics).toFixed(3)],
    ["off", without.toFixed(2), "1.000"],
  ],
);
await on.close();
await off.close();
