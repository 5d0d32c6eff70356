/**
 * A hundred callers that each write one document at a time, as the handlers of a web server do: their writes
 * gather in the batch queue and reach the database together, and each caller still learns how its own ended.
 */
import { FormDBError, open } from "@formdb/perf";

const db = await open("sqlite::memory:");

const settled = await Promise.allSettled(
  // Every tenth caller uses an id that is taken.
  Array.from({ length: 100 }, (_, i) => db.insert("visits", { id: i % 10 === 9 ? "0" : String(i), at: i })),
);

const refused = settled.filter(({ status }) => status === "rejected") as PromiseRejectedResult[];
const codes = new Set(refused.map(({ reason }) => (reason instanceof FormDBError ? reason.code : reason)));
console.log(
  `${settled.length - refused.length} written, ${refused.length} refused: ${[...codes].join(", ")}`,
);

const { flushes } = db.stats().batch;
console.log(`100 writes took ${flushes < 20 ? "a few" : flushes} batches`);

await db.close();
