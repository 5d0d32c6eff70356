/** Import into PostgreSQL: `db.import` against what people write by hand, each into a new table of the same shape. */
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
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

await using server = await startDurablePostgres();
const url = await server.createDatabase();
await using db = await open(url);
await using client = await connect(url);
let tables = 0;

/** One `work` for each batch, one after another, in a table of its own. */
function byHand(name: string, work: (table: string, batch: Documents) => Promise<unknown>) {
  return contender(name, async (table) => {
    for (let i = 0; i < COUNT; i += BATCH) await work(table, documents.slice(i, i + BATCH));
  });
}

function contender(name: string, work: (table: string) => Promise<void>) {
  return {
    name,
    operations: COUNT,
    run: async () => {
      const table = `users_${++tables}`;
      await db.createCollection(table);
      await work(table);
      const { rows } = await client.query(`SELECT count(*)::int AS count FROM ${table}`);
      if (rows[0].count !== COUNT) throw new Error(`${name} left ${rows[0].count} documents of ${COUNT}`);
      await db.dropCollection(table);
    },
  };
}

const measured = await compare(
  [
    contender("db.import", async (table) => {
      await db.import(table, documents);
    }),
    byHand("jsonb_to_recordset, 1 000 a batch", (table, batch) =>
      client.query({
        text: `INSERT INTO ${table} (id, doc, updated_at) SELECT id, doc, updated_at FROM jsonb_to_recordset($1::jsonb) AS r (id text, doc jsonb, updated_at bigint)`,
        values: [JSON.stringify(batch.map((doc) => ({ id: doc.id, doc, updated_at: Date.now() })))],
      }),
    ),
    byHand("multi-VALUES, 1 000 a batch", (table, batch) => {
      const places = batch.map((_, i) => `($${i * 3 + 1}, $${i * 3 + 2}, $${i * 3 + 3})`).join(", ");
      return client.query(
        `INSERT INTO ${table} (id, doc, updated_at) VALUES ${places}`,
        batch.flatMap((doc) => [doc.id, JSON.stringify(doc), Date.now()]),
      );
    }),
    byHand("unnest, 1 000 a batch", (table, batch) =>
      client.query(
        `INSERT INTO ${table} (id, doc, updated_at) SELECT * FROM unnest($1::text[], $2::jsonb[], $3::bigint[])`,
        [batch.map(({ id }) => id), batch.map((doc) => JSON.stringify(doc)), batch.map(() => Date.now())],
      ),
    ),
    contender("one long COPY", async (table) => {
      const copy = client.query(copyFrom(`COPY ${table} (id, doc, updated_at) FROM STDIN`));
      await pipeline(Readable.from(copyLines(), { objectMode: false }), copy);
    }),
  ],
  { rounds: 13, turnMs: 1 },
);
report(`Import of ${grouped(COUNT)} documents, documents a second`, measured);
note(await describeServer(server));

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

async function connect(to: string): Promise<pg.Client & AsyncDisposable> {
  const connected = new pg.Client({ connectionString: to });
  await connected.connect();
  return Object.assign(connected, { [Symbol.asyncDispose]: () => connected.end() });
}
