/**
 * YCSB's core workloads A to F on both engines: 16 callers, records of ten fields of 100 bytes, asked for by Zipf's law (0.99). Before
 * anything is measured, each contender must give the answers of a model in plain TypeScript to the same operations.
 */
import { isDeepStrictEqual } from "node:util";
import type { FormDB } from "../src/index.ts";
import { open } from "./harness/built.ts";
import { type Contender, compare } from "./harness/compare.ts";
import { describeServer, startDurablePostgres } from "./harness/postgres.ts";
import { note, report } from "./harness/report.ts";
import { temporaryFile } from "./harness/temporary.ts";
import { type Fields, Model, Run, recordOf, type Store, WORKLOADS, type Workload } from "./harness/ycsb.ts";
import { postgresStores } from "./harness/ycsb-postgres.ts";
import { sqliteStores } from "./harness/ycsb-sqlite.ts";

const RECORDS = process.env.BENCH_QUICK === "1" ? 2_000 : 10_000;
const CALLERS = 16;
const OPERATIONS = 10;
const CHECKED = 300;
/** Records that a workload may insert without meeting those of another. */
const NUMBERS = 10_000_000;

const records = Array.from({ length: RECORDS }, (_, number) => recordOf(number));

function ours(db: FormDB): Store {
  return {
    name: "FormDB",
    load: async (all) => {
      await db.import(
        "records",
        all.map(({ id, fields }) => ({ id, ...fields })),
      );
    },
    read: (id) => db.get("records", id) as Promise<Fields | undefined>,
    update: (id, field, value) => db.update("records", id, { [field]: value }),
    insert: (id, fields) => db.insert("records", { id, ...fields }),
    scan: async (from, count) =>
      (await db.query("SELECT * FROM records WHERE id >= $1 ORDER BY id LIMIT $2", [from, count]))
        .rows as unknown as Fields[],
  };
}

/** Those that have all calls of a workload. */
function able(stores: readonly Store[], { scan }: Workload): readonly Store[] {
  return stores.filter((store) => scan === 0 || store.scan !== undefined);
}

/** Throws where a store's answers to some operations of each workload are not the model's. */
async function check(stores: readonly Store[]): Promise<void> {
  const model = new Model();
  await model.load(records);
  for (const [i, workload] of WORKLOADS.entries()) {
    const facts = { records: RECORDS, firstNumber: (i + 1) * NUMBERS - CHECKED, seed: i };
    const contenders = able(stores, workload);
    const expected: unknown[] = [];
    const run = new Run(model, workload, facts);
    for (let n = 0; n < CHECKED; n++) expected.push(await run.next());
    for (const store of contenders) await checkOne(store, new Run(store, workload, facts), expected);
  }
}

async function checkOne(store: Store, run: Run, expected: readonly unknown[]): Promise<void> {
  for (const [n, answer] of expected.entries()) {
    const given = await run.next();
    if (isDeepStrictEqual(given ?? undefined, answer)) continue;
    const [a, b] = [given, answer].map((value) => JSON.stringify(value)?.slice(0, 200));
    throw new Error(`${store.name} answers operation ${n} with ${a} in place of ${b}`);
  }
}

function contender(store: Store, workload: Workload, number: number): Contender {
  const facts = { records: RECORDS, firstNumber: (number + 1) * NUMBERS, seed: 100 + number };
  const run = new Run(store, workload, facts);
  const caller = async (): Promise<void> => {
    for (let i = 0; i < OPERATIONS; i++) await run.next();
  };
  return {
    name: store.name,
    operations: CALLERS * OPERATIONS,
    run: async () => {
      await Promise.all(Array.from({ length: CALLERS }, caller));
    },
  };
}

async function measure(engine: string, stores: readonly Store[]): Promise<void> {
  for (const store of stores) await store.load(records);
  await check(stores);
  for (const [i, workload] of WORKLOADS.entries()) {
    const contenders = able(stores, workload).map((store) => contender(store, workload, i));
    report(`${engine}, ${workload.name}, operations a second`, await compare(contenders));
  }
}

await using sqlite = await open(`sqlite:${temporaryFile()}`);
await measure("SQLite", [ours(sqlite), ...sqliteStores()]);

await using server = await startDurablePostgres();
await using postgres = await open(await server.createDatabase());
await using others = await postgresStores(await server.createDatabase());
await measure("PostgreSQL", [ours(postgres), ...others.stores]);
note(await describeServer(server));
