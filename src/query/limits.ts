import { FormDBError } from "../base/errors.ts";

/** The longest text of a query, in UTF-16 units. Large documents are inserted as values, not as text. */
export const MAX_TEXT_LENGTH = 1_048_576;

/** How deep parentheses and `NOT` may nest. */
export const MAX_NESTING_DEPTH = 100;

/** How many comparisons, `LIKE`s and the like one query may hold. */
export const MAX_CONDITIONS = 1_000;

/** The same for HAVING: each of its aggregates costs columns and a long piece of a statement, of which SQLite takes 2 000. */
export const MAX_HAVING_CONDITIONS = 100;

/** How many literals one list after `IN` may hold. An array given as a parameter has no such limit. */
export const MAX_LIST_LENGTH = 100_000;

/** How many documents one INSERT may have: it is one transaction, and an import is many. */
export const MAX_INSERT_DOCUMENTS = 10_000;

/** How many slots and callers' parameters one query may hold, each, and the highest `n` of `$n`. */
export const MAX_PARAMETERS = 10_000;

/** How many names and indexes one path may have. */
export const MAX_PATH_SEGMENTS = 32;

/** The highest index of an array that a path may have: the engines count in 32 bits. */
export const MAX_PATH_INDEX = 2_147_483_647;

/** How many `[*]` one path may have: each looks at all elements of an array for each element of the one before. */
export const MAX_PATH_ARRAYS = 4;

/** The longest name in a path, of a column or of a parameter, in UTF-16 units. */
export const MAX_NAME_LENGTH = 256;

/** How many columns a SELECT may give: each costs several terms of a grouped statement, of which SQLite takes 2 000. */
export const MAX_SELECT_ITEMS = 200;

/** How many paths GROUP BY, and how many ORDER BY, may have. */
export const MAX_SORT_PATHS = 64;

/** How many paths one UPDATE may set. */
export const MAX_ASSIGNMENTS = 500;

/** Operators and parentheses in the values that one UPDATE sets. */
export const MAX_ARITHMETIC = 100;

/** How many paths one index may have: a unique one takes four columns for each, of the 32 that PostgreSQL has. */
export const MAX_INDEX_PATHS = 8;

/** The longest name of an index: PostgreSQL cuts identifiers at 63 bytes. */
export const MAX_INDEX_NAME_LENGTH = 63;

/** The error for a text that is no string or too long to be looked at. */
export function checkText(text: unknown): asserts text is string {
  if (typeof text !== "string") {
    const found = text === null ? "null" : typeof text;
    throw new FormDBError("FORMDB_SYNTAX", `A query must be a string, not ${found}`, {
      details: { line: 1, column: 1, found, expected: ["a string"] },
    });
  }
  if (text.length > MAX_TEXT_LENGTH) {
    throw new FormDBError(
      "FORMDB_SYNTAX",
      `A query's text must have at most ${MAX_TEXT_LENGTH} characters, not ${text.length}; ` +
        "give long values as parameters",
      {
        details: {
          line: 1,
          column: 1,
          found: `${text.length} characters`,
          expected: [`at most ${MAX_TEXT_LENGTH} characters`],
          limit: "MAX_TEXT_LENGTH",
          maximum: MAX_TEXT_LENGTH,
        },
      },
    );
  }
}
