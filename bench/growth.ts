/**
 * How the main figures grow: reads by id, queries by an index, inserts and imports, by 1 to 1 000 callers on 10³ to 10⁶ documents,
 * with the memory of this process beside them. Rates are medians. `BENCH_QUICK=1` stops at 10⁴ documents, `GROWTH_MAX=N` at N.
 */
import type { FormDB } from "../src/index.ts";
import { open } from "./harness/built.ts";
import { SCALE } from "./harness/compare.ts";
import { makeDocuments } from "./harness/documents.ts";
import { grouped } from "./harness/grouped.ts";
import { describeServer, startDurablePostgres } from "./harness/postgres.ts";
import { note, tabulate } from "./harness/report.ts";
import { temporaryFile } from "./harness/temporary.ts";

const QUICK = process.env.BENCH_QUICK === "1";
const MAX = Number(process.env.GROWTH_MAX ?? (QUICK ? 10_000 : 1_000_000));
const SIZES = [1_000, 10_000, 100_000, 1_000_000].filter((size) => size <= MAX);
const CALLERS = [1, 10, 100, 1_000];
const ROUNDS = QUICK ? 1 : 3;
const ROUND_MS = (QUICK ? 50 : 250) * SCALE;
/** Documents that one age has, whatever the size: a query by the index always finds as many. */
const OF_ONE_AGE = 10;

type Figure = "get" | "query by index" | "insert";
/** Inserts come last: they change the size. */
const FIGURES: readonly Figure[] = ["get", "query by index", "insert"];

function* documents(count: number): Generator<{ id: string; [field: string]: unknown }> {
  const [sample] = makeDocuments(1);
  for (let i = 0; i < count; i++) yield { ...sample, id: idOf(i), age: i % (count / OF_ONE_AGE) };
}

function idOf(i: number): string {
  return String(i).padStart(9, "0");
}

/** A figure's call on a collection of so many documents. Reads must find what was stored. */
function callOf(db: FormDB, figure: Figure, size: number): () => Promise<void> {
  let turn = 0;
  // A prime, so that all documents are asked for before one is asked for again.
  const next = (): number => (turn++ * 7_919) % size;
  switch (figure) {
    case "get":
      return async () => {
        const id = idOf(next());
        if ((await db.get("grown", id))?.id !== id) throw new Error(`get did not find ${id}`);
      };
    case "query by index":
      return async () => {
        const age = next() % (size / OF_ONE_AGE);
        const { rows } = await db.query("SELECT * FROM grown WHERE age = $1 ORDER BY id LIMIT 3", [age]);
        if (rows.length !== 3) throw new Error(`a query found ${rows.length} documents of age ${age}, not 3`);
      };
    case "insert": {
      const [sample] = makeDocuments(1);
      return async () => {
        await db.insert("grown", { ...sample, id: `more-${turn++}`, age: turn });
      };
    }
    default:
      return figure satisfies never;
  }
}

/** Calls a second by so many callers, each of which calls again when it has its answer. */
async function rate(call: () => Promise<void>, callers: number): Promise<number> {
  const rates: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const start = performance.now();
    const end = start + ROUND_MS;
    let done = 0;
    const caller = async (): Promise<void> => {
      do {
        await call();
        done++;
      } while (performance.now() < end);
    };
    await Promise.all(Array.from({ length: callers }, caller));
    if (round > 0) rates.push((done / (performance.now() - start)) * 1_000);
  }
  return rates.toSorted((a, b) => a - b)[rates.length >> 1]!;
}

async function grow(engine: string, openOne: () => Promise<FormDB>): Promise<void> {
  const rows = new Map<string, number[]>();
  const add = (name: string, figure: number): void => {
    rows.set(name, [...(rows.get(name) ?? []), Math.round(figure)]);
  };
  for (const size of SIZES) {
    await using db = await openOne();
    await db.createCollection("grown");
    await db.query("CREATE INDEX by_age ON grown (age)");
    const start = performance.now();
    const { successful } = await db.import("grown", documents(size));
    if (successful !== size) throw new Error(`${successful} of ${size} documents were imported`);
    add("import", (size / (performance.now() - start)) * 1_000);
    for (const figure of FIGURES) {
      const call = callOf(db, figure, size);
      for (const callers of CALLERS) {
        const name = `${figure}, ${grouped(callers)} ${callers === 1 ? "caller" : "callers"}`;
        add(name, await rate(call, callers));
      }
    }
    globalThis.gc?.();
    const { rss, heapUsed } = process.memoryUsage();
    add("memory of the process, MiB", rss / 2 ** 20);
    add("heap after a collection, MiB", heapUsed / 2 ** 20);
  }
  tabulate(
    `${engine}, a second`,
    ["", ...SIZES.map((size) => `${grouped(size)} documents`)],
    [...rows].map(([name, figures]) => [name, ...figures]),
  );
}

await grow("SQLite, a file", () => open(`sqlite:${temporaryFile()}`));

await using server = await startDurablePostgres();
await grow("PostgreSQL", async () => open(await server.createDatabase()));
note(await describeServer(server));
