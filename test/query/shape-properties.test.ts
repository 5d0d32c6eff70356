import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parse, parseShape } from "../../src/query/parser.ts";
import { shapeOf } from "../../src/query/shape.ts";
import { type Piece, query, spell, style } from "./arbitrary-query.ts";

const RUNS = Number(process.env.FORMDB_PROPERTY_RUNS ?? 1_000);

describe("for every query", () => {
  it("the key and the values don't depend on whitespace, comments, case and quotes", () => {
    fc.assert(
      fc.property(query, style, style, (pieces, one, other) => {
        expect(shapeOf(spell(pieces, one))).toEqual(shapeOf(spell(pieces, other)));
      }),
      { numRuns: RUNS },
    );
  });

  it("the values are the literals of the text, lists of them as one array", () => {
    fc.assert(
      fc.property(query, style, (pieces, choices) => {
        const literals = pieces.flatMap((piece) => (piece.type === "literal" ? [piece.value] : []));
        const { values, key } = shapeOf(spell(pieces, choices));
        const lists = key.matchAll(/\bIN #(\d+)/g).map((match) => Number(match[1]));
        const inLists = new Set(lists);
        const isList = (value: unknown, slot: number) => inLists.has(slot) || areDocuments(key, value);
        const flat = values.flatMap((value, slot) => (isList(value, slot) ? (value as unknown[]) : [value]));
        expect(flat).toEqual(literals.map((value) => (Object.is(value, -0) ? 0 : value)));
      }),
      { numRuns: RUNS },
    );
  });

  it("parsing the text and parsing its key give one tree, and lifting gives one list of values", () => {
    fc.assert(
      fc.property(query, style, fc.constantFrom("position", "name"), (pieces, choices, parameters) => {
        const text = spell(pieces, choices, parameters);
        const shape = shapeOf(text);
        const parsed = parse(text);
        expect(parseShape(shape.key)).toEqual(parsed.statement);
        expect(shape.values).toEqual(parsed.values);
      }),
      { numRuns: RUNS },
    );
  });

  it("the key is canonical: putting literals back into it and taking them out again gives the same key", () => {
    fc.assert(
      fc.property(query, style, (pieces, choices) => {
        const { key, values } = shapeOf(spell(pieces, choices));
        const filled = key.replaceAll(/`(?:[^`]|``)*`|#(\d+)/g, (piece, slot?: string) =>
          slot === undefined ? piece : writeSlot(key, values[Number(slot)]),
        );
        expect(shapeOf(filled)).toEqual({ key, values });
      }),
      { numRuns: RUNS },
    );
  });

  it("the tree and all that is in it is frozen", () => {
    fc.assert(
      fc.property(query, (pieces) => expectFrozen(parse(spell(pieces)).statement)),
      { numRuns: RUNS / 5 },
    );
  });
});

/** Whether a slot's value is the list of an INSERT's documents. */
function areDocuments(key: string, value: unknown): value is readonly unknown[] {
  return /^(?:EXPLAIN )?INSERT /.test(key) && Array.isArray(value);
}

function writeSlot(key: string, value: unknown): string {
  return areDocuments(key, value) ? value.map(write).join(", ") : write(value);
}

describe("for every two queries", () => {
  it("the keys are the same exactly where the trees are, values aside", () => {
    fc.assert(
      fc.property(query, fc.infiniteStream(fc.nat()), style, (pieces, stream, choices) => {
        const one = spell(pieces);
        const other = spell(mutate(pieces, stream), choices);
        const otherTree = treeOf(other);
        if (otherTree === undefined) return;
        const sameTree = treeOf(one) === otherTree;
        const sameKey = shapeOf(one).key === shapeOf(other).key;
        // A key may say more than the tree: that costs a compilation. It must never say less.
        if (sameKey) expect(sameTree).toBe(true);
        if (!sameTree) expect(sameKey).toBe(false);
      }),
      { numRuns: RUNS * 3 },
    );
  });

  it.each([
    ["SELECT a, b FROM c", "SELECT b, a FROM c"],
    ["SELECT a FROM c", "SELECT A FROM c"],
    ["SELECT a FROM c", "SELECT a AS b FROM c"],
    ["SELECT a FROM c", "SELECT a FROM d"],
    ["SELECT * FROM c ORDER BY a", "SELECT * FROM c ORDER BY a DESC"],
    ["SELECT * FROM c ORDER BY a, b", "SELECT * FROM c ORDER BY b, a"],
    ["SELECT * FROM c WHERE a = 1", "SELECT * FROM c WHERE a = $1"],
    ["SELECT * FROM c WHERE a = $1", "SELECT * FROM c WHERE a = $2"],
    ["SELECT * FROM c WHERE a = :a", "SELECT * FROM c WHERE a = :b"],
    ["SELECT * FROM c WHERE a < 1", "SELECT * FROM c WHERE a <= 1"],
    ["SELECT * FROM c WHERE a = 1 AND b = 1 OR d = 1", "SELECT * FROM c WHERE a = 1 AND (b = 1 OR d = 1)"],
    ["SELECT * FROM c WHERE a IN (1, 2)", "SELECT * FROM c WHERE a NOT IN (1, 2)"],
    ["SELECT * FROM c WHERE a IN ($1)", "SELECT * FROM c WHERE a IN $1"],
    ["SELECT * FROM c WHERE a IS NULL", "SELECT * FROM c WHERE a = NULL"],
    ["SELECT * FROM c WHERE a IS NULL", "SELECT * FROM c WHERE a IS NOT NULL"],
    ["SELECT * FROM c WHERE tags[0] = 1", "SELECT * FROM c WHERE tags[1] = 1"],
    ["SELECT * FROM c WHERE a.b = 1", "SELECT * FROM c WHERE `a.b` = 1"],
    ["SELECT * FROM c WHERE `a[0]` = 1", "SELECT * FROM c WHERE a[0] = 1"],
    ["SELECT * FROM c WHERE a = 1", "SELECT * FROM c WHERE 1 = a"],
    ["SELECT * FROM c WHERE a = 1", "SELECT * FROM c WHERE `a = #0` = 1"],
    ["SELECT * FROM c LIMIT 1", "SELECT * FROM c OFFSET 1"],
    ["SELECT count FROM c", "SELECT COUNT(*) FROM c"],
    ["UPDATE c SET a = 1, b = 2", "UPDATE c SET b = 1, a = 2"],
    ["CREATE INDEX ON c (a)", "CREATE UNIQUE INDEX ON c (a)"],
    ["CREATE INDEX unique ON c (a)", "CREATE UNIQUE INDEX ON c (a)"],
    ["SELECT * FROM c", "EXPLAIN SELECT * FROM c"],
  ])("%s and %s have different keys", (one, other) => {
    expect(shapeOf(one).key).not.toBe(shapeOf(other).key);
  });
});

/** Another query near to this one: pieces swapped, left out, doubled or replaced. */
function mutate(pieces: readonly Piece[], stream: Iterator<number>): Piece[] {
  const draw = (count: number): number => (stream.next().value as number) % count;
  const changed = [...pieces];
  for (let n = draw(3) + 1; n > 0; n--) {
    const at = draw(changed.length);
    const from = draw(changed.length);
    const piece = changed[at];
    if (piece === undefined) break;
    switch (draw(4)) {
      case 0:
        changed[at] = changed[from]!;
        changed[from] = piece;
        break;
      case 1:
        changed.splice(at, 1);
        break;
      case 2:
        changed.splice(at, 0, changed[from]!);
        break;
      default:
        if (piece.type === "literal") changed[at] = { type: "literal", value: 7 };
        else if (piece.type === "name") changed[at] = { type: "name", text: "b" };
    }
  }
  return changed;
}

function treeOf(text: string): string | undefined {
  try {
    return JSON.stringify(parse(text).statement);
  } catch {
    return undefined;
  }
}

function write(value: unknown): string {
  if (typeof value === "string") return `'${value.replaceAll("'", "''")}'`;
  return JSON.stringify(value);
}

function expectFrozen(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  expect(Object.isFrozen(value)).toBe(true);
  for (const child of Object.values(value)) expectFrozen(child);
}
