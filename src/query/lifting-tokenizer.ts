import { MAX_INSERT_DOCUMENTS, MAX_LIST_LENGTH, MAX_PARAMETERS } from "./limits.ts";
import { limitError } from "./syntax-error.ts";
import { TOKEN, type TokenKind } from "./token.ts";
import { Tokenizer } from "./tokenizer.ts";

const COMMA = 0x2c;
const OPENING_BRACE = 0x7b;

/**
 * The tokens of a user's text with each literal, and each list of literals after `IN` and of an INSERT, replaced by a slot. Both
 * the shape and the parser read a text through it, so that they can't lift differently.
 */
export class LiftingTokenizer extends Tokenizer {
  /** What was lifted so far, by slot. */
  readonly values: unknown[] = [];
  #afterInto = false;
  /** Whether the documents of an INSERT may come, of which none was read yet. */
  #beforeDocuments = false;

  override next(): TokenKind {
    const keyword = this.kind === TOKEN.keyword ? this.text : "";
    const kind = super.next();
    switch (kind) {
      case TOKEN.literal:
        this.#check(keyword, this.value);
        return this.#beforeDocuments ? this.#liftDocuments() : this.#lift(this.value);
      case TOKEN.symbol:
        return keyword === "IN" && this.text === "(" ? this.#liftList() : kind;
      case TOKEN.keyword:
        this.#afterInto = this.text === "INTO";
        this.#beforeDocuments = this.#afterInto;
        return kind;
      case TOKEN.parameter:
      case TOKEN.named:
        this.#beforeDocuments = false;
        return kind;
      case TOKEN.slot:
        throw this.#refuse("a value", "a slot can't stand in a query");
      default:
        return kind;
    }
  }

  #lift(value: unknown): TokenKind {
    if (this.values.length === MAX_PARAMETERS) {
      throw limitError(this.source, this.start, "the number of literals", { MAX_PARAMETERS });
    }
    this.index = this.values.push(value) - 1;
    this.verbatim = false;
    this.kind = TOKEN.slot;
    return TOKEN.slot;
  }

  /** Behind `IN (`: lifts the list when it holds literals only; else goes back, and its elements come singly. */
  #liftList(): TokenKind {
    const { start, position } = this;
    const elements = this.#readElements();
    this.start = start;
    if (elements !== undefined) return this.#lift(elements);
    this.position = position;
    this.verbatim = true;
    this.kind = TOKEN.symbol;
    this.text = "(";
    return TOKEN.symbol;
  }

  /** Lifts all documents of an INSERT as one list when they are literals; else each comes singly. */
  #liftDocuments(): TokenKind {
    this.#beforeDocuments = false;
    const { start, position, value } = this;
    const documents = this.#readDocuments();
    this.start = start;
    if (documents.length > 1 && this.peek() !== COMMA) return this.#lift(documents);
    this.position = position;
    return this.#lift(value);
  }

  /** Up to what is no literal. */
  #readDocuments(): readonly unknown[] {
    const documents = [this.value];
    while (this.peek() === COMMA) {
      const { position } = this;
      super.next();
      if (this.peek() !== OPENING_BRACE) {
        this.position = position;
        break;
      }
      super.next();
      if (documents.push(this.value) > MAX_INSERT_DOCUMENTS) {
        throw limitError(this.source, this.start, "the number of documents", { MAX_INSERT_DOCUMENTS });
      }
    }
    return documents;
  }

  #readElements(): unknown[] | undefined {
    const elements: unknown[] = [];
    if (this.peek() === 0x29) {
      super.next();
      return elements;
    }
    for (;;) {
      // Reading a parameter counts it, which could not be taken back.
      const code = this.peek();
      if (code === 0x24 || code === 0x3a || code === 0x3f || super.next() !== TOKEN.literal) return undefined;
      if (elements.push(this.value) > MAX_LIST_LENGTH) {
        throw limitError(this.source, this.start, "the length of a list", { MAX_LIST_LENGTH });
      }
      if (super.next() !== TOKEN.symbol) return undefined;
      if (this.text === ")") return elements;
      if (this.text !== ",") return undefined;
    }
  }

  /** What a literal must be depends on where it stands; a cached plan for the shape could not tell any more. */
  #check(keyword: string, value: unknown): void {
    switch (keyword) {
      case "LIMIT":
      case "OFFSET":
        if (Number.isSafeInteger(value) && (value as number) >= 0) return;
        throw this.#refuse("a whole number of at least 0", `${keyword} must be a whole number of at least 0`);
      case "IN":
        if (Array.isArray(value)) return;
        throw this.#refuse("a list", "IN needs a list in parentheses or a parameter that is an array");
      case "LIKE":
        if (typeof value === "string" || value === null) return;
        throw this.#refuse("a string", "the pattern of LIKE must be a string");
      default:
        if (!this.#afterInto || isObject(value)) return;
        throw this.#refuse(
          "a JSON object",
          'what is inserted must be a JSON object, as in INSERT INTO people {"name": "Ada"}',
        );
    }
  }

  #refuse(expected: string, reason: string): Error {
    const { start, found } = this;
    return this.refuse(start, found, `${reason}, found ${found}`, expected);
  }
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
