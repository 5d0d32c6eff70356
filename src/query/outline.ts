import { FormDBError } from "../base/errors.ts";
import { TOKEN } from "./token.ts";
import { Tokenizer } from "./tokenizer.ts";

/** What a tool must know of a query before it runs it. */
export interface QueryOutline {
  /** Its first word in upper case, such as `SELECT`; empty if the text does not begin with a keyword. */
  readonly verb: string;
  /** Whether its parameters have names (`:name`), not numbers. */
  readonly hasNames: boolean;
}

/** Looks through a query's tokens. A text that is no query gives an empty outline and no error; running it tells. */
export function outlineOf(text: string): QueryOutline {
  let verb = "";
  try {
    const tokens = new Tokenizer(text);
    let kind = tokens.next();
    if (kind === TOKEN.keyword) verb = tokens.text;
    for (; kind !== TOKEN.end; kind = tokens.next()) {
      if (kind === TOKEN.named) return { verb, hasNames: true };
    }
  } catch (error) {
    if (!(error instanceof FormDBError)) throw error;
  }
  return { verb, hasNames: false };
}
