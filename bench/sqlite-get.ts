/** Reads by id from a SQLite file: metrics on and off, against raw better-sqlite3, Drizzle, Kysely and Knex. */
import { isDeepStrictEqual } from "node:util";
import Database from "better-sqlite3";
import { eq, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/better-sqlite3";
import { sqliteTable, text } from "drizzle-orm/sqlite-core";
import knex from "knex";
import { Kysely, SqliteDialect } from "kysely";
import { open } from "./harness/built.ts";
import { compare } from "./harness/compare.ts";
import { makeDocuments } from "./harness/documents.ts";
import { report } from "./harness/report.ts";
import { temporaryFile } from "./harness/temporary.ts";

const COUNT = 10_000;
const READS = 2_000;
const documents = makeDocuments(COUNT);
const idOf = (i: number): string => documents[(i * 7_919) % COUNT]!.id;

const measuredFile = temporaryFile();
const filling = await open(`sqlite:${measuredFile}`);
await filling.batchInsert("users", documents);
await filling.close();

const plain = temporaryFile();
const filled = new Database(plain);
filled.pragma("journal_mode = WAL");
filled.exec("CREATE TABLE users (id TEXT NOT NULL PRIMARY KEY, doc TEXT NOT NULL)");
const insert = filled.prepare("INSERT INTO users VALUES (?, ?)");
filled.transaction(() => {
  for (const document of documents) insert.run(document.id, JSON.stringify(document));
})();
// Closed as ours was: while a file's log is empty, each read asks the system for the file's size.
filled.close();
const raw = new Database(plain);
const select = raw.prepare("SELECT doc FROM users WHERE id = ?");

const withMetrics = await open(`sqlite:${measuredFile}`);
const withoutMetrics = await open(`sqlite:${measuredFile}`, { metrics: false });

const users = sqliteTable("users", { id: text("id").primaryKey(), doc: text("doc").notNull() });
const orm = drizzle(raw);
const prepared = orm
  .select()
  .from(users)
  .where(eq(users.id, sql.placeholder("id")))
  .prepare();
const builder = new Kysely<{ users: { id: string; doc: string } }>({
  dialect: new SqliteDialect({ database: raw }),
});
const query = knex({ client: "better-sqlite3", connection: { filename: plain }, useNullAsDefault: true });

type Read = (id: string) => Promise<unknown>;
const readers: Readonly<Record<string, Read>> = {
  "db.get, metrics off": (id) => withoutMetrics.get("users", id),
  "db.get, metrics on": (id) => withMetrics.get("users", id),
  "db.query by id, metrics on": (id) => withMetrics.query("SELECT * FROM users WHERE id = $1", [id]),
  "better-sqlite3 prepared + JSON.parse": async (id) => JSON.parse((select.get(id) as { doc: string }).doc),
  "Drizzle prepared": async (id) => JSON.parse(prepared.get({ id })!.doc),
  Kysely: async (id) => {
    const row = await builder.selectFrom("users").selectAll().where("id", "=", id).executeTakeFirstOrThrow();
    return JSON.parse(row.doc);
  },
  Knex: async (id) => {
    const row = await query<{ id: string; doc: string }>("users").where("id", id).first();
    return JSON.parse(row!.doc);
  },
};
for (const [name, read] of Object.entries(readers)) {
  const found = (await read(idOf(7))) as { readonly rows?: readonly unknown[] };
  const document = found.rows === undefined ? found : found.rows[0];
  if (!isDeepStrictEqual(document, documents[(7 * 7_919) % COUNT])) {
    throw new Error(`${name} finds another document`);
  }
}

const measured = await compare(
  Object.entries(readers).map(([name, read]) => ({
    name,
    operations: READS,
    run: async () => {
      for (let i = 0; i < READS; i++) await read(idOf(i));
    },
  })),
  { rounds: 21, turnMs: 100 },
);
report("Reads by id from a SQLite file, reads a second", measured);
report("The same, db.query with metrics on against query builders", [
  measured[2]!,
  ...measured.filter(({ name }) => name === "Kysely" || name === "Knex"),
]);
await query.destroy();
await withMetrics.close();
await withoutMetrics.close();
