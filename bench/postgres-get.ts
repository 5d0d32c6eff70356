/** A hundred concurrent callers, each awaiting reads by id from PostgreSQL, one after another. */
import { open } from "./harness/built.ts";
import { type Contender, compare } from "./harness/compare.ts";
import { makeDocuments } from "./harness/documents.ts";
import { describeServer, startDurablePostgres } from "./harness/postgres.ts";
import { checkReaders, openReaders, type Reader } from "./harness/postgres-readers.ts";
import { note, report } from "./harness/report.ts";

const COUNT = 10_000;
const CALLERS = 100;
const READS = 10;
const documents = makeDocuments(COUNT);

await using server = await startDurablePostgres();
const url = await server.createDatabase();
const filling = await open(url);
await filling.batchInsert("users", documents);
await filling.close();
await using db = await open(url);
await using readers = await openReaders(db, url);
await checkReaders([...readers.ours, ...readers.peers], documents[7]!.id);
await server.query("CHECKPOINT");

let turn = 0;
const next = (): string => documents[(turn++ * 7_919) % COUNT]!.id;

/** Callers that each read again when they have what they asked for. */
function independent({ name, read }: Reader): Contender {
  const caller = async (): Promise<void> => {
    for (let i = 0; i < READS; i++) await read(next());
  };
  return {
    name,
    operations: CALLERS * READS,
    run: async () => {
      await Promise.all(Array.from({ length: CALLERS }, caller));
    },
  };
}

/** A hundred reads awaited together. */
function together({ name, read }: Reader): Contender {
  return {
    name,
    operations: CALLERS,
    run: async () => {
      await Promise.all(Array.from({ length: CALLERS }, () => read(next())));
    },
  };
}

const all = [...readers.ours, ...readers.peers];
/** Many short turns: how fast one is differs more between turns than within them. */
const TURNS = { rounds: 81, turnMs: 40 };
report("100 reads awaited together, reads a second", await compare(all.map(together), TURNS));
report("100 callers with ten reads each, reads a second", await compare(all.map(independent), TURNS));
note(await describeServer(server));
