import { rm } from "node:fs/promises";
import { FormDBError, open } from "../../src/index.ts";

/**
 * Serves its metrics, makes calls of every kind and, while they are under way, ends as it is told to: `close` (waits for them), `exit`
 * (`process.exit` at once), or `term` (SIGTERM, on which it closes within 50 ms). Prints a line for each document that was
 * acknowledged, and for each call how it ended. Usage: node closing-process.ts URL HOW FOLDER
 */
const [url, how, folder] = process.argv.slice(2);
const db = await open(url);
await db.metrics.listen({ port: 0 });
const c = db.collection<{ id: string; n: number }>("c");
await db.batchInsert(
  "c",
  Array.from({ length: 5_000 }, (_, n) => ({ id: `d${n}`, n })),
);
await c.upsert({ id: "counter", n: 0 });
let running = true;

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** Says how a call ended; all that FormDB may say at its end is that it was closed. */
function report(name: string, call: Promise<unknown>): Promise<void> {
  return call.then(
    () => print(`ended ${name} well`),
    (error: unknown) => {
      const { code, outcome } = error instanceof FormDBError ? error : { code: String(error), outcome: "" };
      print(`ended ${name} ${code} ${outcome}`);
    },
  );
}

/** Again and again, until the database is closed. */
async function repeat(call: (i: number) => Promise<unknown>): Promise<void> {
  for (let i = 0; running; i++) await call(i);
}

async function* endless(): AsyncGenerator<unknown> {
  for (let i = 0; running; i++) {
    if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    yield { id: `imported-${i}` };
  }
}

async function read(): Promise<void> {
  for await (const row of db.stream("SELECT * FROM c")) {
    if (row.id === undefined) throw new Error("a row without an id");
    if (!running) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function page(): Promise<void> {
  let after: string | undefined;
  do {
    const found = await c.find({ n: { gte: 0 } }, { orderBy: { n: "asc" }, limit: 50, after }).page();
    after = found.next;
  } while (after !== undefined);
}

let count = 0;
/** Once so many are acknowledged, it ends. */
const ENOUGH = 12;
function acknowledged(id: string): void {
  print(`acknowledged ${id}`);
  if (++count === ENOUGH) end();
}
const calls = {
  stream: repeat(read),
  import: db.import("imported", endless()),
  transaction: repeat(async (i) => {
    const id = `transaction-${i}`;
    await db.transaction(async (tx) => {
      await tx.get("c", "d1");
      await tx.insert("written", { id });
      await new Promise((resolve) => setImmediate(resolve));
      await tx.insert("written", { id: `${id}-twin` });
    });
    acknowledged(id);
  }),
  insert: repeat(async (i) => {
    acknowledged(await db.insert("written", { id: `insert-${i}` }));
  }),
  several: repeat(async (i) => {
    await db.query("INSERT INTO written $1", [[{ id: `several-${i}` }, { id: `several-${i}-twin` }]]);
    acknowledged(`several-${i}`);
  }),
  change: repeat(async () => {
    await c.update("counter", { inc: { n: 1 } });
    print("counted");
  }),
  update: repeat(() => db.query("UPDATE c SET m = 1 WHERE n < 50")),
  page: repeat(page),
  sql: repeat(() => db.sql("SELECT count(*) AS n FROM c")),
  ...(db.stats().profile === "sqlite"
    ? {
        backup: repeat(async (i) => {
          const { file } = await db.backup(`${folder}/backup-${i}.db`);
          await rm(file);
        }),
      }
    : {}),
};
const reports = Object.entries(calls).map(([name, call]) => report(name, call));

async function close(deadlineMs?: number): Promise<void> {
  const closing = db.close(deadlineMs === undefined ? {} : { deadlineMs });
  if (deadlineMs === undefined) running = false;
  await closing;
  running = false;
  await Promise.all(reports);
  print("closed");
}

/** Ends as it was told to. */
function end(): void {
  if (how === "exit") process.exit(0);
  else if (how === "term") process.kill(process.pid, "SIGTERM");
  else void close();
}

process.once("SIGTERM", () => void close(50));
