import { Cursor, isDigit, isLetter } from "./cursor.ts";
import { readJson } from "./json.ts";
import { MAX_PARAMETERS, MAX_PATH_INDEX } from "./limits.ts";
import { readDigits, readNumber } from "./numbers.ts";
import { ParameterCounter, type ParameterStyle } from "./parameter-counter.ts";
import { quoteSource, syntaxError } from "./syntax-error.ts";
import { TOKEN, type TokenKind } from "./token.ts";
import { findWord, isCapitals, needsQuotes, type Word } from "./words.ts";

/**
 * The one tokenizer of the language. It is its own current token: `next` moves to the following one, and its
 * fields say what that is, so that a text costs no object for each token.
 */
export class Tokenizer extends Cursor {
  kind: TokenKind = TOKEN.end;
  /** Of a keyword, a function or a symbol its canonical spelling; of a name `name` has it. */
  text = "";
  /** Of a literal. */
  value: unknown = undefined;
  /** Of an index, a slot or a parameter, from 0; -1 for `[*]`. */
  index = 0;
  /** Where the token starts; it ends at `position`. */
  start = 0;
  /** Whether the source spells the token as `spelling` does. */
  verbatim = true;
  #afterIs = false;
  #parameters: ParameterCounter | undefined = undefined;

  /** Moves to the next token. Throws `FORMDB_SYNTAX` where the text holds none. */
  next(): TokenKind {
    const text = this.source;
    const before = this.kind;
    const beforeText = this.text;
    const afterIs = this.#afterIs;
    this.#afterIs = false;
    const code = this.skipTrivia();
    const start = this.position;
    this.start = start;
    this.verbatim = true;
    if (code === -1) return this.#become(TOKEN.end, "");
    if (isLetter(code)) return this.#readWord(before, beforeText, afterIs);
    if (isDigit(code) || (code === 0x2d && !this.#isMinus(before, beforeText)))
      return this.#becomeLiteral(readNumber(this));
    switch (code) {
      case 0x22: // "
      case 0x27: // '
        return this.#becomeLiteral(this.readQuoted("the string"));
      case 0x60: // `
        return this.#readQuotedName();
      case 0x28: // (
        return this.#symbol("(", 1);
      case 0x29:
        return this.#symbol(")", 1);
      case 0x2a:
        return this.#symbol("*", 1);
      case 0x2b:
        return this.#symbol("+", 1);
      case 0x2c:
        return this.#symbol(",", 1);
      case 0x2d:
        return this.#symbol("-", 1);
      case 0x2f:
        return this.#symbol("/", 1);
      case 0x2e:
        return this.#symbol(".", 1);
      case 0x3d:
        return this.#symbol("=", 1);
      case 0x3c: // <
        return this.#readLess();
      case 0x3e: // >
        return text.charCodeAt(start + 1) === 0x3d ? this.#symbol(">=", 2) : this.#symbol(">", 1);
      case 0x21: // !
        if (text.charCodeAt(start + 1) === 0x3d) return this.#symbol("!=", 2);
        break;
      case 0x5b: // [
        if (before === TOKEN.name || before === TOKEN.index) return this.#readIndex();
        return this.#becomeLiteral(readJson(this));
      case 0x7b: // {
        return this.#becomeLiteral(readJson(this));
      case 0x24: // $
        return this.#readPosition();
      case 0x3f: // ?
        return this.#readQuestionMark();
      case 0x3a: // :
        return this.#readNamed();
      case 0x23: // #
        if (isDigit(text.charCodeAt(start + 1))) return this.#readSlot();
        break;
      case 0x3b: // ;
        return this.#readEnd();
    }
    throw this.#unexpected();
  }

  /** The code of the character that the next token starts with; -1 at the end. */
  peek(): number {
    const { position } = this;
    const code = this.skipTrivia();
    this.position = position;
    return code;
  }

  /** A name's text, without its quotes. */
  get name(): string {
    return this.text === "" ? this.source.slice(this.start, this.position) : this.text;
  }

  /** The token as a shape's key spells it. */
  get spelling(): string {
    switch (this.kind) {
      case TOKEN.name: {
        const name = this.name;
        return needsQuotes(name) ? `\`${name.replaceAll("`", "``")}\`` : name;
      }
      case TOKEN.index:
        return this.index < 0 ? "[*]" : `[${this.index}]`;
      case TOKEN.slot:
        return `#${this.index}`;
      case TOKEN.parameter:
        return `$${this.index + 1}`;
      case TOKEN.named:
        return `:${this.text}`;
      default:
        return this.text;
    }
  }

  /** The token as an error says what was found. */
  get found(): string {
    if (this.start >= this.source.length) return "the end of the text";
    return quoteSource(this.source, this.start, this.position);
  }

  #become(kind: TokenKind, text: string): TokenKind {
    this.kind = kind;
    this.text = text;
    return kind;
  }

  #becomeLiteral(value: unknown): TokenKind {
    this.value = value;
    return this.#become(TOKEN.literal, "");
  }

