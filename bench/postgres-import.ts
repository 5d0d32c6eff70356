/**
 * Import into PostgreSQL: `db.import` against what people write by hand, each into a new table of the same shape. Each contender
 * has a process of its own: what one leaves behind, a hundred thousand texts or arrays, is collected while the next has its turn.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { open } from "./harness/built.ts";
import { compare } from "./harness/compare.ts";
import { makeDocuments } from "./harness/documents.ts";
import { grouped } from "./harness/grouped.ts";
import { describeServer, startDurablePostgres } from "./harness/postgres.ts";
import { note, report } from "./harness/report.ts";

const COUNT = 100_000;
const BATCH = 1_000;
const documents = makeDocuments(COUNT);
type Documents = typeof documents;

type Database = Awaited<ReturnType<typeof open>>;
type Import = (table: string) => Promise<unknown>;

/** Each by name, of a process's own database and client. */
const contenders: Readonly<Record<string, (db: Database, client: pg.Client) => Import>> = {
  "db.import": (db) => (table) => db.import(table, documents),
  "jsonb_to_recordset, 1 000 a batch": (_db, client) =>
    inBatches((table, batch) =>
      client.query({
        text: `INSERT INTO ${table} (id, doc, updated_at) SELECT id, doc, updated_at FROM jsonb_to_recordset($1::jsonb) AS r (id text, doc jsonb, updated_at bigint)`,
        values: [JSON.stringify(batch.map((doc) => ({ id: doc.id, doc, updated_at: Date.now() })))],
      }),
    ),
  "multi-VALUES, 1 000 a batch": (_db, client) =>
    inBatches((table, batch) => {
      const places = batch.map((_, i) => `($${i * 3 + 1}, $${i * 3 + 2}, $${i * 3 + 3})`).join(", ");
      return client.query(
        `INSERT INTO ${table} (id, doc, updated_at) VALUES ${places}`,
        batch.flatMap((doc) => [doc.id, JSON.stringify(doc), Date.now()]),
      );
    }),
  "unnest, 1 000 a batch": (_db, client) =>
    inBatches((table, batch) =>
      client.query(
        `INSERT INTO ${table} (id, doc, updated_at) SELECT * FROM unnest($1::text[], $2::jsonb[], $3::bigint[])`,
        [batch.map(({ id }) => id), batch.map((doc) => JSON.stringify(doc)), batch.map(() => Date.now())],
      ),
    ),
  "one long COPY": (_db, client) => (table) => {
    const copy = client.query(copyFrom(`COPY ${table} (id, doc, updated_at) FROM STDIN`));
    return pipeline(Readable.from(copyLines(), { objectMode: false }), copy);
  },
};

/** One `work` for each batch, one after another. */
function inBatches(work: (table: string, batch: Documents) => Promise<unknown>): Import {
  return async (table) => {
    for (let i = 0; i < COUNT; i += BATCH) await work(table, documents.slice(i, i + BATCH));
  };
}

/** In a contender's own process: imports once each time it is told a table's name. */
async function takeTurns(name: string, url: string): Promise<void> {
  const db = await open(url);
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const work = contenders[name]!(db, client);
  process.on("message", async (table: string) => {
    await db.createCollection(table);
    await work(table);
    const { rows } = await client.query(`SELECT count(*)::int AS count FROM ${table}`);
    if (rows[0].count !== COUNT) throw new Error(`${name} left ${rows[0].count} documents of ${COUNT}`);
    await db.dropCollection(table);
    process.send!("done");
  });
  process.on("disconnect", () => process.exit());
  process.send!("ready");
}

/** Resolves with the child's next message. */
async function answerOf(child: ChildProcess): Promise<void> {
  const ended = new AbortController();
  const onExit = (): void => ended.abort(new Error("A contender's process has ended"));
  child.once("exit", onExit);
  await once(child, "message", { signal: ended.signal });
  child.off("exit", onExit);
}

async function compareProcesses(): Promise<void> {
  await using server = await startDurablePostgres();
  const url = await server.createDatabase();
  const children = new Map<string, ChildProcess>();
  for (const name of Object.keys(contenders)) {
    const child = fork(fileURLToPath(import.meta.url), [name, url]);
    await answerOf(child);
    children.set(name, child);
  }
  let tables = 0;
  const measured = await compare(
    [...children].map(([name, child]) => ({
      name,
      operations: COUNT,
      run: () => {
        child.send(`users_${++tables}`);
        return answerOf(child);
      },
    })),
    { rounds: 21, turnMs: 1 },
  );
  for (const child of children.values()) child.kill();
  report(`Import of ${grouped(COUNT)} documents, documents a second`, measured);
  note(await describeServer(server));
}

/** COPY's text format, about 64 KiB at a time. */
function* copyLines(): Generator<string> {
  let lines = "";
  for (const doc of documents) {
    lines += `${doc.id}\t${JSON.stringify(doc).replaceAll("\\", "\\\\")}\t${Date.now()}\n`;
    if (lines.length < 65_536) continue;
    yield lines;
    lines = "";
  }
  yield lines;
}

const [name, url] = process.argv.slice(2);
if (name !== undefined && url !== undefined) await takeTurns(name, url);
else await compareProcesses();
