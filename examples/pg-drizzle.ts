/**
 * Drizzle over the pool. Drizzle opens a client for a transaction only if what it holds is a `pg.Pool` or is called
 * one; both hold here. Run it with DATABASE_URL.
 */
import { Pool } from "@formdb/perf/pg"; // was: import { Pool } from "pg";
import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import { pgTable, serial, text } from "drizzle-orm/pg-core";

const pets = pgTable("drizzle_pets", { id: serial().primaryKey(), name: text().notNull() });
const pool = new Pool({ connectionString: process.env.DATABASE_URL });
const db = drizzle({ client: pool });
await db.execute(sql`CREATE TABLE IF NOT EXISTS drizzle_pets (id serial PRIMARY KEY, name text NOT NULL)`);

await db.transaction(async (tx) => {
  await tx.delete(pets);
  await tx.insert(pets).values([{ name: "Rex" }, { name: "Mia" }]);
});
await db
  .transaction(async (tx) => {
    await tx.delete(pets);
    tx.rollback();
  })
  .catch((error: Error) => console.log(error.message));
console.log(await db.select({ name: pets.name }).from(pets).orderBy(pets.name));
await pool.end();
