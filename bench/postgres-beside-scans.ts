/**
 * Short indexed queries beside scans that keep half of the connections busy: how long the short ones take. Five callers scan,
 * forty ask short queries of ten shapes, ten connections for all.
 */
import pg from "pg";
import { open } from "./harness/built.ts";
import { SCALE, summary } from "./harness/compare.ts";
import { openPipelined } from "./harness/pipelined.ts";
import { describeServer, makePeopleByHand, startDurablePostgres } from "./harness/postgres.ts";
import { note, report } from "./harness/report.ts";

const COUNT = 20_000;
const AGES = 5_000;
const CONNECTIONS = 10;
const SCANS = 5;
const CALLERS = 40;
const QUICK = process.env.BENCH_QUICK === "1";
const TURN_MS = QUICK ? 300 : 1_500 * SCALE;
const ROUNDS = QUICK ? 2 : 5;
const SHAPES = Array.from({ length: 10 }, (_, i) => `f${i}`);

await using server = await startDurablePostgres();
const url = await server.createDatabase();
const pool = { minConnections: CONNECTIONS, maxConnections: CONNECTIONS };
await using shared = await open(url, { pool });
await using apart = await open(url, { pool, batch: { reads: false } });
await shared.batchInsert(
  "people",
  Array.from({ length: COUNT }, (_, i) => ({
    id: `p${String(i).padStart(6, "0")}`,
    age: (i * 7_919) % AGES,
    text: `line ${i} ${"x".repeat(100)}`,
    ...Object.fromEntries(SHAPES.map((name, n) => [name, i + n])),
  })),
);
await shared.createIndex("people", ["age"]);
await makePeopleByHand(url);
const byHand = new pg.Pool({ connectionString: url, max: CONNECTIONS, min: CONNECTIONS });
await using pipelined = await openPipelined(url, CONNECTIONS);

const short = (name: string): string => `SELECT id, ${name} FROM people WHERE age = $1 ORDER BY id LIMIT 3`;
const shortByHand = (name: string): string =>
  `SELECT id, doc->'${name}' AS ${name} FROM by_hand WHERE (doc->>'age')::int = $1 ORDER BY id LIMIT 3`;
const scan = "SELECT COUNT(*) AS n FROM people WHERE text LIKE '%no such%'";
const scanByHand = "SELECT count(*) AS n FROM by_hand WHERE doc->>'text' LIKE '%no such%'";

interface Contender {
  readonly name: string;
  short(name: string, age: number): Promise<{ readonly rows: readonly unknown[] }>;
  scan(): Promise<unknown>;
}
const prepared = (name: string, age: number) => ({ name, text: shortByHand(name), values: [age] });
const contenders: readonly Contender[] = [
  { name: "ours", short: (name, age) => shared.query(short(name), [age]), scan: () => shared.query(scan) },
  {
    name: "ours, batch.reads: false",
    short: (name, age) => apart.query(short(name), [age]),
    scan: () => apart.query(scan),
  },
  {
    name: "pg-pool, prepared",
    short: (name, age) => byHand.query(prepared(name, age)),
    scan: () => byHand.query(scanByHand),
  },
  {
    name: "pg, pipelined",
    short: (name, age) => pipelined.query(prepared(name, age)),
    scan: () => pipelined.query({ text: scanByHand }),
  },
];

/** Milliseconds of each short query of one turn. */
async function turn(contender: Contender): Promise<number[]> {
  const end = performance.now() + TURN_MS;
  const took: number[] = [];
  const scans = Array.from({ length: SCANS }, async () => {
    while (performance.now() < end) await contender.scan();
  });
  const callers = Array.from({ length: CALLERS }, async (_, caller) => {
    for (let i = caller; performance.now() < end; i++) {
      const start = performance.now();
      const { rows } = await contender.short(SHAPES[i % SHAPES.length]!, (i * 31) % AGES);
      took.push(performance.now() - start);
      if (rows.length !== 3) throw new Error(`${contender.name} found ${rows.length} rows, not 3`);
    }
  });
  await Promise.all([...scans, ...callers]);
  return took.sort((a, b) => a - b);
}

const rounds = new Map<string, number[][]>(contenders.map(({ name }) => [name, []]));
for (let round = 0; round <= ROUNDS; round++) {
  for (let i = 0; i < contenders.length; i++) {
    const contender = contenders[(i + round) % contenders.length]!;
    const took = await turn(contender);
    if (round > 0) rounds.get(contender.name)!.push(took);
  }
}
for (const [title, share] of [
  ["half", 0.5],
  ["99 of 100", 0.99],
] as const) {
  report(
    `Short queries beside scans: one over the time (s) within which ${title} are answered`,
    contenders.map(({ name }) =>
      summary(
        name,
        rounds.get(name)!.map((took) => 1_000 / took[Math.floor(took.length * share)]!),
      ),
    ),
  );
}
note(await describeServer(server));
await byHand.end();
