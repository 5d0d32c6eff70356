/**
 * Queries, an import and the size of a collection with indexes: `db.query` against SQL written by hand over the same
 * kind of table, prepared, on SQLite and on PostgreSQL 15. `DOCUMENTS=20000` for a quick run, `ENGINE=sqlite` or
 * `postgres` for one of the two.
 */
import { statSync } from "node:fs";
import Database from "better-sqlite3";
import pg from "pg";
import { postgresVersions, startPostgres } from "../test/support/postgres-server.ts";
import { open } from "./harness/built.ts";
import { type Contender, compare, compareEach, type Measured } from "./harness/compare.ts";
import { grouped } from "./harness/grouped.ts";
import { note, report, tabulate } from "./harness/report.ts";
import { temporaryFile } from "./harness/temporary.ts";
import { seededRandom } from "./harness/workloads.ts";

type Db = Awaited<ReturnType<typeof open>>;

const COUNT = Number(process.env.DOCUMENTS ?? 200_000);
/** Of queries there are more: some sides are near each other, and a turn is short. */
const ROUNDS = { queries: 61, imports: 31 };
const IMPORTED = Math.min(COUNT, 50_000);
/** A turn of calls of microseconds: as long as V8 needs to compile what they run, so that this is not what is measured. */
const SHORT_CALLS_MS = 100;
const INDEXES = ["age", "city", "name"];
const CITIES = ["Oslo", "Rome", "Lima", "Cairo", "Quito", "Paris", "Delhi", "Tokyo", "Lagos", "Sofia"];

/** Ten fields each; numbers in no order, so that no index is made of rising values alone. */
function* makeDocuments(count: number) {
  const random = seededRandom(13);
  for (let i = 0; i < count; i++) {
    yield {
      id: String(i).padStart(8, "0"),
      name: `Person ${(i * 7_919) % count}`,
      age: Math.floor(random() * 5_000),
      city: CITIES[Math.floor(random() * 10)]! + (i % 5 === 0 ? "" : String(i % 10)),
      active: random() < 0.5,
      score: Math.round(random() * 1e7) / 100,
      tags: [`a${i % 10}`, `b${i % 50}`],
      email: `person.${i}@example.org`,
      address: { street: "Main street", zip: String(i % 90_000) },
      number: i,
    };
  }
}

/**
 * A query in both spellings. Rows by hand are arrays of what ours has as values, with documents as JSON text or
 * parsed.
 */
interface Scenario {
  readonly name: string;
  readonly query: string;
  readonly parameters: readonly unknown[];
  readonly sqlite: string;
  readonly postgres: string;
  /** What the statements by hand are given; the parameters if absent. */
  readonly byHand?: readonly unknown[];
  /** How often one turn asks. */
  readonly times?: number;
}

