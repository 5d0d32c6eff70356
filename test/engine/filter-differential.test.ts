import { describe, expect, it } from "vitest";
import { pathText } from "../../src/base/subject.ts";
import { type FormDB, open } from "../../src/index.ts";
import { parse } from "../../src/query/parser.ts";
import { isOperand } from "../../src/query/path-text.ts";
import type { Expression, Operand, Select, Term } from "../../src/query/syntax-tree.ts";
import { Evaluator } from "../plan/evaluator.ts";
import { generateDocument, valuesIn } from "../support/generate-documents.ts";
import { generateFilter } from "../support/generate-filters.ts";
import { generateRead } from "../support/generate-queries.ts";
import { usePostgres } from "../support/hooks.ts";
import { postgresVersions } from "../support/postgres-server.ts";
import { Random } from "../support/random.ts";
import { meaningOf } from "./filter-meaning.ts";

const QUERIES = Number(process.env.FORMDB_DIFFERENTIAL ?? 500);
const SEED = Number(process.env.FORMDB_SEED ?? 92);
const INDEXES = ["n", "s", "o.x", "t[*]", "i[*].x", "i[*].p[*].y", "o.x[*]"];
const BY_ID: Select = {
  type: "select",
  collection: "",
  items: [{ type: "path", path: ["id"], name: "id" }],
  where: undefined,
  groupBy: [],
  having: undefined,
  orderBy: [{ type: "path", path: ["id"], descending: false }],
  limit: undefined,
  offset: undefined,
};
const OPERATORS = { "=": "eq", "!=": "ne", "<": "lt", "<=": "lte", ">": "gt", ">=": "gte" } as const;

/** What no filter says: another meaning of null, paths on both sides, and names that are no plain words. */
class Unsayable extends Error {}

/** The filter that says what a condition of a text says; `element` is the path of the element that it is about. */
function filterOf(node: Expression, lifted: (operand: Operand) => unknown, element = ""): object {
  const field = (subject: Term, condition: object, isNegated = false): object => {
    if (subject.type !== "path") throw new Unsayable();
    const text = pathText(subject.path, element);
    if (!/^[a-z]\w*(?:\.[a-z]\w*|\[(?:\d+|\*)\])*$/.test(text)) throw new Unsayable();
    return { [text]: isNegated ? { not: condition } : condition };
  };
  const known = (operand: Operand): unknown => {
    const value = lifted(operand);
    if (value === null) throw new Unsayable();
    return value;
  };
  switch (node.type) {
    case "and":
    case "or":
      return { [node.type]: node.operands.map((part) => filterOf(part, lifted)) };
    case "not":
      if (element !== "" && node.operand.type === "contains") {
        return field(node.operand.subject, { contains: known(node.operand.operand) }, true);
      }
      return { not: filterOf(node.operand, lifted) };
    case "compare": {
      const { left, right, operator } = node;
      if (!isOperand(right)) throw new Unsayable();
      return field(left, { [OPERATORS[operator]]: known(right) });
    }
    case "in": {
      if (node.list.type !== "array") throw new Unsayable();
      const list = lifted(node.list.operand) as unknown[];
      if (list.includes(null)) throw new Unsayable();
      return field(node.subject, { [node.negated ? "notIn" : "in"]: list });
    }
    case "between":
      return field(node.subject, { between: [known(node.low), known(node.high)] }, node.negated);
    case "like":
      return field(node.subject, { like: known(node.pattern) }, node.negated);
    case "contains":
      return field(node.subject, { contains: known(node.operand) });
    case "isNull":
      return field(node.subject, { exists: node.negated });
    case "some":
      return filterOf(
        node.where,
        lifted,
        node.arrays.reduce((text, path) => `${pathText(path, text)}[*]`, ""),
      );
    default:
      throw new Unsayable();
  }
}

describe("SQLite", () => givesTheSame(async () => open("sqlite::memory:")));

describe.each(postgresVersions())("PostgreSQL (%s)", (version) => {
  const server = usePostgres({ version });
  givesTheSame(async () => open(await server.createDatabase()));
});

function givesTheSame(openDatabase: () => Promise<FormDB>): void {
  it("gives the same rows for a filter as for its text", async () => {
    await using db = await openDatabase();
    const random = new Random(91);
    const documents = Array.from({ length: 60 }, (_, i) => generateDocument(random, i));
    await db.batchInsert("c", documents);
    const things = db.collection("c");
    const pool = documents.flatMap(valuesIn);
    let asked = 0;
    for (let i = 0; i < QUERIES * 6 && asked < QUERIES; i++) {
      const { text, parameters } = generateRead(random, "c", pool);
      const { statement, values } = parse(text);
      const { where } = statement as Select;
      if (where === undefined) continue;
      const lifted = (operand: Operand): unknown =>
        operand.type === "slot" ? values[operand.index] : parameters[(operand as { index: number }).index];
      let filter: object;
      try {
        filter = filterOf(where, lifted);
      } catch (error) {
        if (error instanceof Unsayable) continue;
        throw error;
      }
      const condition = / WHERE (.*?)(?: GROUP BY | HAVING | ORDER BY | LIMIT |$)/s.exec(text)?.[1];
      if (condition === undefined || /\b(?:GROUP|HAVING|ORDER|LIMIT)\b/.test(condition)) continue;
      asked++;
      const byText = await db.query(
        `SELECT id FROM c WHERE ${condition} ORDER BY id`,
        parameters.slice(0, used(condition)),
      );
      const byFilter = await things
        .find(filter as never, { select: ["id"], orderBy: { id: "asc" } })
        .toArray();
      expect(byFilter, `${condition}\n${JSON.stringify(filter)}`).toEqual(byText.rows);
    }
    expect(asked).toBeGreaterThan(QUERIES / 4);
  }, 120_000);

  it("gives the rows that a plain evaluator gives for a filter, with and without indexes", async () => {
    await using db = await openDatabase();
    const random = new Random(SEED);
    for (let round = 0; round * 200 < QUERIES; round++) {
      const name = `f${round}`;
      const documents = Array.from({ length: 40 }, (_, i) => generateDocument(random, i));
      await db.batchInsert(name, documents);
      if (round % 2 === 1) for (const path of INDEXES) await db.createIndex(name, path);
      const stored = (await db.collection(name).find().toArray()).map(({ id, ...doc }) => ({
        key: id,
        doc: { ...doc, id },
      }));
      const pool = documents.flatMap(valuesIn).filter((value) => typeof value !== "object" || value === null);
      for (let i = 0; i < Math.min(200, QUERIES); i++) {
        const filter = generateFilter(random, pool);
        const { where, parameters } = meaningOf(filter);
        const select = { ...BY_ID, collection: name, where };
        const expected = new Evaluator({ values: [], parameters }).select(select, stored);
        const found = db.collection(name).find(filter as never, { select: ["id"], orderBy: { id: "asc" } });
        expect(await found.toArray(), JSON.stringify(filter)).toEqual(expected);
      }
    }
  }, 300_000);
}

/** How many parameters a part of a text that comes first takes. */
function used(condition: string): number {
  return Math.max(0, ...[...condition.matchAll(/\$(\d+)/g)].map(([, n]) => Number(n)));
}
