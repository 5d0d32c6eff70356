/** Knex 3.3 over the pool, which takes the place of Knex's own: `connectionPool`. Run it with DATABASE_URL. */
import { Pool } from "@formdb/perf/pg";
import knex from "knex";

const pool = new Pool({ connectionString: process.env.DATABASE_URL });
const db = knex({ client: "pg", connectionPool: pool });

await db.transaction(async (trx) => {
  await trx.schema.dropTableIfExists("knex_pets");
  await trx.schema.createTable("knex_pets", (table) => {
    table.increments("id");
    table.text("name");
  });
  await trx("knex_pets").insert([{ name: "Rex" }, { name: "Mia" }]);
});
await db
  .transaction(async (trx) => {
    await trx("knex_pets").delete();
    throw new Error("changed my mind");
  })
  .catch((error: Error) => console.log(error.message));
console.log(await db("knex_pets").select("name").orderBy("name"));
await db.destroy();
await pool.end();
