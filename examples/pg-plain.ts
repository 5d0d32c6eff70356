/**
 * A service that holds a `pg.Pool` changes one line. Statements with values are prepared when they come again, and the
 * pool's metrics cost one option. Run it with DATABASE_URL, such as postgres://app@localhost/app.
 */
import { Metrics } from "@formdb/perf/metrics";
import { Pool } from "@formdb/perf/pg"; // was: import { Pool } from "pg";

const metrics = new Metrics();
const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 10, metrics });

const answers = await Promise.all(
  Array.from({ length: 100 }, (_, n) => pool.query("SELECT $1::int * 2 AS double", [n])),
);
console.log(answers[21]?.rows[0].double);

const client = await pool.connect();
try {
  await client.query("BEGIN");
  // Its text has come before, so this client has it prepared from now on.
  await client.query("SELECT $1::int * 2 AS double", [21]);
  const { rows } = await client.query("SELECT count(*)::int AS n FROM pg_prepared_statements");
  console.log(rows[0].n > 0 ? "prepared" : "not prepared");
  await client.query("COMMIT");
} finally {
  client.release();
}

const text = metrics.exportPrometheus();
console.log(/pool_connections\{pool="pg",state="idle"\} \d+/.test(text) ? "measured" : "not measured");
await pool.end();
