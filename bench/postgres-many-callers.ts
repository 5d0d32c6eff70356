/**
 * Small indexed queries from PostgreSQL by many callers, each awaiting one before the next: `WHERE age = … ORDER BY id LIMIT 3`,
 * ten connections for everybody, by 1, 10, 100 and 1 000 callers; once all of one shape, once of ten shapes in turn.
 */
import pg from "pg";
import postgres from "postgres";
import { open } from "./harness/built.ts";
import { compare } from "./harness/compare.ts";
import { openPipelined } from "./harness/pipelined.ts";
import { describeServer, makePeopleByHand, startDurablePostgres } from "./harness/postgres.ts";
import { note, report } from "./harness/report.ts";

const COUNT = 20_000;
const AGES = 5_000;
const CONNECTIONS = 10;
const CALLERS = (process.env.BENCH_CALLERS ?? "1,10,100,1000").split(",").map(Number);
/** Queries of one turn's unit, over all callers. */
const QUERIES = 1_000;
const FIELDS = ["name", "age", "city", "score", "active"];
/** What each shape selects beside the id: ten different lists. */
const SHAPES = Array.from({ length: 10 }, (_, i) => [
  FIELDS[i % 5]!,
  ...(i < 5 ? [] : [FIELDS[(i + 1) % 5]!]),
]);

const documents = Array.from({ length: COUNT }, (_, i) => ({
  id: `p${String(i).padStart(6, "0")}`,
  name: `Person ${i}`,
  age: (i * 7_919) % AGES,
  city: `City ${i % 50}`,
  score: i % 1_000,
  active: i % 3 === 0,
  tags: ["a", `b${i % 9}`],
}));

await using server = await startDurablePostgres();
const url = await server.createDatabase();
const merged = await open(url, { pool: { minConnections: CONNECTIONS, maxConnections: CONNECTIONS } });
const apart = await open(url, {
  pool: { minConnections: CONNECTIONS, maxConnections: CONNECTIONS },
  batch: { reads: false },
});
await merged.batchInsert("people", documents);
await merged.createIndex("people", ["age"]);
await makePeopleByHand(url);

const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS, min: CONNECTIONS });
await using pipelined = await openPipelined(url, CONNECTIONS);
const sql = postgres(url, { max: CONNECTIONS });

const all = "SELECT * FROM people WHERE age = $1 ORDER BY id LIMIT 3";
const allByHand = "SELECT id, doc FROM by_hand WHERE (doc->>'age')::int = $1 ORDER BY id LIMIT 3";
const shapes = SHAPES.map(
  (fields) => `SELECT id, ${fields.join(", ")} FROM people WHERE age = $1 ORDER BY id LIMIT 3`,
);
const shapesByHand = SHAPES.map(
  (fields) =>
    `SELECT id, ${fields.map((name) => `doc->'${name}' AS ${name}`).join(", ")} FROM by_hand ` +
    "WHERE (doc->>'age')::int = $1 ORDER BY id LIMIT 3",
);

type Run = (shape: number | undefined, age: number) => Promise<readonly object[]>;
const contenders: readonly (readonly [name: string, run: Run])[] = [
  [
    "ours",
    async (shape, age) => (await merged.query(shape === undefined ? all : shapes[shape]!, [age])).rows,
  ],
  [
    "ours, batch.reads: false",
    async (shape, age) => (await apart.query(shape === undefined ? all : shapes[shape]!, [age])).rows,
  ],
  [
    "pg-pool, prepared",
    async (shape, age) =>
      (
        await pool.query({
          name: `s${shape ?? ""}`,
          text: shape === undefined ? allByHand : shapesByHand[shape]!,
          values: [age],
        })
      ).rows,
  ],
  [
    "pg, pipelined",
    async (shape, age) =>
      (
        await pipelined.query({
          name: `s${shape ?? ""}`,
          text: shape === undefined ? allByHand : shapesByHand[shape]!,
          values: [age],
        })
      ).rows,
  ],
  [
    "postgres.js",
    (shape, age) =>
      sql.unsafe(shape === undefined ? allByHand : shapesByHand[shape]!, [age], { prepare: true }) as Promise<
        readonly object[]
      >,
  ],
];

/** The ids that a query found, and one field. */
const digest = (rows: readonly object[]): string =>
  JSON.stringify(rows.map((row) => [(row as { id: string }).id, (row as { name?: unknown }).name]));
for (const shape of [undefined, 0, 7]) {
  const answers = await Promise.all(contenders.map(([, run]) => run(shape, 77)));
  const expected = documents.filter(({ age }) => age === 77).slice(0, 3).length;
  if (answers.some((rows) => rows.length !== expected)) throw new Error("A contender found other rows");
  if (shape !== undefined && new Set(answers.map(digest)).size !== 1) throw new Error("The answers differ");
}

let next = 0;
for (const [title, mixed] of [
  ["one shape", false],
  ["ten shapes in turn", true],
] as const) {
  for (const callers of CALLERS) {
    const each = Math.max(1, Math.round((callers === 1 ? 100 : QUERIES) / callers));
    const measured = await compare(
      contenders.map(([name, run]) => ({
        name,
        operations: callers * each,
        run: async () => {
          await Promise.all(
            Array.from({ length: callers }, async () => {
              for (let i = 0; i < each; i++) {
                const n = next++;
                await run(mixed ? n % SHAPES.length : undefined, (n * 31) % AGES);
              }
            }),
          );
        },
      })),
      // Many short turns: where the system puts a process decides how fast a turn is, and each turn is a new throw. One
      // caller's turns differ up to fourfold.
      callers === 1 ? { rounds: 241, turnMs: 40 } : { rounds: 15, turnMs: 80 },
    );
    report(
      `Small indexed queries, ${title}, ${callers} ${callers === 1 ? "caller" : "callers"}, queries a second`,
      measured,
    );
  }
}
note(await describeServer(server));
await merged.close();
await apart.close();
await pool.end();
await sql.end();
