import { open } from "../../src/engine/open.ts";

/**
 * Writes by every kind of call at once until it is killed, and prints a line for each that was acknowledged: its kind and
 * number. Usage: node mixed-writer.ts URL FIRST_NUMBER
 */
const [url, first] = process.argv.slice(2);
const db = await open(url);
const counters = db.collection("counters");
for (const id of ["changes", "updates", "found", "sql"]) {
  await db.query("INSERT INTO counters $1", [{ id, n: 0 }]).catch(() => {});
}
const isSqlite = db.stats().profile === "sqlite";
const count = isSqlite
  ? "jsonb_set(doc, '$.n', json_extract(doc, '$.n') + 1)"
  : `jsonb_set(doc, '{n}', ((doc->>'n')::int + 1)::text::jsonb)`;

/** What each kind does: two documents that belong together, or one more of a counter. */
const KINDS: Record<string, (n: number) => Promise<unknown>> = {
  transaction: (n) =>
    db.transaction(async (tx) => {
      await tx.insert("pairs", { id: `transaction-${n}-a` });
      await tx.insert("pairs", { id: `transaction-${n}-b` });
    }),
  insert: (n) => db.query("INSERT INTO pairs $1", [[{ id: `insert-${n}-a` }, { id: `insert-${n}-b` }]]),
  batch: (n) => db.batchInsert("singles", [{ id: `batch-${n}-a` }, { id: `batch-${n}-b` }]),
  single: (n) => Promise.all(["a", "b"].map((half) => db.insert("singles", { id: `single-${n}-${half}` }))),
  changes: () => counters.update("changes", { inc: { n: 1 } }),
  updates: () => db.query("UPDATE counters SET n = n + 1 WHERE id = 'updates'"),
  found: () => counters.findOneAndUpdate({ id: "found" }, { inc: { n: 1 } }),
  sql: () => db.sql(`UPDATE counters SET doc = ${count}, version = version + 1 WHERE id = 'sql'`),
};

async function caller(kind: string): Promise<never> {
  for (let n = Number(first); ; n++) {
    await KINDS[kind]!(n);
    process.stdout.write(`${kind} ${n}\n`);
  }
}

await Promise.all(Object.keys(KINDS).map(caller));
