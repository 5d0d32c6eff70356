import { FormDBError } from "../base/errors.ts";
import { nearestName } from "../base/nearest.ts";

/** A limit that was passed: its name in `limits.ts`, and its value. */
export type Limit = Readonly<Record<string, number>>;

/** What is wrong with a text, and where. */
export interface SyntaxProblem {
  readonly text: string;
  /** Where in the text, in UTF-16 units from 0. */
  readonly at: number;
  /** What stands there. */
  readonly found: string;
  /** What could stand there instead; keywords in capitals. */
  readonly expected: readonly string[];
  /** Why it is refused, where "found this, expected that" does not say it. */
  readonly reason?: string | undefined;
  readonly limit?: Limit;
}

/** How much of a long line the message shows on either side of the place. */
const CONTEXT = 60;

const KEYWORD = /^[A-Z]+$/;

/**
 * The `FORMDB_SYNTAX` error of a problem. Its fields are `line` and `column` (from 1, the column in
 * characters), `found` and `expected`; its message ends with the line and a caret under the place.
 */
export function syntaxError(problem: SyntaxProblem): FormDBError {
  const { text, found, expected, reason, limit } = problem;
  const at = Math.min(problem.at, text.length);
  const { line, start, end } = lineAt(text, at);
  const column = charactersBetween(text, start, at) + 1;
  const said =
    reason ?? `expected ${list(expected)}, found ${found}${hint(problem) ?? suggestion(found, expected)}`;
  return new FormDBError(
    "FORMDB_SYNTAX",
    `The query can't be read at line ${line}, column ${column}: ${said}\n\n${excerpt(text, start, at, end)}`,
    {
      details: {
        line,
        column,
        found,
        expected: Object.freeze([...expected]),
        ...(limit === undefined ? {} : { limit: nameOf(limit), maximum: maximumOf(limit) }),
      },
    },
  );
}

/** The error for a text with more of something than a limit allows. */
export function limitError(
  text: string,
  at: number,
  what: string,
  limit: Limit,
  found: number | string = "more",
): FormDBError {
  const most = `at most ${maximumOf(limit)}`;
  return syntaxError({
    text,
    at,
    found: String(found),
    expected: [most],
    reason: `${what} must be ${most} (${nameOf(limit)}), found ${found}`,
    limit,
  });
}

const nameOf = (limit: Limit): string => Object.keys(limit)[0]!;

/** The value of a limit. */
export function maximumOf(limit: Limit): number {
  // An array of the values would cost more than reading what the limit is of.
  for (const name in limit) return limit[name]!;
  return Number.POSITIVE_INFINITY;
}

/** A piece of the text as a message quotes it. */
export function quoteSource(text: string, start: number, end: number): string {
  const piece = text.slice(start, end);
  return JSON.stringify(piece.length > 40 ? `${cut(piece, 37)}...` : piece);
}

function lineAt(text: string, at: number): { line: number; start: number; end: number } {
  let line = 1;
  let start = 0;
  for (let i = 0; i < at; i++) {
    const code = text.charCodeAt(i);
    // A carriage return before a line feed is no line end of its own.
    if (code === 0x0a || (code === 0x0d && text.charCodeAt(i + 1) !== 0x0a)) {
      line++;
      start = i + 1;
    }
  }
  let end = start;
  while (end < text.length && text.charCodeAt(end) !== 0x0a && text.charCodeAt(end) !== 0x0d) end++;
  return { line, start, end };
}

function charactersBetween(text: string, start: number, end: number): number {
  let count = 0;
  for (let i = start; i < end; i++) {
    // The second half of a surrogate pair is no character of its own.
    if ((text.charCodeAt(i) & 0xfc00) !== 0xdc00) count++;
  }
  return count;
}

