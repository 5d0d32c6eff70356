import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeId, type Row } from "../../src/base/document.ts";
import type { IndexedPlace, IndexPath } from "../../src/base/subject.ts";
import type { IndexDefinition } from "../../src/dialect/ddl-dialect.ts";
import type { Dialect } from "../../src/dialect/dialect.ts";
import { parse } from "../../src/query/parser.ts";
import type { Select, Statement } from "../../src/query/syntax-tree.ts";
import { generateDocument, valuesIn } from "../support/generate-documents.ts";
import { type GeneratedQuery, generateRead, generateWrite, spellPath } from "../support/generate-queries.ts";
import { Random } from "../support/random.ts";
import { contents, ENGINES, prepare, query, type TestEngine } from "./engines.ts";
import { ArithmeticError, canonical, Evaluator, plain, type Stored } from "./evaluator.ts";

/** How many queries each engine is asked. Set `FORMDB_DIFFERENTIAL` for a long run, `FORMDB_SEED` for another. */
const QUERIES = Number(process.env.FORMDB_DIFFERENTIAL ?? 700);
const SEED = Number(process.env.FORMDB_SEED ?? 20_240_607);
const QUERIES_PER_ROUND = 200;
const DOCUMENTS = 50;

const INDEXES: readonly (readonly IndexedPlace[])[] = [
  [["a"]],
  [["n"]],
  [["s"]],
  [["o", "x"]],
  [["t", 0]],
  [["b"], ["n"]],
  [{ type: "lower", path: ["s"] }],
  [{ type: "upper", path: ["s"] }, ["n"]],
];
/** Over the elements of arrays. */
const ELEMENT_INDEXES = [
  ["t", null],
  ["i", null, "x"],
  ["i", null, "p", null, "x"],
  ["t", null, null],
  ["o", "x", null],
];

describe.each(ENGINES)("%s and a plain evaluator", (_, open) => {
  let engine: TestEngine;

  beforeAll(async () => {
    engine = await open();
  });

  afterAll(async () => {
    await engine?.close();
  });

  it("give the same rows in the same order, with and without indexes", async () => {
    const random = new Random(SEED);
    for (let round = 0; round * QUERIES_PER_ROUND < QUERIES; round++) {
      const documents = generateDocuments(random, round === 0 ? 3 : DOCUMENTS);
      const collection = await loadRound(engine, round, documents);
      const dialects = spellings(engine.dialect, collection);
      const pool = documents.flatMap(({ doc }) => valuesIn(doc));
      for (let i = 0; i < QUERIES_PER_ROUND; i++) {
        const read = generateRead(random, collection, pool);
        const { statement, values } = parse(read.text);
        const expected = new Evaluator({ values, parameters: read.parameters }).select(
          statement as Select,
          documents,
        );
        for (const dialect of dialects) {
          const { rows } = await query(engine, read.text, read.parameters, dialect).catch((error: Error) => {
            throw new Error(`${error.message}\n${show(read)}`, { cause: error });
          });
          expectSame(statement as Select, rows, expected, show(read));
          for (const merged of await askTogether(engine, read, dialect)) {
            expectSame(statement as Select, merged, expected, `merged: ${show(read)}`);
          }
        }
      }
    }
  }, 600_000);

  it("leave the same documents after UPDATE and DELETE", async () => {
    const random = new Random(SEED + 1);
    const count = Math.ceil(QUERIES / 5);
    let documents: readonly Stored[] = [];
    let refused = 0;
    for (let i = 0; i < count; i++) {
      const collection = `w${Math.floor(i / 20)}`;
      if (i % 20 === 0) {
        documents = generateDocuments(random, 20);
        await engine.load(collection, documents);
        for (const path of ELEMENT_INDEXES) await engine.indexElements(elementIndex(collection, path));
      }
      const write = generateWrite(
        random,
        collection,
        documents.flatMap(({ doc }) => valuesIn(doc)),
      );
      const { statement, values } = parse(write.text);
      const evaluator = new Evaluator({ values, parameters: write.parameters });
      const dialect = random.pick(spellings(engine.dialect, collection));
      const expected = applied(evaluator, statement, documents);
      const writing = query(engine, write.text, write.parameters, dialect);
      if (expected === undefined) {
        refused++;
        // A value among the parameters is refused before the engine is asked.
        await expect(writing, show(write)).rejects.toThrow(
          /formdb: no (?:number at|result of)|must be a (?:finite number|number in arithmetic)/,
        );
      } else {
        await writing.catch((error: Error) => {
          throw new Error(`${error.message}\n${show(write)}`, { cause: error });
        });
        documents = expected;
      }
      const found = await contents(engine, collection);
      const byKey = (stored: readonly Stored[]) =>
        Object.fromEntries(stored.map(({ key, doc }) => [key, doc]));
      expect(byKey(found), show(write)).toEqual(byKey(documents));
      await expectIndexed(engine, collection, documents, random);
    }
    expect(refused).toBeGreaterThan(0);
    expect(refused).toBeLessThan(count / 2);
  }, 600_000);
});

