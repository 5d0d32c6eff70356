/**
 * What the shape of a text costs: it is on the way of every query that has literals in it. Against the parse that
 * a cached plan saves, and against the usual fingerprint by a regular expression, which gives less: it knows no
 * keyword's case, no canonical spacing and no values' types.
 */
import { parse, parseShape } from "../src/query/parser.ts";
import { shapeOf } from "../src/query/shape.ts";
import { compare } from "./harness/compare.ts";
import { report } from "./harness/report.ts";

const COUNT = 512;

const texts: Readonly<Record<string, (i: number) => string>> = {
  "point read": (i) => `SELECT * FROM users WHERE id = 'user-${i}'`,
  "filter, canonical spelling": (i) =>
    `SELECT name, address.city FROM users WHERE age > ${i % 90} AND active = TRUE AND name LIKE 'a${i}%' ORDER BY age DESC, name LIMIT 20`,
  "filter, spelled freely": (i) =>
    `select name,address.city\nfrom users\nwhere age>${i % 90} and active=true -- grown up\n  and name like "a${i}%"\norder by age desc,name limit 20`,
  "IN list of 50": (i) =>
    `SELECT * FROM users WHERE id IN (${Array.from({ length: 50 }, (_, n) => `'u${i * 50 + n}'`).join(", ")})`,
  "INSERT of 250 characters": (i) =>
    `INSERT INTO users ${JSON.stringify({
      id: `user-${i}`,
      name: "Ada Lovelace",
      age: i % 90,
      tags: ["first", "programmer", "countess"],
      address: { street: "St James's Square 12", city: "London", country: "United Kingdom", zip: "SW1Y 4JH" },
      note: "Notes on the analytical engine",
    })}`,
};

/** Literals, comments and whitespace by one expression, then lists by another, as fingerprints for statistics do. */
const PIECES =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|(?<![\w.[])-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\btrue\b|\bfalse\b|\bnull\b|\s+/gi;
const LISTS = /\bin \((?:\s*#\s*,?)+\)/gi;

function fingerprint(text: string): { key: string; values: unknown[] } {
  const values: unknown[] = [];
  const key = text.replace(PIECES, (piece) => {
    const code = piece.charCodeAt(0);
    if (code <= 0x20 || piece.startsWith("--") || piece.startsWith("/*")) return " ";
    values.push(code === 0x27 || code === 0x22 ? piece.slice(1, -1).replaceAll("''", "'") : Number(piece));
    return "#";
  });
  return { key: key.replace(LISTS, "in #"), values };
}

// Looking the key up is part of the cost: it is what makes one string of its pieces, and hashes it.
const known = new Map<string, number>();

for (const [name, make] of Object.entries(texts)) {
  const list = Array.from({ length: COUNT }, (_, i) => make(i));
  const keys = list.map((text) => shapeOf(text).key);
  known.set(keys[0]!, 1).set(fingerprint(list[0]!).key, 1);
  let found = 0;
  const each = (work: (text: string) => void) => (): void => {
    for (let i = 0; i < COUNT; i++) work(list[i]!);
  };
  const measured = await compare([
    {
      name: "shapeOf + look-up",
      operations: COUNT,
      run: each((text) => {
        found += known.get(shapeOf(text).key) ?? 0;
      }),
    },
    {
      name: "regex fingerprint + look-up",
      operations: COUNT,
      run: each((text) => {
        found += known.get(fingerprint(text).key) ?? 0;
      }),
    },
    { name: "parse", operations: COUNT, run: each((text) => void parse(text)) },
    { name: "parseShape of the key", operations: COUNT, run: each(() => void parseShape(keys[0]!)) },
  ]);
  if (found === 0) throw new Error("no key was found");
  report(name, measured);
}
