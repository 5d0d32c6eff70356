import fc from "fast-check";

/** One token of a generated query, from which each way to write it can be made. */
export type Piece =
  | { readonly type: "word" | "symbol" | "parameter" | "name"; readonly text: string }
  | { readonly type: "literal"; readonly value: unknown };

/** Choices of a spelling, consumed one by one: how a piece is written, and what stands before it. */
export type Style = readonly number[];

const word = (text: string): Piece => ({ type: "word", text });
const symbol = (text: string): Piece => ({ type: "symbol", text });
const name = (text: string): Piece => ({ type: "name", text });
const words = (text: string): Piece[] => text.split(" ").map(word);

const bareNames = ["a", "b", "age", "name", "Name", "x1", "_y", "tags"];
const quotedNames = [
  "order",
  "select",
  "count",
  "desc",
  "index",
  "having",
  "lower",
  "two words",
  "naïve",
  "a`b",
  "a.b",
  "名前",
  "0",
];
const names = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...bareNames) },
  fc.constantFrom(...quotedNames),
);
const collection = fc.constantFrom("users", "c", "Orders_2").map((text) => [name(text)]);

const text = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 8 }),
  fc.constantFrom("it's", '"', "", "a\\b%", "--", "/*", "`", "#0", "$1", "?", "line\nbreak"),
);
const cleanText = text.filter((value) => !value.includes("\0") && value.isWellFormed());

const number = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer({ min: -9, max: 99 }),
  fc.constantFrom(0.5, -1.25, 1e21, 1e-7, 123.456, 9007199254740991),
);

const json = fc
  .jsonValue({ maxDepth: 2, stringUnit: "grapheme" })
  .filter((value) => !JSON.stringify(value).includes("\\u0000") && isReadable(value));

export const scalar: fc.Arbitrary<unknown> = fc.oneof(cleanText, number, fc.boolean(), fc.constant(null));
export const jsonObject: fc.Arbitrary<unknown> = fc.dictionary(cleanText, json, {
  maxKeys: 4,
  noNullPrototype: true,
});
const literal = fc
  .oneof({ weight: 6, arbitrary: scalar }, jsonObject, fc.array(json, { maxLength: 3 }))
  .map((value): Piece[] => [{ type: "literal", value }]);

const pathPieces = fc
  .tuple(names, fc.array(fc.oneof(names, fc.nat(12)), { maxLength: 2 }))
  .map(([first, rest]): Piece[] => [
    name(first),
    ...rest.flatMap((segment) =>
      typeof segment === "number" ? [symbol(`[${segment}]`)] : [symbol("."), name(segment)],
    ),
  ]);

/** The same with `[*]` among them. */
const widePieces = fc
  .tuple(pathPieces, fc.array(fc.oneof(names, fc.constant(undefined)), { maxLength: 2 }))
  .map(([path, rest]): Piece[] => [
    ...path,
    ...rest.flatMap((segment) => (segment === undefined ? [symbol("[*]")] : [symbol("."), name(segment)])),
  ]);

/** `$n` and `:name` are told apart by `spell`'s caller: a text has one style only. */
const parameter = fc.nat(3).map((index): Piece[] => [{ type: "parameter", text: String(index + 1) }]);
const value = fc.oneof({ weight: 3, arbitrary: literal }, parameter);
const scalarPieces = scalar.map((found): Piece[] => [{ type: "literal", value: found }]);
const elements = fc
  .array(fc.oneof({ weight: 4, arbitrary: scalarPieces }, parameter), { maxLength: 5 })
  .map((list) => [symbol("("), ...join(list), symbol(")")]);

const not = fc.boolean().map((negated) => (negated ? [word("NOT")] : []));
const comparison = fc.constantFrom("=", "!=", "<>", "<", "<=", ">", ">=").map((text) => [symbol(text)]);

const condition = fc.oneof(
  seq(widePieces, comparison, value),
  seq(value, comparison, widePieces),
  seq(pathPieces, comparison, pathPieces),
  seq(widePieces, not, fc.constant([word("IN")]), elements),
  seq(widePieces, not, fc.constant([word("BETWEEN")]), value, fc.constant([word("AND")]), value),
  seq(
    widePieces,
    not,
    fc.constant([word("LIKE")]),
    cleanText.map((found) => [{ type: "literal", value: found }]),
  ),
  seq(widePieces, fc.constant([word("CONTAINS")]), value),
  seq(widePieces, fc.constant([word("IS")]), not, fc.constant([word("NULL")])),
);