const SCENARIOS: readonly Scenario[] = [
  {
    name: "COUNT(*) WHERE age > 4900",
    query: "SELECT COUNT(*) AS n FROM people WHERE age > $1",
    parameters: [4900],
    sqlite: "SELECT count(*) AS n FROM hand WHERE doc->>'$.age' > ?",
    postgres: "SELECT count(*)::int AS n FROM hand WHERE (doc->>'age')::numeric > $1",
  },
  {
    name: "COUNT(*) WHERE city = 'Oslo' AND active = true",
    query: "SELECT COUNT(*) AS n FROM people WHERE city = $1 AND active = $2",
    parameters: ["Oslo", true],
    sqlite: "SELECT count(*) AS n FROM hand WHERE doc->>'$.city' = ? AND doc->>'$.active' = ?",
    postgres:
      "SELECT count(*)::int AS n FROM hand WHERE doc->>'city' = $1 AND (doc->>'active')::boolean = $2",
    byHand: ["Oslo", 1],
  },
  {
    name: "COUNT(*) WHERE name LIKE '%99%'",
    query: "SELECT COUNT(*) AS n FROM people WHERE name LIKE $1",
    parameters: ["%99%"],
    sqlite: "SELECT count(*) AS n FROM hand WHERE doc->>'$.name' LIKE ?",
    postgres: "SELECT count(*)::int AS n FROM hand WHERE doc->>'name' LIKE $1",
  },
  {
    name: "city, COUNT(*), AVG(score) GROUP BY city",
    query: "SELECT city, COUNT(*) AS n, AVG(score) AS a FROM people GROUP BY city",
    parameters: [],
    sqlite: "SELECT doc->>'$.city' AS city, count(*) AS n, avg(doc->>'$.score') AS a FROM hand GROUP BY 1",
    postgres:
      "SELECT doc->>'city' AS city, count(*)::int AS n, avg((doc->>'score')::numeric)::float8 AS a FROM hand GROUP BY 1",
  },
  {
    name: "ORDER BY score DESC LIMIT 10",
    query: "SELECT id, score FROM people ORDER BY score DESC LIMIT 10",
    parameters: [],
    sqlite: "SELECT id, doc->>'$.score' AS score FROM hand ORDER BY 2 DESC LIMIT 10",
    postgres:
      "SELECT id, (doc->>'score')::float8 AS score FROM hand ORDER BY (doc->>'score')::numeric DESC LIMIT 10",
  },
  {
    name: "COUNT(*) WHERE tags CONTAINS 'b7'",
    query: "SELECT COUNT(*) AS n FROM people WHERE tags CONTAINS $1",
    parameters: ["b7"],
    sqlite:
      "SELECT count(*) AS n FROM hand WHERE EXISTS (SELECT 1 FROM json_each(doc, '$.tags') WHERE value = ?)",
    postgres: "SELECT count(*)::int AS n FROM hand WHERE doc->'tags' ? $1",
  },
  {
    name: "2 000 whole documents by a range",
    query: "SELECT * FROM people WHERE number >= $1 AND number < $2",
    parameters: [COUNT >> 1, (COUNT >> 1) + 2_000],
    sqlite: "SELECT json(doc) AS doc FROM hand WHERE doc->>'$.number' >= ? AND doc->>'$.number' < ?",
    postgres: "SELECT doc FROM hand WHERE (doc->>'number')::numeric >= $1 AND (doc->>'number')::numeric < $2",
  },
  {
    name: "by an indexed field, one caller",
    query: "SELECT * FROM people WHERE email = $1",
    parameters: ["person.77@example.org"],
    sqlite: "SELECT json(doc) AS doc FROM hand WHERE doc->>'$.email' = ?",
    postgres: "SELECT doc FROM hand WHERE doc->>'email' = $1",
    times: 300,
  },
];

/** One engine's side by hand. */
interface ByHand {
  readonly name: "SQLite" | "PostgreSQL 15";
  /** The rows of a scenario, as objects. */
  rows(scenario: Scenario): Promise<Record<string, unknown>[]>;
  /** Makes a table of this name, with three indexes, and fills it. */
  fill(table: string, count: number, indexed: boolean): Promise<void>;
  run(statement: string): Promise<void>;
  /** Bytes of a table with its indexes. */
  size(table: string): Promise<number>;
}

function parsed(row: Record<string, unknown>): Record<string, unknown> {
  if (!("doc" in row)) return row;
  return typeof row.doc === "string" ? JSON.parse(row.doc) : (row.doc as Record<string, unknown>);
}

