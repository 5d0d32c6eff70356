/** A hundred concurrent callers, each awaiting a single insert into PostgreSQL. */
import pg from "pg";
import postgres from "postgres";
import { open } from "./harness/built.ts";
import { type Contender, compare } from "./harness/compare.ts";
import { makeDocuments } from "./harness/documents.ts";
import { openPipelined } from "./harness/pipelined.ts";
import { describeServer, startDurablePostgres } from "./harness/postgres.ts";
import { note, report } from "./harness/report.ts";

const CALLERS = 100;
const WRITES = 10;
const CONNECTIONS = 10;
/** Commits wait for the disk, whose speed changes from one second to the next: many short turns. */
const TURNS = { rounds: 21, turnMs: 150 };
const [sample] = makeDocuments(1);
let made = 0;
const document = (): typeof sample & object => ({ ...sample, id: `w${String(made++).padStart(9, "0")}` });

await using server = await startDurablePostgres();
const url = await server.createDatabase();
await using db = await open(url);
await db.createCollection("users");
const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS });
const sql = postgres(url, { max: CONNECTIONS });
await using pipelined = await openPipelined(url, CONNECTIONS);
const text = "INSERT INTO users (id, doc, updated_at) VALUES ($1, $2, $3)";

const writers: Record<string, () => Promise<unknown>> = {
  "db.insert": () => db.insert("users", document()),
  "pg-pool, prepared": async () => {
    const one = document();
    await pool.query({ name: "insert_one", text, values: [one.id, one, Date.now()] });
  },
  "pg, pipelined": async () => {
    const one = document();
    await pipelined.query({ name: "insert_one", text, values: [one.id, one, Date.now()] });
  },
  "postgres.js": async () => {
    const one = document();
    await sql`INSERT INTO users (id, doc, updated_at) VALUES (${one.id}, ${sql.json(one as never)}, ${Date.now()})`;
  },
};

function together([name, write]: [string, () => Promise<unknown>]): Contender {
  return {
    name,
    operations: CALLERS,
    run: async () => {
      await Promise.all(Array.from({ length: CALLERS }, write));
    },
  };
}

/** Callers that each write again when their last write is committed. */
function independent([name, write]: [string, () => Promise<unknown>]): Contender {
  const caller = async (): Promise<void> => {
    for (let i = 0; i < WRITES; i++) await write();
  };
  return {
    name,
    operations: CALLERS * WRITES,
    run: async () => {
      await Promise.all(Array.from({ length: CALLERS }, caller));
    },
  };
}

/** One caller that awaits each write before the next. */
function alone([name, write]: [string, () => Promise<unknown>]): Contender {
  return {
    name,
    operations: 10,
    run: async () => {
      for (let i = 0; i < 10; i++) await write();
    },
  };
}

const all = Object.entries(writers);
for (const [, write] of all) await write();
report("100 inserts awaited together, writes a second", await compare(all.map(together), TURNS));
report("100 callers with ten inserts each, writes a second", await compare(all.map(independent), TURNS));

const DOCUMENTS = 1_000;
const ids = Array.from({ length: DOCUMENTS }, (_, i) => `c${i}`);
const counted = db.collection<{ id: string; n: number }>("counted");
await counted.insertMany(ids.map((id) => ({ id, n: 0 })));
let turn = 0;
const increment =
  "UPDATE counted SET doc = jsonb_set(doc, '{n}', to_jsonb((doc->>'n')::float8 + $2)), version = version + 1 WHERE id = $1";

function changers(id: () => string): Record<string, () => Promise<unknown>> {
  return {
    "update(id, { inc })": () => counted.update(id(), { inc: { n: 1 } }),
    "pg-pool, prepared": () => pool.query({ name: "increment", text: increment, values: [id(), 1] }),
    "pg, pipelined": () => pipelined.query({ name: "increment", text: increment, values: [id(), 1] }),
    "postgres.js":
      () => sql`UPDATE counted SET doc = jsonb_set(doc, '{n}', to_jsonb((doc->>'n')::float8 + ${1})),
      version = version + 1 WHERE id = ${id()}`,
  };
}

const spread = Object.entries(changers(() => ids[turn++ % DOCUMENTS]!));
const hot = Object.entries(changers(() => "c0"));
report(
  "100 changes of as many documents awaited together, changes a second",
  await compare(spread.map(together)),
);
report("100 changes of one document awaited together, changes a second", await compare(hot.map(together)));
report("A single caller's changes, one by one, changes a second", await compare(spread.map(alone)));
note(await describeServer(server));
await pool.end();
await sql.end();
