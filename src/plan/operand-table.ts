import type { JsonValue } from "../base/document.ts";
import { FormDBError } from "../base/errors.ts";
import type { Operand } from "../query/syntax-tree.ts";
import {
  countValue,
  elementValue,
  jsonValue,
  listValue,
  numberValue,
  patternValue,
} from "./operand-values.ts";
import { operandName, type ParameterSignature, resolveOperand } from "./parameters.ts";
import type { Parameters } from "./plan.ts";

/** Gives an operand's value, checked. */
export type Resolve = (values: readonly unknown[], parameters: Parameters) => JsonValue;

/** What an operand is for, which decides what its value may be. */
export type OperandUse = "value" | "number" | "element" | "list" | "pattern" | "count" | "document";

const CHECKS: Readonly<Record<OperandUse, (value: unknown, name: string) => JsonValue>> = Object.freeze({
  value: jsonValue,
  number: numberValue,
  element: elementValue,
  list: listValue,
  pattern: patternValue,
  count: countValue,
  // What is inserted is checked where documents are written.
  document: (value: unknown): JsonValue => value as JsonValue,
});

/** The operands of a statement while it is compiled. Each gets a number; one that occurs again keeps its own. */
export class OperandTable {
  readonly #numbers = new Map<string, number>();
  readonly #resolvers: Resolve[] = [];
  readonly #names = new Set<string>();
  #positions = 0;

  /** The number of an operand in this use. */
  add(operand: Operand, use: OperandUse): number {
    const key = `${use} ${JSON.stringify(operand)}`;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.derive(this.resolver(operand, use));
    this.#numbers.set(key, number);
    return number;
  }

  /** The number of a value that is made from others. */
  derive(resolve: Resolve): number {
    return this.#resolvers.push(resolve) - 1;
  }

  /** How to get at an operand's value, which need not become one of the statement's own. */
  resolver(operand: Operand, use: OperandUse): Resolve {
    this.#note(operand);
    const check = CHECKS[use];
    const name = operandName(operand);
    switch (operand.type) {
      case "literal": {
        const value = check(operand.value, name);
        return () => value;
      }
      case "slot": {
        // Literals were checked when the text was read, but for what is new in this place.
        const { index } = operand;
        if (use === "value" || use === "element" || use === "list")
          return (values) => values[index] as JsonValue;
        return (values) => check(values[index], name);
      }
      default:
        return (values, parameters) => check(resolveOperand(operand, values, parameters), name);
    }
  }

  get resolvers(): readonly Resolve[] {
    return this.#resolvers;
  }

  get signature(): ParameterSignature {
    return Object.freeze({ positions: this.#positions, names: this.#names });
  }

  #note(operand: Operand): void {
    if (operand.type === "parameter") this.#positions = Math.max(this.#positions, operand.index + 1);
    if (operand.type === "named") this.#names.add(operand.name);
    if (this.#positions > 0 && this.#names.size > 0) {
      throw new FormDBError(
        "FORMDB_SYNTAX",
        `A query must have its parameters either by position or by name, not $${this.#positions} and ` +
          `:${[...this.#names][0]} in one`,
      );
    }
  }
}