/**
 * The ways to spell a statement: for unknown indexes, for any, for none, and for those of some paths, whatever indexes there
 * are.
 */
function spellings(dialect: Dialect, collection: string): readonly Dialect[] {
  const knowing = (isIndexed: (path: IndexPath) => boolean): Dialect =>
    dialect.knowing!((path) => (isIndexed(path) ? elementIndex(collection, path) : undefined));
  return [
    dialect,
    knowing(() => true),
    knowing(() => false),
    knowing((path) => !("type" in path) && path.length === 1 && String(path[0]) < "n"),
  ];
}

function elementIndex(collection: string, path: IndexPath): IndexDefinition {
  const name = "type" in path ? `${path.type}_${path.path.join("_")}` : path.join("_");
  return { collection, name: `by_${name}`, paths: [path], unique: false };
}

/** What indexes over elements lead to after changes: to all documents with a value that there is, or may have been. */
async function expectIndexed(
  engine: TestEngine,
  collection: string,
  documents: readonly Stored[],
  random: Random,
): Promise<void> {
  const [, dialect] = spellings(engine.dialect, collection) as [Dialect, Dialect];
  for (const path of ELEMENT_INDEXES) {
    const held = documents.flatMap(({ doc }) => valuesIn(doc[path[0]!]));
    const pool = held.filter((value) => value !== undefined && value !== null && typeof value !== "object");
    const text = `SELECT id FROM ${collection} WHERE ${spellPath(path)} = $1 ORDER BY id`;
    for (const value of new Set([1, ...random.some(0, 5, () => random.pick([1, ...pool]))])) {
      const { statement, values } = parse(text);
      const parameters = [value];
      const expected = new Evaluator({ values, parameters }).select(statement as Select, documents);
      const { rows } = await query(engine, text, parameters, dialect);
      expect(rows, show({ text, parameters })).toEqual(expected);
    }
  }
}

/** The rows of a query that is asked three times by one statement; none if its plan can't be merged. */
async function askTogether(
  engine: TestEngine,
  { text, parameters }: GeneratedQuery,
  dialect: Dialect,
): Promise<Row[][]> {
  const { plan, values } = prepare(text, dialect);
  const bound = plan.bind(values, parameters);
  const statement = bound.merged?.();
  if (statement === undefined) return [];
  const { rows } = await engine.run(
    statement.text,
    bound.values.map((value) => [value, value, value]),
  );
  return [1, 2, 3].map((n) => rows.filter((row) => Number(row.at(-1)) === n).map((row) => plan.decode(row)));
}

/** The documents afterwards; undefined if the statement must fail. */
function applied(
  evaluator: Evaluator,
  statement: Statement,
  documents: readonly Stored[],
): Stored[] | undefined {
  try {
    return apply(evaluator, statement, documents);
  } catch (error) {
    if (error instanceof ArithmeticError) return undefined;
    throw error;
  }
}

function apply(evaluator: Evaluator, statement: Statement, documents: readonly Stored[]): Stored[] {
  if (statement.type === "update") return evaluator.update(statement, documents);
  if (statement.type === "delete") return evaluator.delete(statement, documents);
  throw new Error(`${statement.type} changes nothing`);
}

function generateDocuments(random: Random, count: number): Stored[] {
  return Array.from({ length: count }, (_, i) => {
    const doc = plain(generateDocument(random, i)) as Stored["doc"];
    return { key: doc.id === undefined ? `made-${i}` : encodeId(doc.id), doc };
  });
}

/** Every second round has indexes, and on PostgreSQL a planner that would rather use them. */
async function loadRound(engine: TestEngine, round: number, documents: readonly Stored[]): Promise<string> {
  const collection = `r${round}`;
  await engine.load(collection, documents);
  const indexed = round % 2 === 1;
  if (indexed) {
    for (const paths of INDEXES) await engine.index(collection, paths);
    for (const path of ELEMENT_INDEXES) await engine.indexElements(elementIndex(collection, path));
  }
  if (engine.dialect.name === "postgres")
    await engine.run(`SET enable_seqscan = ${indexed ? "off" : "on"}`, []);
  return collection;
}

function expectSame(
  select: Select,
  rows: readonly Record<string, unknown>[],
  expected: readonly Record<string, unknown>[],
  message: string,
): void {
  const sort = (unsorted: readonly Record<string, unknown>[]) =>
    select.orderBy.length > 0
      ? unsorted
      : [...unsorted].sort((a, b) => (canonical(a) < canonical(b) ? -1 : 1));
  expect(sort(rows), message).toEqual(sort(expected));
  if (select.items !== undefined && rows.length > 0) {
    expect(Object.keys(rows[0]!), message).toEqual(select.items.map(({ name }) => name));
  }
  if (select.items === undefined && rows.length > 0) {
    // JavaScript puts names that look like an index before all others.
    expect(Object.keys(rows[0]!).filter((name) => name !== "0")[0], message).toBe("id");
  }
}

function show({ text, parameters }: GeneratedQuery): string {
  return `${text}\nwith ${JSON.stringify(parameters)}`;
}
