import { checkText, MAX_NAME_LENGTH } from "./limits.ts";
import { limitError, quoteSource, syntaxError } from "./syntax-error.ts";

const LETTER = 1;
const DIGIT = 2;
const SPACE = 4;

/** What an ASCII character is; letters include the underscore. */
const CLASS: Uint8Array = new Uint8Array(128);
for (let code = 0; code < 128; code++) {
  const character = String.fromCharCode(code);
  if (/[A-Za-z_]/.test(character)) CLASS[code] = LETTER;
  else if (/[0-9]/.test(character)) CLASS[code] = DIGIT;
  else if (/[ \t\r\n\f]/.test(character)) CLASS[code] = SPACE;
}

export function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/** A letter or an underscore: what a name without quotes starts with. */
export function isLetter(code: number): boolean {
  return code < 128 && CLASS[code] === LETTER;
}

/** What a name without quotes consists of. */
export function isNamePart(code: number): boolean {
  return code < 128 && (CLASS[code]! & (LETTER | DIGIT)) !== 0;
}

/** A text and a place in it, moved forward by whoever reads a piece of the text. */
export class Cursor {
  readonly source: string;
  /** In UTF-16 units from 0. */
  position = 0;

  /** `source` has passed `checkSource`. */
  constructor(source: string) {
    this.source = source;
  }

  /** Moves behind whitespace and comments; returns the code of the character there, -1 at the end. */
  skipTrivia(): number {
    const text = this.source;
    const { length } = text;
    for (let i = this.position; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code === 0x20 || (code < 128 && CLASS[code] === SPACE)) continue;
      if (code === 0x2d && text.charCodeAt(i + 1) === 0x2d) {
        i = endOfLine(text, i);
      } else if (code === 0x2f && text.charCodeAt(i + 1) === 0x2a) {
        i = this.#endOfComment(i);
      } else {
        this.position = i;
        return code;
      }
    }
    this.position = length;
    return -1;
  }

  /** Moves behind the letters, digits and underscores that stand here. */
  skipName(): void {
    const text = this.source;
    const { length } = text;
    const start = this.position;
    let i = start;
    while (i < length && isNamePart(text.charCodeAt(i))) i++;
    this.position = i;
    if (i - start > MAX_NAME_LENGTH) this.#nameTooLong(start, i - start);
  }

  /**
   * Reads a quoted piece that starts here and in which the quote is written twice to stand for itself. A backslash
   * is a character like any other.
   */
  readQuoted(what: string): string {
    const text = this.source;
    const start = this.position;
    const quote = text.charCodeAt(start);
    const { length } = text;
    let doubled = false;
    for (let i = start + 1; i < length; i++) {
      if (text.charCodeAt(i) !== quote) continue;
      if (text.charCodeAt(i + 1) === quote) {
        doubled = true;
        i++;
        continue;
      }
      this.position = i + 1;
      const inner = text.slice(start + 1, i);
      if (!doubled) return inner;
      const character = String.fromCharCode(quote);
      return inner.replaceAll(character + character, character);
    }
    const end = String.fromCharCode(quote);
    const reason = `${what} that starts here has no closing ${end}`;
    throw this.refuse(start, `${what} without its end`, reason, JSON.stringify(end));
  }

  /** Reads a name in back-quotes. */
  readQuotedName(): string {
    const start = this.position;
    const name = this.readQuoted("the name");
    if (name.length > MAX_NAME_LENGTH) this.#nameTooLong(start, name.length);
    if (name === "") {
      throw this.refuse(start, "an empty name", "a name must not be empty", "a name");
    }
    return name;
  }

  /** What stands at the place, as a message says it. */
  describe(): string {
    const text = this.source;
    const start = this.position;
    if (start >= text.length) return "the end of the text";
    let end = start;
    while (end < text.length && isNamePart(text.charCodeAt(end))) end++;
    return quoteSource(
      text,
      start,
      end === start ? start + String.fromCodePoint(text.codePointAt(start)!).length : end,
    );
  }

  /** The error for what can be read but means nothing, or can't be read for a reason. */
  refuse(at: number, found: string, reason: string, expected: string): Error {
    return syntaxError({ text: this.source, at, found, expected: [expected], reason });
  }

  #endOfComment(start: number): number {
    const end = this.source.indexOf("*/", start + 2);
    if (end !== -1) return end + 1;
    const reason = 'the comment that starts here has no "*/"';
    throw this.refuse(start, "a comment without its end", reason, '"*/"');
  }

  #nameTooLong(at: number, length: number): never {
    throw limitError(this.source, at, "the length of a name", { MAX_NAME_LENGTH }, length);
  }
}

/** Refuses what no query's text can be: no string, one that is too long, one with U+0000 or a lone surrogate. */
export function checkSource(source: unknown): string {
  checkText(source);
  const refuse = (at: number, found: string, reason: string, expected: string): Error =>
    new Cursor(source).refuse(at, found, reason, expected);
  const zero = source.indexOf("\0");
  if (zero !== -1) {
    const reason = "a query must not hold U+0000, which PostgreSQL can't";
    throw refuse(zero, "U+0000", reason, "text without U+0000");
  }
  if (source.isWellFormed()) return source;
  const reason = "a query must be well-formed Unicode, without lone surrogates";
  throw refuse(loneSurrogateIn(source), "a lone surrogate", reason, "well-formed Unicode");
}

function loneSurrogateIn(text: string): number {
  for (let i = 0; i < text.length; i++) {
    const code = text.codePointAt(i)!;
    if (code >= 0xd800 && code <= 0xdfff) return i;
    if (code > 0xffff) i++;
  }
  return text.length;
}

function endOfLine(text: string, from: number): number {
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x0a || code === 0x0d) return i;
  }
  return text.length;
}
