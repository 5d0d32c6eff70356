import { open } from "../../src/engine/open.ts";

/**
 * A service under load, as a process of its own: it queries and writes a database in memory and serves its metrics.
 * Sends `{ port }` when it is up. On any message it stops the load, keeps serving, and sends what it has done.
 */
export interface Served {
  readonly port: number;
}

/** What the service counted by itself, to be compared with what Prometheus has. */
export interface Done {
  readonly gets: number;
  readonly selects: number;
  readonly failures: number;
  readonly inserts: number;
  readonly oddLabel: string;
}

const ODD_LABEL = 'quote " backslash \\ newline \n umlaut ü emoji 😀';

const db = await open("sqlite::memory:");
const endpoint = await db.metrics.listen({ port: 0 });
db.metrics
  .counter("odd_total", "Has a label that needs escaping.", ["value"])
  .labels({ value: ODD_LABEL })
  .inc(7);
db.metrics.exemplarsFrom(() => ({ trace_id: "0af7651916cd43dd8448eb211c80319c" }));

let stopped = false;
let [gets, selects, failures, inserts] = [0, 0, 0, 0];
process.on("message", () => {
  stopped = true;
});
process.send?.({ port: endpoint.port } satisfies Served);

while (!stopped) {
  const documents = Array.from({ length: 20 }, (_, i) => ({ id: `${inserts + i}`, age: i }));
  const result = await db.batchInsert("people", documents);
  inserts += result.successful;
  await db.get("people", "1");
  gets++;
  await db.query("SELECT * FROM people WHERE age = $1 LIMIT 5", [selects % 20]);
  selects++;
  await db.query("SELEKT").catch(() => {
    failures++;
  });
  // A scrape has its turn, and the machine is not only for this.
  await new Promise((resolve) => setTimeout(resolve, 2));
}
process.send?.({ gets, selects, failures, inserts, oddLabel: ODD_LABEL } satisfies Done);
