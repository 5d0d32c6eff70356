import { StatementLru } from "../cache/statement-lru.ts";
import { statementName } from "../dialect/statement-name.ts";

/** Texts that are remembered, and the longest one in UTF-16 units. */
const MAX_TEXTS = 1_000;
const MAX_LENGTH = 32_768;
/** PostgreSQL takes the time of such a literal as it parses it: a prepared statement would give that time for ever. */
const TAKES_THE_TIME = /'[^']*\b(?:now\b(?!\s*\()|today\b|tomorrow\b|yesterday\b)/i;
/** Ends prepared statements, or makes a temporary table, which hides another one from those that come after. */
const DROPS_PREPARED =
  /\b(?:discard\s+all|deallocate|(?:create|into)\s+(?:local\s+|global\s+)?temp(?:orary)?)\b/i;

/** Whether a text, wherever in it, ends prepared statements, or gives their names another meaning. */
export function dropsPrepared(text: string): boolean {
  return DROPS_PREPARED.test(text);
}

/**
 * Which statements are worth preparing: those whose text has come before. A text is named by its content, so that
 * every connection knows it by one name. The key is the exact text: to lift literals out of SQL would change what it
 * means (`ORDER BY 1`, `interval '1 day'`), see docs/decisions/0220-exact-texts-are-prepared.md.
 */
export class StatementBook {
  /** Null for a text that is never prepared. */
  readonly #names: StatementLru<{ name: string | null | undefined }> = new StatementLru(MAX_TEXTS);
  /** Statements that each connection keeps. */
  readonly maxPrepared: number;
  /** False until it is known that no pooler stands between, and for good if one does. */
  enabled: boolean = false;
  /** Grows when a table may have changed: what was prepared before knows its parameters by their old types. */
  epoch: number = 0;

  constructor(maxPrepared: number) {
    this.maxPrepared = maxPrepared;
  }

  /** The name to prepare the text under; undefined for one that is new, or not to be prepared at all. */
  nameOf(text: string): string | undefined {
    if (!this.enabled || text.length > MAX_LENGTH) return undefined;
    const known = this.#names.get(text);
    if (known === undefined) {
      this.#names.set(text, { name: undefined });
      return undefined;
    }
    if (known.name === undefined) known.name = isFixed(text) ? statementName(text) : null;
    return known.name ?? undefined;
  }
}

/** Whether a text means the same whenever it is parsed, and leaves the meaning of others alone. */
function isFixed(text: string): boolean {
  return !TAKES_THE_TIME.test(text) && !dropsPrepared(text);
}