  #symbol(text: string, length: number): TokenKind {
    this.position += length;
    return this.#become(TOKEN.symbol, text);
  }

  #readWord(before: TokenKind, beforeText: string, afterIs: boolean): TokenKind {
    const { start } = this;
    this.skipName();
    const word = findWord(this.source, start, this.position);
    if (word === undefined) return this.#become(TOKEN.name, "");
    if (!this.#isItself(word, before, beforeText)) {
      this.verbatim = false;
      return this.#become(TOKEN.name, "");
    }
    const { text } = word;
    if (word.class === "function") {
      this.verbatim = isCapitals(this.source, start, this.position);
      return this.#become(TOKEN.function, text);
    }
    // A lifted NULL would change the meaning in one place only, `IS [NOT] NULL`.
    if (text === "TRUE") return this.#becomeLiteral(true);
    if (text === "FALSE") return this.#becomeLiteral(false);
    if (text === "NULL" && !afterIs) return this.#becomeLiteral(null);
    this.#afterIs = text === "IS" || (afterIs && text === "NOT");
    this.verbatim = isCapitals(this.source, start, this.position);
    return this.#become(TOKEN.keyword, text);
  }

  /** Whether a word stands for itself here; else it is a name. */
  #isItself(word: Word, before: TokenKind, beforeText: string): boolean {
    if (before === TOKEN.symbol && beforeText === ".") return false;
    switch (word.class) {
      case "reserved":
        return true;
      case "object":
        return (
          before === TOKEN.keyword &&
          (beforeText === "CREATE" ||
            beforeText === "DROP" ||
            beforeText === "INTROSPECT" ||
            beforeText === "UNIQUE")
        );
      case "direction":
        return (
          before === TOKEN.name || before === TOKEN.index || (before === TOKEN.symbol && beforeText === ")")
        );
      case "clause":
        return endsPart(before, beforeText);
      case "function":
        // `ON count (path)` names a collection.
        return !(before === TOKEN.keyword && beforeText === "ON") && this.peek() === 0x28;
    }
  }

  /** Whether a minus takes something away from what stands before it; else a number begins with it. */
  #isMinus(before: TokenKind, beforeText: string): boolean {
    if (before === TOKEN.symbol) return beforeText === ")";
    return before !== TOKEN.end && before !== TOKEN.keyword;
  }

  #readQuotedName(): TokenKind {
    const name = this.readQuotedName();
    this.verbatim = needsQuotes(name);
    return this.#become(TOKEN.name, name);
  }

  #readLess(): TokenKind {
    const next = this.source.charCodeAt(this.start + 1);
    if (next === 0x3d) return this.#symbol("<=", 2);
    if (next !== 0x3e) return this.#symbol("<", 1);
    this.verbatim = false;
    return this.#symbol("!=", 2);
  }

  #readIndex(): TokenKind {
    const { start } = this;
    this.position++;
    this.skipTrivia();
    const digits = this.position;
    let index = -1;
    if (this.source.charCodeAt(digits) === 0x2a) this.position++;
    else index = readDigits(this, "the index of an array", "MAX_PATH_INDEX", MAX_PATH_INDEX);
    const length = this.position - digits;
    this.skipTrivia();
    if (this.source.charCodeAt(this.position) !== 0x5d) throw this.#unexpected(['"]"']);
    this.position++;
    this.index = index;
    this.verbatim = this.position - start === length + 2;
    return this.#become(TOKEN.index, "");
  }

  #readSlot(): TokenKind {
    this.position++;
    this.index = readDigits(this, "the number of a slot", "MAX_PARAMETERS", MAX_PARAMETERS - 1);
    return this.#become(TOKEN.slot, "");
  }

  #readPosition(): TokenKind {
    this.position++;
    const at = this.position;
    const number = readDigits(this, "the number of a parameter", "MAX_PARAMETERS", MAX_PARAMETERS);
    if (number === 0) {
      const reason = 'parameters count from $1, found "$0"';
      throw syntaxError({ text: this.source, at, found: '"$0"', expected: ["$1"], reason });
    }
    this.#countParameter("$n");
    this.index = number - 1;
    return this.#become(TOKEN.parameter, "");
  }

  #readQuestionMark(): TokenKind {
    this.position++;
    this.index = this.#countParameter("?");
    this.verbatim = false;
    return this.#become(TOKEN.parameter, "");
  }

  #readNamed(): TokenKind {
    this.position++;
    const start = this.position;
    if (!isLetter(this.source.charCodeAt(start))) throw this.#unexpected(["a parameter's name"]);
    this.skipName();
    this.#countParameter(":name");
    return this.#become(TOKEN.named, this.source.slice(start, this.position));
  }

  /** The optional semicolon: nothing may follow it. */
  #readEnd(): TokenKind {
    this.position++;
    const end = this.position;
    this.skipTrivia();
    if (this.position < this.source.length) throw this.#unexpected(["the end of the text"]);
    this.position = end;
    return this.#become(TOKEN.end, "");
  }

  #countParameter(style: ParameterStyle): number {
    this.#parameters ??= new ParameterCounter();
    return this.#parameters.add(style, this.source, this.start, this.position);
  }

  #unexpected(expected: readonly string[] = ["a word, a value or an operator"]): Error {
    const found = this.describe();
    const hint =
      this.source.charCodeAt(this.position) > 127
        ? `expected ${expected.join(" or ")}, found ${found}; names of other characters than letters, digits and ` +
          "underscores stand in back-quotes"
        : undefined;
    return syntaxError({ text: this.source, at: this.position, found, expected, reason: hint });
  }
}

/** Whether a token is the last of a path, a value or a condition: no name can follow it. */
function endsPart(kind: TokenKind, text: string): boolean {
  switch (kind) {
    case TOKEN.symbol:
      return text === ")";
    case TOKEN.keyword:
      return text === "NULL";
    case TOKEN.function:
    case TOKEN.end:
      return false;
    default:
      return true;
  }
}
