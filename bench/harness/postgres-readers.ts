import { eq, sql as template } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import { jsonb, pgTable, text } from "drizzle-orm/pg-core";
import knex from "knex";
import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import postgres from "postgres";
import type { FormDB } from "../../src/index.ts";
import { openPipelined } from "./pipelined.ts";

/** The pool size of everybody. */
const CONNECTIONS = 10;

export interface Reader {
  readonly name: string;
  /** Reads one document of `users`, parsed, by its id. */
  read(id: string): Promise<unknown>;
}

export interface Readers extends AsyncDisposable {
  readonly ours: readonly Reader[];
  /** One prepared statement on one connection: for a single caller only. */
  readonly raw: Reader;
  readonly peers: readonly Reader[];
}

/** Ours and the alternatives, all on the table that ours made. */
export async function openReaders(db: FormDB, url: string): Promise<Readers> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS });
  const sql = postgres(url, { max: CONNECTIONS });
  const pipelined = await openPipelined(url, CONNECTIONS);
  const kysely = new Kysely<{ users: { id: string; doc: unknown } }>({
    dialect: new PostgresDialect({ pool }),
  });
  const users = pgTable("users", { id: text("id").primaryKey(), doc: jsonb("doc").notNull() });
  const prepared = drizzle(pool)
    .select()
    .from(users)
    .where(eq(users.id, template.placeholder("id")))
    .prepare("drizzle_get");
  const builder = knex({ client: "pg", connection: url, pool: { min: 2, max: CONNECTIONS } });
  const query = "SELECT id, doc FROM users WHERE id = $1";

  return {
    ours: [
      { name: "db.get", read: (id) => db.get("users", id) },
      {
        name: "db.query, SELECT *",
        read: async (id) => (await db.query("SELECT * FROM users WHERE id = $1", [id])).rows[0],
      },
    ],
    raw: {
      name: "pg client, prepared",
      read: async (id) => (await client.query({ name: "raw_get", text: query, values: [id] })).rows[0],
    },
    peers: [
      {
        name: "pg-pool, prepared",
        read: async (id) => (await pool.query({ name: "pool_get", text: query, values: [id] })).rows[0],
      },
      {
        name: "pg, pipelined",
        read: async (id) =>
          (await pipelined.query({ name: "pipelined_get", text: query, values: [id] })).rows[0],
      },
      { name: "pg-pool", read: async (id) => (await pool.query(query, [id])).rows[0] },
      {
        name: "postgres.js",
        read: async (id) => (await sql`SELECT id, doc FROM users WHERE id = ${id}`)[0],
      },
      { name: "Drizzle, prepared", read: async (id) => (await prepared.execute({ id }))[0] },
      {
        name: "Kysely",
        read: (id) => kysely.selectFrom("users").selectAll().where("id", "=", id).executeTakeFirst(),
      },
      { name: "Knex", read: (id) => builder("users").select("id", "doc").where("id", id).first() },
    ],
    async [Symbol.asyncDispose]() {
      await client.end();
      await pipelined[Symbol.asyncDispose]();
      await pool.end();
      await sql.end();
      await builder.destroy();
    },
  };
}

/** Throws where a reader does not find the documents that the others find. */
export async function checkReaders(readers: readonly Reader[], id: string): Promise<void> {
  for (const { name, read } of readers) {
    const found = (await read(id)) as { id?: unknown } | undefined;
    if (found?.id !== id) throw new Error(`${name} found ${JSON.stringify(found)} in place of ${id}`);
  }
}
