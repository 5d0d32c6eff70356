import { open } from "../../src/engine/open.ts";

/**
 * Queues documents through a database with a journal until it is killed, and prints each id once the operation was
 * accepted, which is before it is written. Usage: node spilling-writer.ts URL JOURNAL FIRST_ID
 */
const [url, spill, firstId] = process.argv.slice(2);
const db = await open(url, { spill: spill!, batch: { eager: false, flushIntervalMs: 20 } });
let next = Number(firstId);

for (;;) {
  const ids = Array.from({ length: 10 }, () => String(next++));
  const documents = ids.map((id) => ({ id }));
  await new Promise<void>((resolve) => {
    void db.batch.submitAll("insert", "accepted", documents, { onAccepted: resolve });
  });
  process.stdout.write(ids.map((id) => `${id}\n`).join(""));
}