function sqliteByHand(file: string): ByHand {
  const database = new Database(file);
  database.pragma("synchronous = FULL");
  const prepared = new Map<string, Database.Statement>();
  const statement = (text: string): Database.Statement => {
    const known = prepared.get(text) ?? database.prepare(text);
    prepared.set(text, known);
    return known;
  };
  return {
    name: "SQLite",
    rows: async ({ sqlite, parameters, byHand = parameters }) =>
      (statement(sqlite).all(...byHand) as Record<string, unknown>[]).map(parsed),
    async fill(table, count, indexed) {
      database.exec(
        `CREATE TABLE ${table} (id TEXT NOT NULL PRIMARY KEY, doc BLOB NOT NULL, version INTEGER NOT NULL DEFAULT 1, updated_at INTEGER NOT NULL)`,
      );
      for (const field of indexed ? INDEXES : []) {
        database.exec(`CREATE INDEX ${table}_${field} ON ${table} (doc->>'$.${field}')`);
      }
      const insert = database.prepare(`INSERT INTO ${table} (id, doc, updated_at) VALUES (?, jsonb(?), ?)`);
      database.transaction(() => {
        for (const document of makeDocuments(count))
          insert.run(document.id, JSON.stringify(document), Date.now());
      })();
    },
    run: async (text) => void database.exec(text),
    async size() {
      database.pragma("wal_checkpoint(TRUNCATE)");
      return statSync(file).size;
    },
  };
}

async function postgresByHand(url: string): Promise<ByHand & { end(): Promise<void> }> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const expression = (field: string): string =>
    field === "age" ? "((doc->>'age')::numeric)" : `(doc->>'${field}')`;
  return {
    name: "PostgreSQL 15",
    async rows({ name, postgres, parameters }) {
      const { rows } = await client.query({ name, text: postgres, values: [...parameters] });
      return rows.map(parsed);
    },
    async fill(table, count, indexed) {
      await client.query(
        `CREATE TABLE ${table} (id text COLLATE "C" PRIMARY KEY, doc jsonb NOT NULL, version bigint NOT NULL DEFAULT 1, updated_at bigint NOT NULL)`,
      );
      for (const field of indexed ? INDEXES : [])
        await client.query(`CREATE INDEX ON ${table} (${expression(field)})`);
      const text = `INSERT INTO ${table} (id, doc, updated_at) SELECT e->>'id', e, $2 FROM jsonb_array_elements($1::jsonb) AS e`;
      let batch: unknown[] = [];
      const send = async (): Promise<void> => {
        if (batch.length > 0)
          await client.query({ name: `fill ${table}`, text, values: [JSON.stringify(batch), Date.now()] });
        batch = [];
      };
      for (const document of makeDocuments(count)) if (batch.push(document) === 1_000) await send();
      await send();
      await client.query(`ANALYZE ${table}`);
    },
    run: async (text) => void (await client.query(text)),
    async size(table) {
      const { rows } = await client.query("SELECT pg_total_relation_size($1::regclass)::float8 AS bytes", [
        table,
      ]);
      return rows[0].bytes;
    },
    end: () => client.end(),
  };
}

function canonical(rows: readonly Record<string, unknown>[]): string {
  const digits = (value: unknown): unknown =>
    typeof value === "number" ? Number(value.toPrecision(12)) : value;
  return rows
    .map((row) => JSON.stringify(row, (_, value) => digits(value)))
    .map((text) => [...text].sort().join(""))
    .sort()
    .join("\n");
}

async function compareQueries(db: Db, byHand: ByHand): Promise<void> {
  await db.createCollection("people");
  await db.import("people", makeDocuments(COUNT));
  await byHand.fill("hand", COUNT, false);
  await db.createIndex("people", "email");
  await byHand.run(
    byHand.name === "SQLite"
      ? "CREATE INDEX hand_email ON hand (doc->>'$.email')"
      : "CREATE INDEX hand_email ON hand ((doc->>'email'))",
  );
  if (byHand.name !== "SQLite") {
    await byHand.run("VACUUM ANALYZE people");
    await byHand.run("VACUUM ANALYZE hand");
  }
  const isLookUp = ({ times }: Scenario): boolean => times !== undefined;
  await compareAll(
    db,
    byHand,
    SCENARIOS.filter((one) => !isLookUp(one)),
    1,
  );
  await compareAll(db, byHand, SCENARIOS.filter(isLookUp), SHORT_CALLS_MS);
}

