import { MAX_ARITHMETIC } from "./limits.ts";
import type { ArithmeticOperator, Computation } from "./syntax-tree.ts";
import type { TokenReader } from "./token-reader.ts";

/**
 * Reads what an UPDATE sets: values, paths, and arithmetic on them. `*` and `/` bind tighter than `+` and `-`; operators
 * of one kind go from left to right. One statement may have `MAX_ARITHMETIC` operators and parentheses.
 */
export class ComputationParser {
  readonly #reader: TokenReader;
  #count = 0;

  constructor(reader: TokenReader) {
    this.#reader = reader;
  }

  computation(): Computation {
    return this.#chain(["+", "-"], () => this.#chain(["*", "/"], () => this.#atom()));
  }

  #chain(operators: readonly ArithmeticOperator[], read: () => Computation): Computation {
    let left = read();
    for (;;) {
      const { at } = this.#reader;
      const operator = operators.find((each) => this.#reader.symbol(each));
      if (operator === undefined) return left;
      this.#countAt(at);
      left = Object.freeze({ type: "arithmetic", operator, left, right: read() });
    }
  }

  #atom(): Computation {
    const reader = this.#reader;
    const { at } = reader;
    if (reader.symbol("(")) {
      this.#countAt(at);
      const inner = this.computation();
      reader.expectSymbol(")");
      return inner;
    }
    return reader.operand() ?? Object.freeze({ type: "path", path: reader.path() });
  }

  #countAt(at: number): void {
    if (++this.#count > MAX_ARITHMETIC) {
      this.#reader.exceeds(at, "the number of operators and parentheses", { MAX_ARITHMETIC });
    }
  }
}
