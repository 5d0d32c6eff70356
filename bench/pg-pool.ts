// A service's queries over `pg.Pool` and over the `Pool` that takes its place; then the spike of 50 callers on a cold pool.
import { isDeepStrictEqual } from "node:util";
import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import { Pool } from "../src/pg.ts";
import { startPostgres } from "../test/support/postgres-server.ts";
import { type Contender, compareEach } from "./harness/compare.ts";
import { report, tabulate } from "./harness/report.ts";

const MAX = 10;
/** Queries that all callers together ask in one unit of work, by the number of callers. */
const QUERIES: ReadonlyMap<number, number> = new Map([
  [1, 20],
  [10, 100],
  [100, 500],
]);
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

const scenarios: Readonly<Record<string, (name: Name, id: number) => Promise<readonly object[]>>> = {
  "text and values": async (name, id) => (await pools[name].query(TEXT, [id, "x"])).rows,
  "prepared by hand": async (name, id) =>
    (await pools[name].query({ name: "by-hand", text: TEXT, values: [id, "x"] })).rows,
  "through Kysely": (name, id) =>
    builders[name]
      .selectFrom("pets as p")
      .innerJoin("owners as o", "o.id", "p.owner")
      .select(["p.id", "p.name", "o.name as owner"])
      .where("p.id", "=", id)
      .where("p.name", "<>", "x")
      .execute(),
};

const titles: string[] = [];
const comparisons: (readonly Contender[])[] = [];
const asked = Array.from({ length: 20 }, (_, i) => 1 + i * 997);
for (const [scenario, ask] of Object.entries(scenarios)) {
  for (const id of asked) {
    const [ours, theirs] = [await ask("ours", id), await ask("theirs", id)];
    if (ours.length !== 1 || !isDeepStrictEqual(ours, theirs))
      throw new Error(`${scenario}: the rows differ`);
  }
  for (const [callers, queries] of QUERIES) {
    const contender = (shown: string, name: Name) => ({
      name: `${shown}, ${scenario}`,
      operations: queries,
      run: async () => {
        let left = queries;
        const caller = async (): Promise<void> => {
          while (left-- > 0) await ask(name, someId());
        };
        await Promise.all(Array.from({ length: callers }, caller));
      },
    });
    titles.push(`${scenario}, ${callers} ${callers === 1 ? "caller" : "callers"}`);
    comparisons.push([contender("ours", "ours"), contender("pg.Pool", "theirs")]);
  }
}
const measured = await compareEach(comparisons, { rounds: 101, turnMs: 40 });
for (const [i, title] of titles.entries()) report(title, measured[i]!);
await Promise.all([pools.theirs.end(), pools.ours.end()]);

const CALLERS = 50;
const cold: readonly (readonly [string, () => pg.Pool])[] = [
  ["pg.Pool", () => new pg.Pool({ ...config, max: CALLERS })],
  ["ours", () => new Pool({ ...config, max: CALLERS })],
];
const rows: (string | number)[][] = [];
for (const [name, make] of cold) {
  const pool = make();
  const start = performance.now();
  await Promise.all(Array.from({ length: CALLERS }, () => pool.query("SELECT pg_sleep(0.002)")));
  const ms = performance.now() - start;
  rows.push([name, pool.totalCount, Math.round(ms)]);
  await pool.end();
}
tabulate(`${CALLERS} callers on a cold pool`, ["", "connections opened", "all served after, ms"], rows);
