import { TOKEN, type TokenKind } from "./token.ts";
import { Tokenizer } from "./tokenizer.ts";

/** The tokens of a shape's key: it has slots, numbered from 0 in their order, where a user's text has literals. */
export class KeyTokenizer extends Tokenizer {
  #slots = 0;

  override next(): TokenKind {
    const kind = super.next();
    if (kind === TOKEN.literal || (kind === TOKEN.slot && this.index !== this.#slots++)) {
      const expected = `#${kind === TOKEN.slot ? this.#slots - 1 : this.#slots}`;
      throw this.refuse(
        this.start,
        this.found,
        `a shape's key must have the slot ${expected} here, found ${this.found}`,
        expected,
      );
    }
    return kind;
  }
}
