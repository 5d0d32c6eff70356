/** Import into SQLite: `db.import` against a hand-written transaction with one prepared insert. */
import Database from "better-sqlite3";
import { open } from "./harness/built.ts";
import { compare } from "./harness/compare.ts";
import { makeDocuments } from "./harness/documents.ts";
import { grouped } from "./harness/grouped.ts";
import { report } from "./harness/report.ts";
import { temporaryFile } from "./harness/temporary.ts";

const COUNT = 1_000_000;
const documents = makeDocuments(COUNT);

function handWritten(perTransaction: number, column: string): () => void {
  return () => {
    const database = new Database(temporaryFile());
    database.pragma("journal_mode = WAL");
    database.pragma("synchronous = FULL");
    database.exec(
      "CREATE TABLE users (id TEXT NOT NULL PRIMARY KEY, doc BLOB NOT NULL, version INTEGER NOT NULL DEFAULT 1, updated_at INTEGER NOT NULL)",
    );
    const insert = database.prepare(`INSERT INTO users (id, doc, updated_at) VALUES (?, ${column}, ?)`);
    const insertMany = database.transaction((chunk: typeof documents) => {
      const now = Date.now();
      for (const document of chunk) insert.run(document.id, JSON.stringify(document), now);
    });
    for (let i = 0; i < documents.length; i += perTransaction)
      insertMany(documents.slice(i, i + perTransaction));
    database.close();
  };
}

const measured = await compare(
  [
    {
      name: "db.import",
      operations: COUNT,
      async run() {
        const db = await open(`sqlite:${temporaryFile()}`);
        const { successful } = await db.import("users", documents);
        if (successful !== COUNT) throw new Error(`${successful} of ${COUNT} imported`);
        await db.close();
      },
    },
    { name: "better-sqlite3, one transaction, text", operations: COUNT, run: handWritten(COUNT, "?") },
    {
      name: "better-sqlite3, one transaction, jsonb",
      operations: COUNT,
      run: handWritten(COUNT, "jsonb(?)"),
    },
    {
      name: "better-sqlite3, 1 000 a transaction, jsonb",
      operations: COUNT,
      run: handWritten(1_000, "jsonb(?)"),
    },
  ],
  { rounds: 5, turnMs: 1 },
);
report(`Import of ${grouped(COUNT)} documents into a SQLite file, documents a second`, measured);
