/**
 * The words of the language. A reserved one is always itself and needs back-quotes as a name. The others
 * are names wherever a name can stand: `desc`, `index` and `count` are good names of fields.
 */

/** Where a word is itself, and not a name. */
export type WordClass =
  /** Everywhere, but for after a dot. */
  | "reserved"
  /** After CREATE, DROP, INTROSPECT or UNIQUE. */
  | "object"
  /** After a path. */
  | "direction"
  /** Where a clause can begin, as no name can: after a path, a value or a closing parenthesis. */
  | "clause"
  /** Before an opening parenthesis. */
  | "function";

export interface Word {
  /** In capitals. */
  readonly text: string;
  readonly class: WordClass;
  /** The codes of its letters. */
  readonly codes: Uint8Array;
}

// Literals, not pieces of one text: comparing two strings is cheap only where both are interned.
const CLASSES: Readonly<Record<WordClass, readonly string[]>> = {
  reserved: [
    "SELECT",
    "DISTINCT",
    "FROM",
    "WHERE",
    "GROUP",
    "ORDER",
    "BY",
    "LIMIT",
    "OFFSET",
    "AS",
    "INSERT",
    "INTO",
    "UPDATE",
    "SET",
    "DELETE",
    "CREATE",
    "DROP",
    "ON",
    "EXPLAIN",
    "INTROSPECT",
    "AND",
    "OR",
    "NOT",
    "IN",
    "LIKE",
    "BETWEEN",
    "IS",
    "NULL",
    "TRUE",
    "FALSE",
    "CONTAINS",
  ],
  object: ["COLLECTION", "COLLECTIONS", "INDEX", "INDEXES", "UNIQUE"],
  direction: ["ASC", "DESC"],
  clause: ["HAVING"],
  function: ["COUNT", "SUM", "AVG", "MIN", "MAX", "LOWER", "UPPER"],
};

/** The words by the bits of their first and last letters, which no more than two share. */
const BUCKETS: (Word[] | undefined)[] = new Array<Word[] | undefined>(1024).fill(undefined);

for (const [wordClass, words] of Object.entries(CLASSES) as [WordClass, string[]][]) {
  for (const text of words) {
    const codes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
    const word: Word = Object.freeze({ text, class: wordClass, codes });
    const bucket = bucketOf(text.charCodeAt(0), text.charCodeAt(text.length - 1));
    BUCKETS[bucket] = [...(BUCKETS[bucket] ?? []), word];
  }
}

const BARE_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Whether a name must stand in back-quotes in canonical text. */
export function needsQuotes(name: string): boolean {
  return !BARE_NAME.test(name) || findWord(name, 0, name.length) !== undefined;
}

/** The word that stands in a text from `start` to `end`, in any case; undefined where it is a mere name. */
export function findWord(text: string, start: number, end: number): Word | undefined {
  const bucket = BUCKETS[bucketOf(text.charCodeAt(start), text.charCodeAt(end - 1))];
  if (bucket === undefined) return undefined;
  for (let i = 0; i < bucket.length; i++) {
    const word = bucket[i]!;
    if (word.codes.length === end - start && same(word.codes, text, start)) return word;
  }
  return undefined;
}

function same(codes: Uint8Array, text: string, start: number): boolean {
  for (let i = 0; i < codes.length; i++) {
    // Clearing one bit capitalises a letter, and makes no letter of a digit or an underscore.
    if ((text.charCodeAt(start + i) & 0xdf) !== codes[i]) return false;
  }
  return true;
}

function bucketOf(first: number, last: number): number {
  return ((first & 31) << 5) | (last & 31);
}

/** Whether a word of letters is written in capitals. */
export function isCapitals(text: string, start: number, end: number): boolean {
  let bits = 0;
  for (let i = start; i < end; i++) bits |= text.charCodeAt(i);
  return (bits & 0x20) === 0;
}
