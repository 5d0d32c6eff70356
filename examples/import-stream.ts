/**
 * An import from any iterable, in bounded memory. With `ifExists: "skip-identical"` it can be run again after it
 * was cut off: what is there already is left alone, and every document ends up there once.
 */
import { open } from "@formdb/perf";

async function* readings(): AsyncGenerator<Record<string, unknown>> {
  for (let n = 0; n < 10_000; n++) yield { id: `r${n}`, sensor: n % 7, value: Math.sin(n) };
  yield { id: "r5", sensor: "this id was there before" };
}

const db = await open("sqlite::memory:");

const result = await db.import("readings", readings(), {
  ifExists: "skip-identical",
  onRejected: ({ index, code }) => console.log(`document ${index} was not imported: ${code}`),
});
console.log(`${result.successful} imported, ${result.failed} failed`);

const { rows } = await db.query(
  "SELECT sensor, COUNT(*) AS readings, MAX(value) AS highest FROM readings GROUP BY sensor ORDER BY sensor LIMIT 2",
);
console.log(rows);

await db.close();
