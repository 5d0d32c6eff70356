/** Kysely over the pool: its dialect takes whatever is a `pg.Pool`. Run it with DATABASE_URL. */
import { Pool } from "@formdb/perf/pg"; // was: import { Pool } from "pg";
import { type Generated, Kysely, PostgresDialect, sql } from "kysely";

interface Database {
  readonly kysely_pets: { readonly id: Generated<number>; readonly name: string };
}

const pool = new Pool({ connectionString: process.env.DATABASE_URL });
const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
await sql`CREATE TABLE IF NOT EXISTS kysely_pets (id serial PRIMARY KEY, name text NOT NULL)`.execute(db);

await db.transaction().execute(async (trx) => {
  await trx.deleteFrom("kysely_pets").execute();
  for (const name of ["Rex", "Mia"]) await trx.insertInto("kysely_pets").values({ name }).execute();
});
await db
  .transaction()
  .execute(async (trx) => {
    await trx.deleteFrom("kysely_pets").execute();
    throw new Error("changed my mind");
  })
  .catch((error: Error) => console.log(error.message));
console.log(await db.selectFrom("kysely_pets").select("name").orderBy("name").execute());
await db.destroy();