const expression: fc.Arbitrary<Piece[]> = fc.letrec<{ node: Piece[] }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    condition,
    fc
      .tuple(fc.constantFrom("AND", "OR"), fc.array(tie("node"), { minLength: 2, maxLength: 3 }))
      .map(([operator, operands]) =>
        operands.flatMap((operand, i) => [
          ...(i === 0 ? [] : [word(operator)]),
          symbol("("),
          ...operand,
          symbol(")"),
        ]),
      ),
    tie("node").map((operand) => [word("NOT"), symbol("("), ...operand, symbol(")")]),
  ),
})).node;

const where = optional(expression.map((pieces) => [word("WHERE"), ...pieces]));
const direction = fc.constantFrom<Piece[]>([], [word("DESC")], [word("ASC")]);
const orderBy = optional(
  fc
    .array(seq(pathPieces, direction), { minLength: 1, maxLength: 3 })
    .map((list) => [...words("ORDER BY"), ...join(list)]),
);
const count = (text: string): fc.Arbitrary<Piece[]> =>
  optional(
    fc
      .oneof(
        fc.nat().map((found): Piece => ({ type: "literal", value: found })),
        parameter.map(([piece]) => piece!),
      )
      .map((piece) => [word(text), piece]),
  );
const cased = fc
  .tuple(fc.constantFrom("LOWER", "UPPER"), pathPieces)
  .map(([how, path]): Piece[] => [word(how), symbol("("), ...path, symbol(")")]);
const items = fc.oneof(
  fc.constant([symbol("*")]),
  // AS keeps the columns' names apart.
  fc
    .array(fc.oneof(pathPieces, cased), { minLength: 1, maxLength: 3 })
    .map((paths) => join(paths.map((path, i) => [...path, word("AS"), name(`c${i}`)]))),
);

const select = seq(
  fc.constant([word("SELECT")]),
  items,
  fc.constant([word("FROM")]),
  collection,
  where,
  orderBy,
  count("LIMIT"),
  count("OFFSET"),
);

const groupedSelect = fc
  .tuple(
    collection,
    where,
    fc.oneof(pathPieces, cased),
    fc.constantFrom("COUNT", "SUM", "AVG", "MIN", "MAX"),
    fc.tuple(
      direction,
      optional(seq(fc.constant(words("HAVING n")), comparison, fc.oneof(value, fc.constant([name("key")])))),
    ),
  )
  .map(([from, filter, path, aggregate, [ordering, having]]) => [
    word("SELECT"),
    ...path,
    ...[word("AS"), name("key"), symbol(",")],
    ...[word(aggregate), symbol("("), ...path, symbol(")"), symbol(",")],
    ...[word("COUNT"), symbol("("), symbol("*"), symbol(")"), word("AS"), name("n")],
    word("FROM"),
    ...from,
    ...filter,
    ...words("GROUP BY"),
    ...path,
    ...having,
    ...words("ORDER BY"),
    ...[word("COUNT"), symbol("("), symbol("*"), symbol(")")],
    ...ordering,
  ]);

const insert = fc
  .tuple(
    collection,
    fc.array(
      fc.oneof(
        jsonObject.map((found): Piece[] => [{ type: "literal", value: found }]),
        parameter,
      ),
      {
        minLength: 1,
        maxLength: 4,
      },
    ),
  )
  .map(([into, documents]): Piece[] => [...words("INSERT INTO"), ...into, ...join(documents)]);
const update = seq(
  fc.constant([word("UPDATE")]),
  collection,
  fc.constant([word("SET"), name("set_a"), symbol("=")]),
  value,
  fc.constant([symbol(","), name("b"), symbol("."), name("set"), symbol("=")]),
  value,
  where,
);
const remove = seq(fc.constant(words("DELETE FROM")), collection, where);
const createIndex = seq(
  fc.constantFrom(words("CREATE INDEX"), words("CREATE UNIQUE INDEX")),
  fc.constantFrom<Piece[]>([], [name("by_name")], [name("index")], [name("unique")]),
  fc.constant([word("ON")]),
  collection,
  widePieces.map((path) => [symbol("("), ...path, symbol(")")]),
);
const rest = fc.constantFrom(
  [...words("CREATE COLLECTION"), name("users")],
  [...words("DROP COLLECTION"), name("collection")],
  [...words("DROP INDEX"), name("by_name"), word("ON"), name("users")],
  words("INTROSPECT COLLECTIONS"),
  [...words("INTROSPECT INDEXES"), name("users")],
);

