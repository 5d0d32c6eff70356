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

const DOCUMENTS = 1_000;
const ids = Array.from({ length: DOCUMENTS }, (_, i) => `c${i}`);
const users = db.collection<{ id: string; n: number }>("counted");
await users.insertMany(ids.map((id) => ({ id, n: 0 })));
let turn = 0;
const nextId = (): string => ids[turn++ % DOCUMENTS]!;

function changesByHand(id: () => string): () => void {
  const database = new Database(temporaryFile());
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = FULL");
  database.exec(
    "CREATE TABLE users (id TEXT NOT NULL PRIMARY KEY, doc BLOB NOT NULL, version INTEGER NOT NULL)",
  );
  const insert = database.prepare("INSERT INTO users (id, doc, version) VALUES (?, jsonb(?), 1)");
  database.transaction(() => {
    for (const id of ids) insert.run(id, JSON.stringify({ n: 0 }));
  })();
  const change = database.prepare(
    "UPDATE users SET doc = jsonb_set(doc, '$.n', (doc->>'$.n') + ?), version = version + 1 WHERE id = ?",
  );
  return () => {
    for (let i = 0; i < CALLERS; i++) change.run(1, id());
  };
}

for (const [title, id] of [
  ["of as many documents", nextId],
  ["of one document", () => "c0"],
] as const) {
  const changed = await compare([
    {
      name: "100 awaited update(id, { inc })",
      operations: CALLERS,
      async run() {
        await Promise.all(Array.from({ length: CALLERS }, () => users.update(id(), { inc: { n: 1 } })));
      },
    },
    {
      name: "update(id, { inc }), one by one",
      operations: CALLERS,
      async run() {
        for (let i = 0; i < CALLERS; i++) await users.update(id(), { inc: { n: 1 } });
      },
    },
    { name: "better-sqlite3, a transaction each, FULL", operations: CALLERS, run: changesByHand(id) },
  ]);
  report(`100 changes ${title} in a SQLite file, changes a second`, changed);
}
await db.close();
