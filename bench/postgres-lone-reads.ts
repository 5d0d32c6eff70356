/**
 * Reads by id by one caller: `db.get` and `db.query` against a raw `pg` client with a prepared statement. Each
 * contender has its turns in a process of its own: where the kernel puts a server process makes two speeds, and
 * drivers in one process share the engine's optimisations of the code that they share.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { startPostgres } from "../test/support/postgres-server.ts";
import { open } from "./harness/built.ts";
import { makeDocuments } from "./harness/documents.ts";
import { tabulate } from "./harness/report.ts";

const ROUNDS = 7;
const WARM_UP = 5_000;
const READS = 20_000;
const documents = makeDocuments(10_000);
const id = (i: number): string => documents[(i * 7_919) % documents.length]!.id;

type Read = (i: number) => Promise<unknown>;

const contenders: Readonly<
  Record<string, (url: string) => Promise<{ read: Read; close(): Promise<unknown> }>>
> = {
  "pg prepared": async (url) => {
    const client = new pg.Client(url);
    await client.connect();
    const query = { name: "by-id", text: "SELECT id, doc::text FROM users WHERE id = $1" };
    const read: Read = async (i) =>
      JSON.parse((await client.query({ ...query, values: [id(i)] })).rows[0].doc);
    return { read, close: () => client.end() };
  },
  "db.get": async (url) => {
    const db = await open(url);
    return { read: (i) => db.get("users", id(i)), close: () => db.close() };
  },
  "db.query": async (url) => {
    const db = await open(url);
    const text = "SELECT * FROM users WHERE id = $1";
    return { read: (i) => db.query(text, [id(i)]), close: () => db.close() };
  },
};

async function turn(name: string, url: string): Promise<void> {
  const { read, close } = await contenders[name]!(url);
  for (let i = 0; i < WARM_UP; i++) await read(i);
  const start = performance.now();
  for (let i = 0; i < READS; i++) await read(i);
  console.log(((performance.now() - start) * 1_000) / READS);
  await close();
}

async function compareProcesses(): Promise<void> {
  const server = await startPostgres();
  const db = await open(server.url);
  await db.batchInsert("users", documents);
  await db.close();
  const names = Object.keys(contenders);
  const times = new Map<string, number[]>(names.map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of names) {
      const { stdout } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), name, server.url]);
      times.get(name)!.push(Number(stdout.toString()));
    }
  }
  await server.remove();
  const raw = times.get(names[0]!)!;
  const rows = names.map((name) => {
    const own = times.get(name)!;
    const ratios = own.map((time, round) => raw[round]! / time);
    const [ratio, least, most] = [median(ratios), Math.min(...ratios), Math.max(...ratios)];
    return [name, median(own).toFixed(1), ratio.toFixed(2), `${least.toFixed(2)} to ${most.toFixed(2)}`];
  });
  tabulate(
    "Reads by id by one caller, each contender in a process of its own",
    ["", "µs a read", "rate beside pg's", "pair by pair"],
    rows,
  );
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

const [name, url] = process.argv.slice(2);
if (name !== undefined && url !== undefined) await turn(name, url);
else await compareProcesses();