/** The pieces of any valid statement. */
export const query: fc.Arbitrary<Piece[]> = fc
  .tuple(
    fc.boolean(),
    fc.oneof(
      { weight: 5, arbitrary: select },
      groupedSelect,
      insert,
      { weight: 2, arbitrary: update },
      remove,
      createIndex,
      rest,
    ),
  )
  .map(([explained, pieces]) => (explained ? [word("EXPLAIN"), ...pieces] : pieces));

export const style: fc.Arbitrary<Style> = fc.array(fc.nat(1000), { minLength: 1, maxLength: 80 });

/** How parameters are written: a text must not mix the two. */
export type ParameterStyle = "position" | "name";

/** One way to write the pieces; `style` decides on case, quotes, comments and whitespace. */
export function spell(
  pieces: readonly Piece[],
  choices: Style = [0],
  parameters: ParameterStyle = "position",
): string {
  let at = 0;
  const choose = (count: number): number => choices[at++ % choices.length]! % count;
  let written = "";
  for (const piece of pieces) {
    const next = spellPiece(piece, choose, parameters);
    const gap = ["", " ", "\n", "\n\t", " /* ' \" ` */ ", " -- it's\n", "/**/", "\r\n"][choose(8)]!;
    const touches =
      /[\w$:?#.\-\]]$/.test(written) &&
      /^[\w$:?#.\-[]/.test(next) &&
      !/^[.[]/.test(next) &&
      !/\.$/.test(written);
    const merges = /[<>!=]$/.test(written) && /^[<>!=]/.test(next);
    // Two quotes side by side would be one string with a quote in it.
    const doubles = written !== "" && written.at(-1) === next[0] && "'\"`".includes(next[0]!);
    written += (gap === "" && (touches || merges || doubles) ? " " : gap) + next;
  }
  return written + ["", ";", " ; ", "\n;-- the end"][choose(4)]!;
}

function spellPiece(piece: Piece, choose: (count: number) => number, parameters: ParameterStyle): string {
  switch (piece.type) {
    case "word":
      return [piece.text, piece.text.toLowerCase(), `${piece.text[0]}${piece.text.slice(1).toLowerCase()}`][
        choose(3)
      ]!;
    case "symbol":
      if (piece.text === "!=" || piece.text === "<>") return choose(2) === 0 ? "!=" : "<>";
      return piece.text.startsWith("[") && choose(3) === 0 ? `[ ${piece.text.slice(1, -1)}\n]` : piece.text;
    case "parameter":
      return parameters === "position" ? `$${piece.text}` : `:p${piece.text}`;
    case "name":
      return bareNames.includes(piece.text) && choose(2) === 0
        ? piece.text
        : `\`${piece.text.replaceAll("`", "``")}\``;
    case "literal":
      return spellLiteral(piece.value, choose);
  }
}

function spellLiteral(value: unknown, choose: (count: number) => number): string {
  if (typeof value === "string") {
    const quote = choose(2) === 0 ? "'" : '"';
    return quote + value.replaceAll(quote, quote + quote) + quote;
  }
  if (typeof value === "boolean" || value === null) {
    const text = String(value);
    return choose(2) === 0 ? text : text.toUpperCase();
  }
  if (typeof value === "object") return JSON.stringify(value, undefined, choose(2) * 2);
  return Object.is(value, -0) ? "0" : String(value);
}

function isReadable(value: unknown): boolean {
  if (typeof value === "number") return Math.abs(value) < 2 ** 53 && !Object.is(value, -0);
  if (typeof value !== "object" || value === null) return typeof value !== "string" || value.isWellFormed();
  return Object.entries(value).every(([key, child]) => key.isWellFormed() && isReadable(child));
}

function join(lists: readonly (readonly Piece[])[]): Piece[] {
  return lists.flatMap((list, i) => (i === 0 ? list : [symbol(","), ...list]));
}

function seq(...parts: readonly fc.Arbitrary<readonly Piece[]>[]): fc.Arbitrary<Piece[]> {
  return fc.tuple(...parts).map((lists) => lists.flat());
}

function optional(part: fc.Arbitrary<Piece[]>): fc.Arbitrary<Piece[]> {
  return fc.option(part, { nil: [] });
}
