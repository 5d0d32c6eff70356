import Database from "better-sqlite3";
import { asc, eq, gte, sql as template } from "drizzle-orm";
import { drizzle } from "drizzle-orm/better-sqlite3";
import { sqliteTable, text } from "drizzle-orm/sqlite-core";
import { Kysely, SqliteDialect, sql } from "kysely";
import { temporaryFile } from "./temporary.ts";
import type { Fields, Store } from "./ycsb.ts";

interface Row {
  readonly id: string;
  readonly doc: string;
}

function record({ id, doc }: Row): Fields {
  return { id, ...(JSON.parse(doc) as Fields) };
}

/** A table of documents as JSON text, with the durability that a file has in ours. */
function table(): Database.Database {
  const database = new Database(temporaryFile());
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = FULL");
  database.exec("CREATE TABLE records (id TEXT NOT NULL PRIMARY KEY, doc TEXT NOT NULL)");
  return database;
}

function load(database: Database.Database): Store["load"] {
  const insert = database.prepare("INSERT INTO records (id, doc) VALUES (?, ?)");
  return async (records) => {
    database.transaction(() => {
      for (const { id, fields } of records) insert.run(id, JSON.stringify(fields));
    })();
  };
}

/** What people write by hand, and with query builders, on SQLite. */
export function sqliteStores(): readonly Store[] {
  return [byHand(table()), withKysely(table()), withDrizzle(table())];
}

function byHand(database: Database.Database): Store {
  const read = database.prepare("SELECT id, doc FROM records WHERE id = ?");
  const update = database.prepare("UPDATE records SET doc = json_set(doc, ?, ?) WHERE id = ?");
  const insert = database.prepare("INSERT INTO records (id, doc) VALUES (?, ?)");
  const scan = database.prepare("SELECT id, doc FROM records WHERE id >= ? ORDER BY id LIMIT ?");
  return {
    name: "better-sqlite3, prepared",
    load: load(database),
    read: async (id) => {
      const row = read.get(id) as Row | undefined;
      return row && record(row);
    },
    update: async (id, field, value) => update.run(`$.${field}`, value, id),
    insert: async (id, fields) => insert.run(id, JSON.stringify(fields)),
    scan: async (from, count) => (scan.all(from, count) as Row[]).map(record),
  };
}

function withKysely(database: Database.Database): Store {
  const kysely = new Kysely<{ records: { id: string; doc: string } }>({
    dialect: new SqliteDialect({ database }),
  });
  const all = kysely.selectFrom("records").select(["id", "doc"]);
  return {
    name: "Kysely",
    load: load(database),
    read: async (id) => {
      const row = await all.where("id", "=", id).executeTakeFirst();
      return row && record(row);
    },
    update: (id, field, value) =>
      kysely
        .updateTable("records")
        .set({ doc: sql<string>`json_set(doc, ${`$.${field}`}, ${value})` })
        .where("id", "=", id)
        .execute(),
    insert: (id, fields) =>
      kysely
        .insertInto("records")
        .values({ id, doc: JSON.stringify(fields) })
        .execute(),
    scan: async (from, count) =>
      (await all.where("id", ">=", from).orderBy("id").limit(count).execute()).map(record),
  };
}

function withDrizzle(database: Database.Database): Store {
  const records = sqliteTable("records", { id: text("id").primaryKey(), doc: text("doc").notNull() });
  const db = drizzle(database);
  const id = template.placeholder("id");
  const read = db.select().from(records).where(eq(records.id, id)).prepare();
  const changed = template`json_set(doc, ${template.placeholder("path")}, ${template.placeholder("value")})`;
  const update = db.update(records).set({ doc: changed }).where(eq(records.id, id)).prepare();
  const insert = db
    .insert(records)
    .values({ id, doc: template.placeholder("doc") })
    .prepare();
  const scan = db
    .select()
    .from(records)
    .where(gte(records.id, id))
    .orderBy(asc(records.id))
    .limit(template.placeholder("count"))
    .prepare();
  return {
    name: "Drizzle, prepared",
    load: load(database),
    read: async (wanted) => {
      const row = read.get({ id: wanted });
      return row && record(row);
    },
    update: async (wanted, field, value) => update.run({ id: wanted, path: `$.${field}`, value }),
    insert: async (wanted, fields) => insert.run({ id: wanted, doc: JSON.stringify(fields) }),
    scan: async (from, count) => scan.all({ id: from, count }).map(record),
  };
}
