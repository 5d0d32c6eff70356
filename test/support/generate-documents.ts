import type { Random } from "./random.ts";

/** A value of any JSON type, from pools so small that documents and queries often meet. */
export function generateValue(random: Random, depth: number = 0): unknown {
  switch (random.below(depth < 2 ? 12 : 8)) {
    case 0:
      return null;
    case 1:
      return random.chance(0.5);
    case 2:
    case 3:
    case 4:
      return random.pick(NUMBERS);
    case 5:
    case 6:
    case 7:
      return random.pick(STRINGS);
    case 8:
    case 9:
      return random.chance(0.5)
        ? random.pick(ARRAYS)
        : random.some(0, 3, () => generateValue(random, depth + 1));
    default:
      if (random.chance(0.5)) return random.pick(OBJECTS);
      return Object.fromEntries(
        random.some(0, 3, () => [random.pick(["x", "y", "0", "z z"]), generateValue(random, depth + 1)]),
      );
  }
}

/** A document with fields whose types vary, some missing, some null. Its id is unique for its number. */
export function generateDocument(random: Random, number: number): { readonly [name: string]: unknown } {
  const fields: [string, unknown][] = [];
  const add = (name: string, probability: number, make: () => unknown): void => {
    if (random.chance(probability)) fields.push([name, make()]);
  };
  add("a", 0.9, () => generateValue(random));
  add("b", 0.8, () => generateValue(random));
  add("n", 0.85, () => (random.chance(0.1) ? null : random.below(7) - 2));
  add("s", 0.85, () => (random.chance(0.1) ? null : random.pick(STRINGS)));
  add("t", 0.7, () => random.some(0, 3, () => generateValue(random, 1)));
  add("o", 0.7, () => ({ x: generateValue(random, 1), y: random.pick(NUMBERS) }));
  add("i", 0.7, () =>
    random.chance(0.15) ? generateValue(random) : random.some(0, 4, () => generateItem(random)),
  );
  add(ODD_NAME, 0.5, () => generateValue(random, 2));
  add("0", 0.3, () => random.pick(NUMBERS));
  // Not the order in which they were made, so that nothing depends on it.
  fields.sort(() => random.next() - 0.5);
  if (random.chance(0.8)) {
    fields.splice(random.below(fields.length + 1), 0, [
      "id",
      random.chance(0.3) ? number : idOf(random, number),
    ]);
  }
  return Object.fromEntries(fields);
}

/** What an array of objects holds, for the most part. */
function generateItem(random: Random): unknown {
  if (random.chance(0.15)) return generateValue(random, 1);
  const fields: [string, unknown][] = [];
  if (random.chance(0.85)) fields.push(["x", generateValue(random, 1)]);
  if (random.chance(0.7)) fields.push(["id", random.below(4)]);
  if (random.chance(0.5)) {
    fields.push(["p", random.some(0, 3, () => ({ x: generateValue(random, 1), y: random.below(3) }))]);
  }
  return Object.fromEntries(fields);
}

function idOf(random: Random, number: number): string {
  return random.pick(["", "k", "K", "é", "😀", "\uffff", "a'b"]) + String(number);
}

/** What documents hold, at any depth: so that queries ask for what there is. */
export function valuesIn(value: unknown): unknown[] {
  if (typeof value !== "object" || value === null) return [value];
  return [value, ...Object.values(value).flatMap(valuesIn)];
}

export const ODD_NAME = "odd \"name' \\ é😀 $.[0]";

export const NUMBERS: readonly number[] = [
  0,
  -0,
  1,
  1,
  2,
  3,
  -1,
  42,
  1.5,
  -1.5,
  0.1,
  0.30000000000000004,
  1e-7,
  5e-324,
  1e21,
  1e300,
  -1e300,
  1.7976931348623157e308,
  1.7e308,
  2 ** 53,
  2 ** 53 - 1,
  -(2 ** 53),
  2 ** 60,
  2 ** 63,
  -(2 ** 63),
  123456789.123,
];

export const STRINGS: readonly string[] = [
  "",
  "a",
  "A",
  "ab",
  "abc",
  "b",
  "B",
  "aB",
  "é",
  "e\u0301",
  "ß",
  "ss",
  "\ufffd",
  "\uffff",
  "😀",
  "😀a",
  "\u{10ffff}",
  "\ud7ff",
  "a%b",
  "a_b",
  "a\\b",
  "a*b",
  "a?b",
  "[x]",
  "^",
  "line\nbreak",
  "it's",
  '"',
  "`",
  "0",
  "1",
  "1.5",
  "true",
  "null",
  "[1]",
  "{}",
  "$1",
  ":name",
  "--",
  " a",
  "a ",
  "\u0001",
  "\u007f",
  `${"long ".repeat(16)}a`,
  `${"long ".repeat(16)}b`,
  `${"long ".repeat(16)}`,
  "😀".repeat(80),
  `${"😀".repeat(80)}!`,
];

export const ARRAYS: readonly (readonly unknown[])[] = [
  [],
  [1],
  [1, 2],
  [2, 1],
  ["a"],
  ["1"],
  [true],
  [null],
  [[1]],
  [[1, 2]],
  [{ x: 1 }],
  [{ y: 2, x: 1 }],
  [1, "a", null, [1]],
];

export const OBJECTS: readonly object[] = [
  {},
  { x: 1 },
  { x: 1, y: 2 },
  { y: 2, x: 1 },
  { x: { y: [1] } },
  { 0: 1 },
  { x: null },
  { yy: 1, x: 1 },
  { x: "1" },
  { formdb: "text" },
];
