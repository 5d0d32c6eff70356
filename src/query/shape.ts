import { checkSource } from "./cursor.ts";
import { LiftingTokenizer } from "./lifting-tokenizer.ts";
import { TOKEN, type TokenKind } from "./token.ts";

/** A query's text with its literals taken out. */
export interface ShapedText {
  /**
   * The canonical text: `SELECT name FROM users WHERE age > #0`. A literal of the text is a slot, `#n`, which
   * no user's text can hold; `?` is spelled `$n`. It can be parsed again by `parseShape`.
   */
  readonly key: string;
  /**
   * The lifted literals, by slot. The slot of `IN (1, 2, 3)` is one array; of `INSERT INTO c {…}`, the object, and an array
   * of several.
   */
  readonly values: readonly unknown[];
}

/** How the first slots are spelled: making these short strings anew costs as much as reading the literal. */
const SLOTS: readonly string[] = Array.from({ length: 64 }, (_, index) => `#${index}`);

/**
 * The shape of a query's text: one pass over its tokens. Two texts have one key only if they parse to one tree,
 * or neither parses. Throws `FORMDB_SYNTAX` for what is no sequence of tokens; it looks at no more grammar than that,
 * so a key is known to be a query only once it was parsed.
 */
export function shapeOf(text: string): ShapedText {
  const tokens = new LiftingTokenizer(checkSource(text));
  const { source } = tokens;
  let key = "";
  // What is spelled canonically already is copied as one run, from `runStart` to `runEnd`, not token by token.
  let runStart = 0;
  let runEnd = 0;
  let before: TokenKind = TOKEN.end;
  let beforeText = "";
  while (tokens.next() !== TOKEN.end) {
    const { start, kind, text: tokenText } = tokens;
    const spaced = isSpaced(before, beforeText, kind, tokenText);
    // Where the source goes on as the canonical text does, up to the token.
    const inPlace = spaced ? start - runEnd === 1 && source.charCodeAt(runEnd) === 0x20 : start === runEnd;
    if (!inPlace) {
      key += spaced ? `${source.slice(runStart, runEnd)} ` : source.slice(runStart, runEnd);
      runStart = start;
    }
    runEnd = tokens.position;
    if (!tokens.verbatim) {
      key += source.slice(runStart, start) + spell(tokens);
      runStart = runEnd;
    }
    before = kind;
    beforeText = tokenText;
  }
  return { key: key + source.slice(runStart, runEnd), values: tokens.values };
}

/** Whether the canonical text has a space between two tokens. */
function isSpaced(before: TokenKind, beforeText: string, kind: TokenKind, text: string): boolean {
  if (before === TOKEN.end || kind === TOKEN.index) return false;
  if (before === TOKEN.symbol && (beforeText === "(" || beforeText === ".")) return false;
  if (kind !== TOKEN.symbol) return true;
  return !(text === ")" || text === "," || text === "." || (text === "(" && before === TOKEN.function));
}

function spell(tokens: LiftingTokenizer): string {
  if (tokens.kind === TOKEN.slot && tokens.index < SLOTS.length) return SLOTS[tokens.index]!;
  return tokens.spelling;
}
