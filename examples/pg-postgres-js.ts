/**
 * For users of postgres.js: it prepares and pools by itself, so what it gains here is a bounded wait, deadlines, and
 * errors that say why. A slot of FormDB's pool bounds how many queries are under way; postgres.js keeps its own
 * connections. Run it with DATABASE_URL.
 */
import { Pool } from "@formdb/perf/pool";
import postgres from "postgres";

const MAX = 4;
const sql = postgres(process.env.DATABASE_URL ?? "", { max: MAX });
const slots = new Pool<{ readonly sql: typeof sql }>({
  create: () => ({ sql }),
  destroy: () => {},
  maxConnections: MAX,
  maxWaiting: 100,
  acquireTimeoutMs: 1_000,
});

const answers = await Promise.all(
  Array.from({ length: 50 }, (_, n) => slots.use(({ sql }) => sql`SELECT ${n}::int * 2 AS double`)),
);
console.log(answers[21]?.[0]?.double);
const { peaks } = slots.stats();
console.log(`${peaks.inUse <= MAX ? "at most" : "more than"} ${MAX} at a time`);
await slots.close();
await sql.end();
