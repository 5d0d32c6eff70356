import { MAX_PARAMETERS } from "./limits.ts";
import { limitError, quoteSource, syntaxError } from "./syntax-error.ts";

/** The ways to write a parameter. */
export type ParameterStyle = "$n" | "?" | ":name";

/** Counts a text's parameters and holds it to one way to write them: an array or an object gives their values. */
export class ParameterCounter {
  #style: ParameterStyle | undefined = undefined;
  #count = 0;

  /** Counts the parameter that stands from `start` to `end`; returns how many there were before it. */
  add(style: ParameterStyle, text: string, start: number, end: number): number {
    this.#style ??= style;
    if (this.#style !== style) {
      throw syntaxError({
        text,
        at: start,
        found: quoteSource(text, start, end),
        expected: [this.#style],
        reason: `parameters must all be of one style: ${style} is used together with ${this.#style}`,
      });
    }
    if (this.#count === MAX_PARAMETERS) {
      throw limitError(text, start, "the number of parameters", { MAX_PARAMETERS });
    }
    return this.#count++;
  }
}
