import Database from "better-sqlite3";
import pg from "pg";
import type { Row } from "../../src/base/document.ts";
import type { IndexedPlace } from "../../src/base/subject.ts";
import type { IndexDefinition } from "../../src/dialect/ddl-dialect.ts";
import type { Dialect } from "../../src/dialect/dialect.ts";
import { postgresDialect } from "../../src/dialect/postgres/postgres-dialect.ts";
import { sqliteAggregates, sqliteFunctions } from "../../src/dialect/sqlite/functions.ts";
import { sqliteDialect } from "../../src/dialect/sqlite/sqlite-dialect.ts";
import { compile } from "../../src/plan/compile.ts";
import type { Parameters, Plan } from "../../src/plan/plan.ts";
import { parse } from "../../src/query/parser.ts";
import { shapeOf } from "../../src/query/shape.ts";
import { postgresVersions, startPostgres } from "../support/postgres-server.ts";
import type { Stored } from "./evaluator.ts";

/** A query's plan for an engine, with the values of its text. */
export function prepare(text: string, dialect: Dialect): { plan: Plan; values: readonly unknown[] } {
  const { statement, values } = parse(text);
  return { plan: compile(statement, shapeOf(text).key, dialect), values };
}

/** An engine as the compiler's tests see it: through its driver alone. */
export interface TestEngine {
  readonly name: string;
  readonly dialect: Dialect;
  /** Makes a collection and fills it. */
  load(collection: string, documents: readonly Stored[]): Promise<void>;
  index(collection: string, places: readonly IndexedPlace[], unique?: boolean): Promise<void>;
  /** Makes an index over the elements of arrays. */
  indexElements(index: IndexDefinition): Promise<void>;
  run(statement: string, values: readonly unknown[]): Promise<{ rows: unknown[][]; count: number }>;
  /** What the engine says that it would do. */
  explain(statement: string, values: readonly unknown[]): Promise<string>;
  close(): Promise<void>;
}

/** The rows of a query. */
export async function query(
  engine: TestEngine,
  text: string,
  parameters: Parameters = [],
  dialect: Dialect = engine.dialect,
): Promise<{ rows: Row[]; count: number }> {
  const { plan, values } = prepare(text, dialect);
  const { statement, values: bound } = plan.bind(values, parameters);
  const { rows, count } = await engine.run(statement!.text, bound);
  return { rows: rows.map((row) => plan.decode(row)), count };
}

/** The documents of a collection, by key. */
export async function contents(engine: TestEngine, collection: string): Promise<Stored[]> {
  const { rows } = await engine.run(
    `SELECT ${engine.dialect.expressions.documentColumns} FROM "${collection}" ORDER BY id`,
    [],
  );
  return rows.map(([key, doc]) => ({ key: key as string, doc: JSON.parse(doc as string) }));
}

export function openSqlite(): TestEngine {
  const db = new Database(":memory:");
  for (const statement of sqliteDialect.ddl.bootstrap) db.exec(statement);
  for (const { name, deterministic, fn } of sqliteFunctions) db.function(name, { deterministic }, fn);
  for (const { name, ...aggregate } of sqliteAggregates)
    db.aggregate(name, { ...aggregate, deterministic: true });
  return {
    name: "SQLite",
    dialect: sqliteDialect,
    async load(collection, documents) {
      for (const statement of sqliteDialect.ddl.createCollection(collection)) db.exec(statement);
      const insert = db.prepare(`INSERT INTO "${collection}" (id, doc, updated_at) VALUES (?, jsonb(?), 0)`);
      db.transaction(() => {
        for (const { key, doc } of documents) insert.run(key, JSON.stringify(doc));
      })();
    },
    async index(collection, places, unique = false) {
      const columns = sqliteDialect.expressions.indexColumns(places, unique).join(", ");
      db.exec(`CREATE ${unique ? "UNIQUE" : ""} INDEX "i${Math.random()}" ON "${collection}" (${columns})`);
    },
    async indexElements(index) {
      for (const statement of sqliteDialect.ddl.createIndex(index)) db.exec(statement);
    },
    async run(statement, values) {
      const prepared = db.prepare(statement);
      if (prepared.reader) {
        const rows = prepared.raw().all(...values) as unknown[][];
        return { rows, count: rows.length };
      }
      return { rows: [], count: prepared.run(...values).changes };
    },
    async explain(statement, values) {
      const rows = db.prepare(`EXPLAIN QUERY PLAN ${statement}`).all(...values) as { detail: string }[];
      return rows.map(({ detail }) => detail).join("\n");
    },
    async close() {
      db.close();
    },
  };
}

const JSONB = 3802;
/** Documents stay text, as the backend gives them. */
const JSON_AS_TEXT: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) =>
    (oid as number) === JSONB ? (text: string): string => text : pg.types.getTypeParser(oid, format),
};

export async function openPostgres(version: "18" | "system"): Promise<TestEngine> {
  const server = await startPostgres({ version });
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  // It would compile each statement whose plan is costly, as those are where scans are turned off.
  await client.query("SET jit = off");
  const dialect = postgresDialect;
  for (const statement of dialect.ddl.bootstrap) await client.query(statement);
  return {
    name: `PostgreSQL ${server.serverVersion}`,
    dialect,
    async load(collection, documents) {
      for (const statement of dialect.ddl.createCollection(collection)) await client.query(statement);
      await client.query(
        `INSERT INTO "${collection}" (id, doc, updated_at) SELECT e ->> 'key', e -> 'doc', 0 FROM jsonb_array_elements($1::jsonb) AS e`,
        [JSON.stringify(documents)],
      );
      await client.query(`ANALYZE "${collection}"`);
    },
    async index(collection, paths, unique = false) {
      const columns = dialect.expressions.indexColumns(paths, unique).join(", ");
      await client.query(`CREATE ${unique ? "UNIQUE" : ""} INDEX ON "${collection}" (${columns})`);
      await client.query(`ANALYZE "${collection}"`);
    },
    async indexElements(index) {
      for (const statement of dialect.ddl.createIndex(index)) await client.query(statement);
    },
    async run(text, values) {
      const { rows, rowCount } = await client.query({
        text,
        values: [...values],
        rowMode: "array",
        types: JSON_AS_TEXT,
      });
      return { rows: rows as unknown[][], count: rowCount ?? 0 };
    },
    async explain(text, values) {
      const { rows } = await client.query({ text: `EXPLAIN ${text}`, values: [...values], rowMode: "array" });
      return rows.map(([line]) => line as string).join("\n");
    },
    async close() {
      await client.end();
      await server.remove();
    },
  };
}

/** All engines that can be run here, with what opens them. */
export const ENGINES: readonly [string, () => Promise<TestEngine>][] = [
  ["SQLite", async () => openSqlite()],
  ...postgresVersions().map((version): [string, () => Promise<TestEngine>] => [
    `PostgreSQL (${version})`,
    () => openPostgres(version),
  ]),
];
