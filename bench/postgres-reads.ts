/** One caller who awaits each read by id from PostgreSQL before the next. */
import { open } from "./harness/built.ts";
import { compare } from "./harness/compare.ts";
import { makeDocuments } from "./harness/documents.ts";
import { describeServer, startDurablePostgres } from "./harness/postgres.ts";
import { checkReaders, openReaders } from "./harness/postgres-readers.ts";
import { note, report } from "./harness/report.ts";

const COUNT = 10_000;
const READS = 20;
const documents = makeDocuments(COUNT);

await using server = await startDurablePostgres();
const url = await server.createDatabase();
const filling = await open(url);
await filling.batchInsert("users", documents);
await filling.close();
await using db = await open(url);
await using readers = await openReaders(db, url);
const path = {
  name: "db.query, a path",
  read: async (id: string) => (await db.query("SELECT id, name, age FROM users WHERE id = $1", [id])).rows[0],
};
const all = [...readers.ours, path, readers.raw, ...readers.peers];
await checkReaders(all, documents[7]!.id);
await server.query("CHECKPOINT");

let turn = 0;
const measured = await compare(
  all.map(({ name, read }) => ({
    name,
    operations: READS,
    run: async () => {
      for (let i = 0; i < READS; i++) await read(documents[(turn++ * 7_919) % COUNT]!.id);
    },
  })),
  // Short turns, so that what else the machine does hits all alike.
  { rounds: 101, turnMs: 20 },
);
report("Reads by id, one caller, reads a second", measured);
note(await describeServer(server));
