import { checkCollectionName } from "../base/collection-name.ts";
import { messageOf } from "../base/errors.ts";
import { isPlace, pathText } from "../base/subject.ts";
import { MAX_PATH_ARRAYS, MAX_PATH_SEGMENTS } from "./limits.ts";
import { type Limit, limitError, maximumOf, syntaxError } from "./syntax-error.ts";
import type { Operand, Path, WidePath } from "./syntax-tree.ts";
import { TOKEN } from "./token.ts";
import type { Tokenizer } from "./tokenizer.ts";

/**
 * What the parsers look at the tokens through. It remembers what was asked for in vain at the current token, so
 * that an error can list all that would have been accepted there.
 */
export class TokenReader {
  readonly tokens: Tokenizer;
  readonly #expected = new Set<string>();

  constructor(tokens: Tokenizer) {
    this.tokens = tokens;
    tokens.next();
  }

  /** Where the current token starts. */
  get at(): number {
    return this.tokens.start;
  }

  advance(): void {
    this.#expected.clear();
    this.tokens.next();
  }

  /** Takes the keyword if it is the current token; an error calls it `label`. */
  keyword(text: string, label: string = text): boolean {
    return this.#take(this.tokens.kind === TOKEN.keyword && this.tokens.text === text, label);
  }

  /** Takes the symbol if it is the current token. */
  symbol(text: string): boolean {
    return this.#take(this.isSymbol(text), `"${text}"`);
  }

  isSymbol(text: string): boolean {
    return this.tokens.kind === TOKEN.symbol && this.tokens.text === text;
  }

  expectKeyword(text: string): void {
    if (!this.keyword(text)) this.fail();
  }

  expectSymbol(text: string): void {
    if (!this.symbol(text)) this.fail();
  }

  expectEnd(): void {
    if (this.tokens.kind !== TOKEN.end) this.fail("the end of the text");
  }

  /** Takes a name; `what` says of what. */
  name(what: string): string {
    if (this.tokens.kind !== TOKEN.name) this.fail(what);
    const { name } = this.tokens;
    this.advance();
    return name;
  }

  collection(): string {
    const { at } = this;
    const { found } = this.tokens;
    const name = this.name("a collection's name");
    try {
      return checkCollectionName(name);
    } catch (cause) {
      throw this.refuse(at, found, messageOf(cause).replace(/^A/, "a"), "a collection's name");
    }
  }

  /** Takes a path to one place. */
  path(): Path {
    const { at } = this;
    const path = this.widePath();
    if (isPlace(path)) return path;
    const found = JSON.stringify(pathText(path));
    throw this.refuse(
      at,
      found,
      `a path with [*] can stand in WHERE, to be compared with values, and in an index, found ${found}`,
      "a path without [*]",
    );
  }

  /** Takes a path that may have `[*]` in it. */
  widePath(): WidePath {
    const { at } = this;
    const path: (string | number | null)[] = [this.name("a path")];
    let arrays = 0;
    for (;;) {
      if (this.isSymbol(".")) {
        this.advance();
        path.push(this.name("a name"));
      } else if (this.tokens.kind === TOKEN.index) {
        const { index } = this.tokens;
        if (index < 0 && ++arrays > MAX_PATH_ARRAYS) {
          this.exceeds(this.at, "the number of [*] in a path", { MAX_PATH_ARRAYS });
        }
        path.push(index < 0 ? null : index);
        this.advance();
      } else {
        return Object.freeze(path);
      }
      if (path.length > MAX_PATH_SEGMENTS) {
        this.exceeds(at, "the number of a path's segments", { MAX_PATH_SEGMENTS });
      }
    }
  }

  /** One or more of something, with commas between. */
  list<T>(what: string, limit: Limit, read: () => T): readonly T[] {
    const maximum = maximumOf(limit);
    const items: T[] = [];
    do {
      if (items.length === maximum) this.exceeds(this.at, what, limit);
      items.push(read());
    } while (this.symbol(","));
    return Object.freeze(items);
  }

  /** Takes a slot or a parameter if one is the current token. */
  operand(): Operand | undefined {
    const { tokens } = this;
    let operand: Operand;
    switch (tokens.kind) {
      case TOKEN.slot:
        operand = { type: "slot", index: tokens.index };
        break;
      case TOKEN.parameter:
        operand = { type: "parameter", index: tokens.index };
        break;
      case TOKEN.named:
        operand = { type: "named", name: tokens.text };
        break;
      default:
        this.#expected.add("a value");
        return undefined;
    }
    this.advance();
    return Object.freeze(operand);
  }

  expectOperand(): Operand {
    return this.operand() ?? this.fail();
  }

  /** Refuses the current token. */
  fail(...expected: readonly string[]): never {
    for (const item of expected) this.#expected.add(item);
    const { source, start, found } = this.tokens;
    throw syntaxError({ text: source, at: start, found, expected: [...this.#expected] });
  }

  /** The error for something that can be read but means nothing. */
  refuse(at: number, found: string, reason: string, expected: string): Error {
    return this.tokens.refuse(at, found, reason, expected);
  }

  exceeds(at: number, what: string, limit: Limit): never {
    throw limitError(this.tokens.source, at, what, limit);
  }

  #take(found: boolean, expected: string): boolean {
    if (found) this.advance();
    else this.#expected.add(expected);
    return found;
  }
}
