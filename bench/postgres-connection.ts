/**
 * One caller on one connection to PostgreSQL: reads by id with a prepared statement, and groups of inserts. The backend
 * alone, without pool, plan cache and queue, against the drivers themselves.
 */
import pg from "pg";
import postgres from "postgres";
import { postgresBackend } from "../src/backend/postgres/postgres-backend.ts";
import type { EngineStatement } from "../src/base/engine-statement.ts";
import { startPostgres } from "../test/support/postgres-server.ts";
import { type Contender, compare } from "./harness/compare.ts";
import { report } from "./harness/report.ts";

const DOCUMENTS = 10_000;
const READS = 50;
const GROUP = 1_000;

await using server = await startPostgres();
const url = await server.createDatabase();
const signal = new AbortController().signal;
const backend = postgresBackend(url);
await backend.start(signal);
const ours = await backend.connect("write", signal);
const ddl = (text: string): EngineStatement => ({
  text,
  name: "",
  prepare: false,
  cost: "bounded",
  returnsRows: false,
});
for (const name of ["docs", "written"]) {
  for (const text of backend.dialect.ddl.createCollection(name)) await ours.execute(ddl(text), []);
}

const key = (i: number): string => `user-${String(i).padStart(8, "0")}`;
const document = (i: number): string =>
  JSON.stringify({
    name: `Ada ${i}`,
    age: i % 90,
    tags: ["a", "b"],
    address: { city: "London", zip: "N1 9GU" },
  });
for (let i = 0; i < DOCUMENTS; i += GROUP) {
  const range = Array.from({ length: GROUP }, (_, k) => i + k);
  await ours.write({
    kind: "insert",
    collection: "docs",
    ids: range.map(key),
    json: range.map(document),
    token: undefined,
  });
}
await ours.execute(ddl("VACUUM ANALYZE docs"), []);

const client = new pg.Client({ connectionString: url });
await client.connect();
const sql = postgres(url, { max: 1 });

const text = "SELECT id, doc::text FROM docs WHERE id = $1";
const statement: EngineStatement = {
  text,
  name: "bench_get",
  prepare: true,
  cost: "point",
  returnsRows: true,
};
let turn = 0;
function next(): string {
  turn = (turn + 7_919) % DOCUMENTS;
  return key(turn);
}

async function reads(read: () => Promise<unknown>): Promise<void> {
  for (let i = 0; i < READS; i++) await read();
}

const readers: Contender[] = [
  {
    name: "FormDB connection",
    operations: READS,
    run: () => reads(async () => JSON.parse((await ours.execute(statement, [next()])).rows[0]![1] as string)),
  },
  {
    name: "pg, prepared",
    operations: READS,
    run: () =>
      reads(async () =>
        JSON.parse(
          (await client.query({ text, name: "bench_get", values: [next()], rowMode: "array" })).rows[0]![1],
        ),
      ),
  },
  {
    name: "postgres.js",
    operations: READS,
    run: () =>
      reads(async () => JSON.parse((await sql.unsafe(text, [next()], { prepare: true }).values())[0]![1])),
  },
];
report("Read by id, one caller, one connection", await compare(readers));

let written = 0;
function rows(): { ids: string[]; json: string[] } {
  const first = written;
  written += GROUP;
  const range = Array.from({ length: GROUP }, (_, k) => first + k);
  return { ids: range.map((i) => `w${String(i).padStart(10, "0")}`), json: range.map(document) };
}
const insert =
  "INSERT INTO written (id, doc, updated_at) SELECT * FROM unnest($1::text[], $2::jsonb[], $3::bigint[])";
const writers: Contender[] = [
  {
    name: "FormDB connection, with token",
    operations: GROUP,
    run: async () => {
      await ours.write({ kind: "insert", collection: "written", ...rows(), token: `token-${written}` });
    },
  },
  {
    name: "FormDB connection",
    operations: GROUP,
    run: async () => {
      await ours.write({ kind: "insert", collection: "written", ...rows(), token: undefined });
    },
  },
  {
    name: "pg, unnest of three arrays",
    operations: GROUP,
    run: async () => {
      const { ids, json } = rows();
      await client.query({
        text: insert,
        name: "bench_insert",
        values: [ids, json, ids.map(() => Date.now())],
      });
    },
  },
  {
    name: "postgres.js, multi-VALUES helper",
    operations: GROUP,
    run: async () => {
      const { ids, json } = rows();
      const values = ids.map((id, i) => ({
        id,
        doc: sql.typed(JSON.parse(json[i]!) as never, 3802),
        updated_at: Date.now(),
      }));
      await sql`INSERT INTO written ${sql(values)}`;
    },
  },
];
report(`Groups of ${GROUP} inserts, one connection`, await compare(writers));

await ours.close();
await client.end();
await sql.end();
