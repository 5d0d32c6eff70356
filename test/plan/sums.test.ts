import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "../../src/query/parser.ts";
import type { Select } from "../../src/query/syntax-tree.ts";
import { Random } from "../support/random.ts";
import { ENGINES, query, type TestEngine } from "./engines.ts";
import { Evaluator, type Stored } from "./evaluator.ts";

const random = new Random(4_711);
const anyDouble = (): number => {
  const value = new Float64Array(new BigUint64Array([BigInt(random.below(2 ** 32)) << 32n]).buffer)[0]!;
  return Number.isFinite(value) ? value : 0;
};

/** Kinds of values that are added in different ways; a double has no more than 17 digits. */
const KINDS: readonly [string, () => unknown][] = [
  ["whole numbers", () => random.below(5_000) - 2_500],
  ["money", () => Math.round((random.next() - 0.5) * 1e9) / 100],
  ["millionths", () => Math.round((random.next() - 0.5) * 1e9) / 1e6],
  ["billionths", () => Math.round((random.next() - 0.5) * 1e9) / 1e9],
  ["nine places and more before the point", () => (random.next() - 0.5) * 4e9],
  ["random fractions", () => random.next() - 0.5],
  ["milliseconds", () => 1_700_000_000_000 + random.below(1e9)],
  ["around a billion", () => random.pick([1, -1]) * (1e9 + random.pick([-1e-6, 0, 1e-6, 1, 0.5]))],
  ["around a millionth", () => random.pick([1e-6, 1.5e-6, -1e-6, 1e-7, 9.99999e-7, 0.1000001])],
  [
    "ten digits before the point, which nearly cancel out",
    () => random.pick([1, -1]) * (1e10 + random.next()),
  ],
  ["any doubles", anyDouble],
  ["0, 1 and booleans", () => random.pick([0, 1, true, false, null, "1", [1], { a: 1 }])],
];

describe.each(ENGINES)("sums in %s are exact", (_, open) => {
  let engine: TestEngine;
  let collections = 0;

  beforeAll(async () => {
    engine = await open();
  });

  afterAll(async () => {
    await engine?.close();
  });

  async function expectExact(values: readonly unknown[], groups: number): Promise<void> {
    const collection = `sums${++collections}`;
    const documents = values.map((n, i): Stored => ({ key: `${i}`, doc: { n, g: i % groups } }));
    await engine.load(collection, documents);
    for (const text of [
      `SELECT SUM(n) AS s, AVG(n) AS a, COUNT(n) AS c FROM ${collection}`,
      `SELECT g, SUM(n) AS s, AVG(n) AS a FROM ${collection} GROUP BY g ORDER BY SUM(n), AVG(n) DESC, g`,
    ]) {
      const { statement } = parse(text);
      const expected = new Evaluator({ values: [], parameters: [] }).select(statement as Select, documents);
      expect((await query(engine, text)).rows, text).toEqual(expected);
    }
  }

  it.each(KINDS)("of %s", async (_, make) => {
    await expectExact(
      Array.from({ length: 300 }, () => make()),
      7,
    );
  });

  it("of all of these together", async () => {
    await expectExact(
      Array.from({ length: 1_000 }, () => random.pick(KINDS)[1]()),
      20,
    );
  });

  it("and equal what documents and conditions have of the same number", async () => {
    const collection = "large";
    const large = [2 ** 53, 2 ** 60, -(2 ** 62), 2 ** 63, 1e16 + 2, 1e300];
    await engine.load(
      collection,
      large.map((n, i): Stored => ({ key: `${i}`, doc: { n } })),
    );
    for (const sum of ["SUM(n)", "AVG(n)"]) {
      for (const condition of [
        `${sum} = $1`,
        `${sum} >= $1 AND ${sum} <= $1`,
        `${sum} IN ($1)`,
        `${sum} = MAX(n)`,
      ]) {
        const text = `SELECT ${sum} AS sum FROM ${collection} WHERE n = $1 GROUP BY id HAVING ${condition}`;
        for (const n of large) expect((await query(engine, text, [n])).rows, text).toEqual([{ sum: n }]);
      }
    }
  });

  it("beyond what 64 bits hold of millionths", async () => {
    await expectExact(Array<number>(20_000).fill(999_999_999.999_999), 2);
    await expectExact(Array<number>(20_000).fill(-999_999_999.999_999), 2);
  });
});