function excerpt(text: string, start: number, at: number, end: number): string {
  const cutFrom = at - start > CONTEXT;
  const from = cutFrom ? at - CONTEXT : start;
  const to = Math.max(at, Math.min(end, at + CONTEXT));
  const before = (cutFrom ? "..." : "") + text.slice(from, at).toWellFormed();
  const after = text.slice(at, to).toWellFormed() + (to < end ? "..." : "");
  // A tab stays a tab, so that the caret stands under its place whatever a tab's width is.
  const indent = before.replace(/[^\t]/gu, " ");
  return `  ${before}${after}\n  ${indent}^`;
}

function list(expected: readonly string[]): string {
  if (expected.length < 2) return expected.join("");
  return `${expected.slice(0, -1).join(", ")} or ${expected.at(-1)}`;
}

/** What SQL has and the language has not, by how the text goes on from the place, and what there is in its stead. */
const OF_SQL: readonly (readonly [pattern: RegExp, hint: string])[] = [
  [
    /^(?:\w{1,64}\s+)?(?:(?:LEFT|RIGHT|INNER|OUTER|FULL|CROSS|NATURAL)\s+)*JOIN\b/i,
    "a query is of one collection; db.sql joins",
  ],
  [/^SELECT\b/i, "a query has no other query in it; db.sql takes such"],
  [/^(?:UNION|INTERSECT|EXCEPT|WITH|CASE|WHEN|OVER|RETURNING)\b/i, "db.sql takes the engine's own SQL"],
  [/^(?:ALTER|TRUNCATE|MERGE|GRANT|VACUUM|ANALYZE|PRAGMA)\b/i, "db.sql takes the engine's own SQL"],
  [/^(?:BEGIN|START|COMMIT|ROLLBACK|SAVEPOINT)\b/i, "db.transaction() runs several statements as one"],
  [/^TABLE\b/i, "collections take the place of tables, and have no columns to declare"],
  [/^(?:SHOW|DESCRIBE)\b/i, "INTROSPECT COLLECTIONS and INTROSPECT INDEXES list what there is"],
  [/^ILIKE\b/i, "LOWER(path) LIKE 'a%' looks past upper and lower case"],
  [/^FOR\s+(?:UPDATE|SHARE|NO|KEY)\b/i, "findOneAndUpdate() gives a document to one caller alone"],
  [/^\([^()]{0,150}\)\s*VALUES\b/i, 'a document is inserted, as in INSERT INTO people {"name": "Ada"}'],
  [/^->/, "a field of a field is written a.b, an element a[0]"],
];

const CONSTANT = /^(?:[-+]?\d|'|(?:NULL|TRUE|FALSE)\b)/i;

function hint({ text, at, expected }: SyntaxProblem): string | undefined {
  const rest = text.slice(at, at + 200);
  const known = OF_SQL.find(([pattern]) => pattern.test(rest))?.[1];
  if (known !== undefined) return `; ${known}`;
  // Where columns begin: SELECT 1, as of a health check.
  if (expected.includes("DISTINCT") && CONSTANT.test(rest)) {
    return "; a column is a path; db.sql takes the engine's own SQL";
  }
  // Behind a path, and not where a value or another path could stand.
  if (!rest.startsWith("(") || expected.some((item) => item.startsWith("a "))) return undefined;
  const called = /([A-Za-z_]\w{0,63})\s{0,20}$/.exec(text.slice(Math.max(0, at - 90), at))?.[1];
  if (/^(?:ANY|SOME)$/i.test(called ?? "")) return "; IN $1 takes an array";
  return called === undefined ? undefined : `; there is no function ${called}; db.sql has the engine's`;
}

function suggestion(found: string, expected: readonly string[]): string {
  const word = /^"([A-Za-z]{1,20})"$/.exec(found)?.[1];
  if (word === undefined) return "";
  const near = nearestName(
    word,
    expected.flatMap((item) => item.split(" ")).filter((item) => KEYWORD.test(item)),
  );
  return near === undefined ? "" : `; did you mean ${near}?`;
}

function cut(text: string, length: number): string {
  return text.slice(0, length).toWellFormed();
}
