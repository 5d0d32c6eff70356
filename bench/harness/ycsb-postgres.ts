import { type PongoCollection, pongoClient } from "@event-driven-io/pongo";
import { asc, eq, gte, sql as template } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import { jsonb, pgTable, text } from "drizzle-orm/pg-core";
import { Kysely, PostgresDialect, sql } from "kysely";
import pg from "pg";
import type { Fields, Store } from "./ycsb.ts";

/** The pool size of everybody. */
const CONNECTIONS = 10;

interface Row {
  readonly id: string;
  readonly doc: Fields;
}

function record({ id, doc }: Row): Fields {
  return { id, ...doc };
}

export interface PostgresStores extends AsyncDisposable {
  readonly stores: readonly Store[];
}

/** What people write by hand, with query builders, and with Pongo, each on a table of its own. */
export async function postgresStores(url: string): Promise<PostgresStores> {
  const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS });
  for (const name of ["by_hand", "by_kysely", "by_drizzle"]) {
    await pool.query(`CREATE TABLE ${name} (id text COLLATE "C" PRIMARY KEY, doc jsonb NOT NULL)`);
  }
  const pongo = pongoClient(url);
  const collection = pongo.db().collection<{ _id: string } & Record<string, string>>("by_pongo");
  return {
    stores: [byHand(pool), withKysely(pool), withDrizzle(pool), withPongo(collection)],
    async [Symbol.asyncDispose]() {
      await pongo.close();
      await pool.end();
    },
  };
}

function load(pool: pg.Pool, name: string): Store["load"] {
  return async (records) => {
    await pool.query(`INSERT INTO ${name} (id, doc) SELECT * FROM unnest($1::text[], $2::jsonb[])`, [
      records.map(({ id }) => id),
      records.map(({ fields }) => JSON.stringify(fields)),
    ]);
  };
}

function byHand(pool: pg.Pool): Store {
  const ask = async (name: string, query: string, values: readonly unknown[]): Promise<Row[]> =>
    (await pool.query<Row>({ name, text: query, values: [...values] })).rows;
  return {
    name: "pg-pool, prepared",
    load: load(pool, "by_hand"),
    read: async (id) => {
      const [row] = await ask("hand_read", "SELECT id, doc FROM by_hand WHERE id = $1", [id]);
      return row && record(row);
    },
    update: (id, field, value) =>
      ask("hand_update", "UPDATE by_hand SET doc = doc || $2::jsonb WHERE id = $1", [
        id,
        JSON.stringify({ [field]: value }),
      ]),
    insert: (id, fields) => ask("hand_insert", "INSERT INTO by_hand (id, doc) VALUES ($1, $2)", [id, fields]),
    scan: async (from, count) => {
      const query = "SELECT id, doc FROM by_hand WHERE id >= $1 ORDER BY id LIMIT $2";
      return (await ask("hand_scan", query, [from, count])).map(record);
    },
  };
}

function withKysely(pool: pg.Pool): Store {
  const kysely = new Kysely<{ by_kysely: { id: string; doc: Fields } }>({
    dialect: new PostgresDialect({ pool }),
  });
  const all = kysely.selectFrom("by_kysely").select(["id", "doc"]);
  return {
    name: "Kysely",
    load: load(pool, "by_kysely"),
    read: async (id) => {
      const row = await all.where("id", "=", id).executeTakeFirst();
      return row && record(row);
    },
    update: (id, field, value) =>
      kysely
        .updateTable("by_kysely")
        .set({ doc: sql<Fields>`doc || ${JSON.stringify({ [field]: value })}::jsonb` })
        .where("id", "=", id)
        .execute(),
    insert: (id, fields) => kysely.insertInto("by_kysely").values({ id, doc: fields }).execute(),
    scan: async (from, count) =>
      (await all.where("id", ">=", from).orderBy("id").limit(count).execute()).map(record),
  };
}

function withDrizzle(pool: pg.Pool): Store {
  const records = pgTable("by_drizzle", {
    id: text("id").primaryKey(),
    doc: jsonb("doc").$type<Fields>().notNull(),
  });
  const db = drizzle(pool);
  const id = template.placeholder("id");
  const read = db.select().from(records).where(eq(records.id, id)).prepare("drizzle_read");
  const update = db
    .update(records)
    .set({ doc: template`doc || ${template.placeholder("patch")}::jsonb` })
    .where(eq(records.id, id))
    .prepare("drizzle_update");
  const insert = db
    .insert(records)
    .values({ id, doc: template.placeholder("doc") })
    .prepare("drizzle_insert");
  const scan = db
    .select()
    .from(records)
    .where(gte(records.id, id))
    .orderBy(asc(records.id))
    .limit(template.placeholder("count"))
    .prepare("drizzle_scan");
  return {
    name: "Drizzle, prepared",
    load: load(pool, "by_drizzle"),
    read: async (wanted) => {
      const [row] = await read.execute({ id: wanted });
      return row && record(row);
    },
    update: (wanted, field, value) =>
      update.execute({ id: wanted, patch: JSON.stringify({ [field]: value }) }),
    insert: (wanted, fields) => insert.execute({ id: wanted, doc: fields }),
    scan: async (from, count) => (await scan.execute({ id: from, count })).map(record),
  };
}

/** Its `find` has neither an order nor a limit, so it takes no part in scans. */
function withPongo(collection: PongoCollection<{ _id: string } & Record<string, string>>): Store {
  return {
    name: "Pongo",
    load: async (records) => {
      const documents = records.map(({ id, fields }) => ({ _id: id, ...fields }));
      for (let i = 0; i < documents.length; i += 1_000)
        await collection.insertMany(documents.slice(i, i + 1_000) as never);
    },
    read: async (id) => {
      const found = await collection.findOne({ _id: id } as never);
      if (found === null) return undefined;
      const { _id, _version, ...fields } = found as unknown as Record<string, string>;
      return { id: _id!, ...fields };
    },
    update: (id, field, value) =>
      collection.updateOne({ _id: id } as never, { $set: { [field]: value } } as never),
    insert: (id, fields) => collection.insertOne({ _id: id, ...fields } as never),
  };
}
