/**
 * Where the time of one write goes that is awaited before the next: an insert by hand, the same with the token by which a
 * write whose answer is lost is found again, a message to a worker thread and back, and `db.insert`. The files lie in
 * memory where the system has such a folder, so that the disk is left out.
 */
import { Worker } from "node:worker_threads";
import Database from "better-sqlite3";
import { open } from "./harness/built.ts";
import { compare } from "./harness/compare.ts";
import { tabulate } from "./harness/report.ts";
import { folderInMemory, temporaryFile } from "./harness/temporary.ts";

const folder = folderInMemory();
const CALLS = 100;
let next = 0;
const document = (): { id: string; name: string; age: number } => ({
  id: String(next++),
  name: "somebody with a name",
  age: 42,
});

function byHand(withToken: boolean): () => void {
  const database = new Database(temporaryFile(folder));
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = FULL");
  database.exec("CREATE TABLE users (id TEXT NOT NULL PRIMARY KEY, doc BLOB NOT NULL)");
  database.exec(
    "CREATE TABLE tokens (token TEXT PRIMARY KEY, applied TEXT NOT NULL, created_at INTEGER NOT NULL)",
  );
  const insert = database.prepare("INSERT INTO users (id, doc) VALUES (?, jsonb(?))");
  const keep = database.prepare("INSERT INTO tokens VALUES (?, ?, ?)");
  const both = database.transaction((one: { id: string }) => {
    insert.run(one.id, JSON.stringify(one));
    keep.run(crypto.randomUUID(), `[["${one.id}",1]]`, Date.now());
  });
  return () => {
    for (let i = 0; i < CALLS; i++) {
      const one = document();
      if (withToken) both.immediate(one);
      else insert.run(one.id, JSON.stringify(one));
    }
  };
}

const db = await open(`sqlite:${temporaryFile(folder)}`);
await db.createCollection("users");
const worker = new Worker(
  "require('node:worker_threads').parentPort.on('message', function (m) { this.postMessage(m) })",
  {
    eval: true,
  },
);
const message = (): Promise<void> =>
  new Promise((resolve) => {
    worker.once("message", () => resolve());
    worker.postMessage(document());
  });

const measured = await compare(
  [
    {
      name: "db.insert",
      operations: CALLS,
      async run() {
        for (let i = 0; i < CALLS; i++) await db.insert("users", document());
      },
    },
    { name: "better-sqlite3", operations: CALLS, run: byHand(false) },
    { name: "better-sqlite3, with a token, in one transaction", operations: CALLS, run: byHand(true) },
    {
      name: "a message to a worker thread and back",
      operations: CALLS,
      async run() {
        for (let i = 0; i < CALLS; i++) await message();
      },
    },
  ],
  { rounds: 41 },
);
tabulate(
  "One write to a SQLite file in memory after the other",
  ["what", "µs each"],
  measured.map(({ name, perSecond }) => [name, (1e6 / perSecond).toFixed(0)]),
);
await db.close();
await worker.terminate();
