import fc from "fast-check";
import { expect, it } from "vitest";
import type { OrderOperator } from "../../src/dialect/expression-dialect.ts";
import { rangeBound } from "../../src/dialect/postgres/range-bounds.ts";
import { prefixOf } from "../../src/dialect/postgres/terms.ts";

const OPERATORS: readonly OrderOperator[] = ["<", "<=", ">", ">="];

function compareText(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function holds(operator: OrderOperator, order: number): boolean {
  return { "<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0 }[operator];
}

/** Whether the range of an index that the bound gives holds this number and start of a text. */
function inRange(
  operator: OrderOperator,
  bound: readonly [string | null, string | null],
  number: number,
  text: string,
) {
  const order = number - Number(bound[0]) || compareText(text, bound[1]!);
  return operator.startsWith("<") ? order < 0 : order > 0;
}

// Short and long ones with much in common, as wide as characters go.
const texts = fc.oneof(
  fc.string({
    unit: fc.constantFrom("a", "b", "\u0001", "\ud7ff", "\ue000", "😀", "\u{10ffff}"),
    maxLength: 4,
  }),
  fc
    .tuple(
      fc.constantFrom("a", "😀"),
      fc.integer({ min: 77, max: 83 }),
      fc.constantFrom("", "a", "b", "\u0001"),
    )
    .map(([unit, count, end]) => unit.repeat(count) + end),
);

it("the range of an index holds every text that an operator means", () => {
  fc.assert(
    fc.property(fc.constantFrom(...OPERATORS), texts, texts, (operator, text, operand) => {
      if (!holds(operator, compareText(text, operand))) return;
      expect(inRange(operator, rangeBound(operator, operand), 0, prefixOf(text))).toBe(true);
    }),
    { numRuns: 5_000 },
  );
});

it("the range of an index holds exactly the numbers that an operator means", () => {
  const numbers = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer({ min: -3, max: 3 }),
  );
  fc.assert(
    fc.property(fc.constantFrom(...OPERATORS), numbers, numbers, (operator, number, operand) => {
      const order = number < operand ? -1 : number > operand ? 1 : 0;
      expect(inRange(operator, rangeBound(operator, operand), number, "")).toBe(holds(operator, order));
    }),
    { numRuns: 5_000 },
  );
});

it("the range of an index holds little beside what short texts mean", () => {
  for (const operator of OPERATORS) {
    for (const text of ["a", "b", "ab", "", "ba", "\u0001"]) {
      const expected = holds(operator, compareText(text, "b"));
      expect(inRange(operator, rangeBound(operator, "b"), 0, text), `${text} ${operator} b`).toBe(expected);
    }
  }
});

it("nothing compares with null", () => {
  expect(rangeBound(">=", null)).toEqual([null, null]);
});
