// A service's queries over `pg.Pool` and over the `Pool` that takes its place, in rounds that alternate, as ratios of
// queries a second; then the spike of 50 callers on a cold pool.
import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import { Pool } from "../src/pg.ts";
import { startPostgres } from "../test/support/postgres-server.ts";

const ROUNDS = 7;
const ROUND_MS = 250;
const MAX = 10;
const TEXT =
  "SELECT p.id, p.name, o.name AS owner FROM pets p JOIN owners o ON o.id = p.owner WHERE p.id = $1 AND p.name <> $2";

interface Pets {
  readonly pets: { readonly id: number; readonly name: string; readonly owner: number };
  readonly owners: { readonly id: number; readonly name: string };
}

await using server = await startPostgres();
await server.query("CREATE TABLE owners (id int PRIMARY KEY, name text)");
await server.query("CREATE TABLE pets (id int PRIMARY KEY, name text, owner int)");
await server.query("INSERT INTO owners SELECT n, 'owner ' || n FROM generate_series(1, 1000) n");
await server.query("INSERT INTO pets SELECT n, 'pet ' || n, 1 + n % 1000 FROM generate_series(1, 20000) n");
await server.query("ANALYZE");

const config = { connectionString: server.url, max: MAX };
const ours = new Pool(config);
const pools: Readonly<Record<"theirs" | "ours", pg.Pool>> = { theirs: new pg.Pool(config), ours };
const someId = (): number => 1 + Math.floor(Math.random() * 20_000);

const builders = {
  theirs: new Kysely<Pets>({ dialect: new PostgresDialect({ pool: pools.theirs }) }),
  ours: new Kysely<Pets>({ dialect: new PostgresDialect({ pool: pools.ours }) }),
};
type Name = keyof typeof pools;

const scenarios: Readonly<Record<string, (name: Name) => Promise<unknown>>> = {
  "text and values": (name) => pools[name].query(TEXT, [someId(), "x"]),
  "prepared by hand": (name) => pools[name].query({ name: "by-hand", text: TEXT, values: [someId(), "x"] }),
  "through Kysely": (name) =>
    builders[name]
      .selectFrom("pets as p")
      .innerJoin("owners as o", "o.id", "p.owner")
      .select(["p.id", "p.name", "o.name as owner"])
      .where("p.id", "=", someId())
      .where("p.name", "<>", "x")
      .execute(),
};

async function queriesPerSecond(callers: number, ask: () => Promise<unknown>): Promise<number> {
  let count = 0;
  const start = performance.now();
  const caller = async (): Promise<void> => {
    for (; performance.now() - start < ROUND_MS; count++) await ask();
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return (count / (performance.now() - start)) * 1_000;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

for (const [scenario, ask] of Object.entries(scenarios)) {
  for (const callers of [1, 10, 100]) {
    const found: Record<Name, number[]> = { theirs: [], ours: [] };
    for (let round = -1; round < ROUNDS; round++) {
      const order: readonly Name[] = round % 2 === 0 ? ["theirs", "ours"] : ["ours", "theirs"];
      for (const name of order) {
        const rate = await queriesPerSecond(callers, () => ask(name));
        if (round >= 0) found[name].push(rate);
      }
    }
    const ratio = median(found.ours.map((rate, i) => rate / found.theirs[i]!));
    const rates = `${(median(found.ours) / 1_000).toFixed(1)} against ${(median(found.theirs) / 1_000).toFixed(1)} k/s`;
    console.log(
      `${scenario.padEnd(18)} ${String(callers).padStart(3)} callers: ${ratio.toFixed(2)} × (${rates})`,
    );
  }
}
await Promise.all([pools.theirs.end(), pools.ours.end()]);

const CALLERS = 50;
const cold: readonly (readonly [string, () => pg.Pool])[] = [
  ["pg.Pool", () => new pg.Pool({ ...config, max: CALLERS })],
  ["ours", () => new Pool({ ...config, max: CALLERS })],
];
for (const [name, make] of cold) {
  const pool = make();
  const start = performance.now();
  await Promise.all(Array.from({ length: CALLERS }, () => pool.query("SELECT pg_sleep(0.002)")));
  const ms = performance.now() - start;
  console.log(
    `spike of ${CALLERS}, ${name.padEnd(7)}: ${pool.totalCount} opened, all served after ${ms.toFixed(0)} ms`,
  );
  await pool.end();
}
