/** A hundred concurrent callers, each awaiting a single insert, against one transaction for each insert. */
import Database from "better-sqlite3";
import { open } from "./harness/built.ts";
import { compare } from "./harness/compare.ts";
import { report } from "./harness/report.ts";
import { temporaryFile } from "./harness/temporary.ts";

const CALLERS = 100;
let next = 0;
const document = (): { id: string; name: string; age: number } => ({
  id: String(next++),
  name: "somebody with a name",
  age: 42,
});

const db = await open(`sqlite:${temporaryFile()}`);
await db.createCollection("users");

function oneByOne(synchronous: string): () => void {
  const database = new Database(temporaryFile());
  database.pragma("journal_mode = WAL");
  database.pragma(`synchronous = ${synchronous}`);
  database.exec("CREATE TABLE users (id TEXT NOT NULL PRIMARY KEY, doc BLOB NOT NULL)");
  const insert = database.prepare("INSERT INTO users (id, doc) VALUES (?, jsonb(?))");
  return () => {
    for (let i = 0; i < CALLERS; i++) {
      const one = document();
      insert.run(one.id, JSON.stringify(one));
    }
  };
}

const measured = await compare([
  {
    name: "100 awaited db.insert",
    operations: CALLERS,
    async run() {
      await Promise.all(Array.from({ length: CALLERS }, () => db.insert("users", document())));
    },
  },
  { name: "better-sqlite3, a transaction each, FULL", operations: CALLERS, run: oneByOne("FULL") },
  { name: "better-sqlite3, a transaction each, NORMAL", operations: CALLERS, run: oneByOne("NORMAL") },
]);
report("Single writes to a SQLite file, writes a second", measured);
await db.close();