async function compareAll(
  db: Db,
  byHand: ByHand,
  scenarios: readonly Scenario[],
  turnMs: number,
): Promise<void> {
  const comparisons: (readonly Contender[])[] = [];
  for (const scenario of scenarios) {
    const { name, query, parameters, times = 1 } = scenario;
    const ours = (await db.query(query, parameters)).rows;
    if (canonical(ours) !== canonical(await byHand.rows(scenario)))
      throw new Error(`${name}: the rows differ`);
    const repeat = (work: () => Promise<unknown>) => async () => {
      for (let i = 0; i < times; i++) await work();
    };
    comparisons.push([
      { name: "db.query", operations: times, run: repeat(() => db.query(query, parameters)) },
      { name: "by hand", operations: times, run: repeat(() => byHand.rows(scenario)) },
    ]);
  }
  const measured = await compareEach(comparisons, { rounds: ROUNDS.queries, turnMs });
  for (const [i, { name }] of scenarios.entries()) tell(byHand, name, measured[i]!);
}

function tell(byHand: ByHand, name: string, measured: readonly Measured[]): void {
  report(`${byHand.name}: ${name}, a second`, measured);
}

async function compareImports(db: Db, byHand: ByHand): Promise<void> {
  let tables = 0;
  const contender = (name: string, fill: (table: string) => Promise<void>): Contender => ({
    name,
    operations: IMPORTED,
    async run() {
      const table = `imported_${++tables}`;
      await fill(table);
      await db.dropCollection(table);
    },
  });
  const contenders = [
    contender("db.import", async (table) => {
      await db.createCollection(table);
      for (const field of INDEXES) await db.createIndex(table, field);
      await db.import(table, makeDocuments(IMPORTED));
    }),
    contender("by hand", (table) => byHand.fill(table, IMPORTED, true)),
  ];
  tell(byHand, "import with three indexes", await compare(contenders, { rounds: ROUNDS.imports, turnMs: 1 }));
}

/** The same documents and indexes, each side in a database or table of its own. */
async function compareSizes(db: Db, ours: ByHand, theirs: ByHand): Promise<void> {
  await db.createCollection("sized");
  for (const field of INDEXES) await db.createIndex("sized", field);
  await db.import("sized", makeDocuments(IMPORTED));
  await theirs.fill("sized_hand", IMPORTED, true);
  const [size, byHand] = [await ours.size("sized"), await theirs.size("sized_hand")];
  const mebibytes = (bytes: number): number => Number((bytes / 2 ** 20).toFixed(1));
  tabulate(
    `${ours.name}: size of ${grouped(IMPORTED)} documents with three indexes`,
    ["ours, MiB", "by hand, MiB", "ours / by hand"],
    [[mebibytes(size), mebibytes(byHand), (size / byHand).toFixed(2)]],
  );
}

note(`${grouped(COUNT)} documents of ten fields`);
if (process.env.ENGINE !== "postgres") {
  const file = temporaryFile();
  await using db = await open(`sqlite:${file}`);
  const byHand = sqliteByHand(file);
  await compareQueries(db, byHand);
  await compareImports(db, byHand);
  const sized = temporaryFile();
  await using small = await open(`sqlite:${sized}`);
  await compareSizes(small, sqliteByHand(sized), sqliteByHand(temporaryFile()));
}
if (process.env.ENGINE !== "sqlite" && postgresVersions().includes("system")) {
  await using server = await startPostgres({ version: "system", settings: { shared_buffers: "256MB" } });
  const url = await server.createDatabase();
  await using db = await open(url);
  const byHand = await postgresByHand(url);
  await compareQueries(db, byHand);
  await compareImports(db, byHand);
  await compareSizes(db, byHand, byHand);
  await byHand.end();
}
