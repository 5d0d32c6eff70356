import { MAX_CONDITIONS, MAX_NESTING_DEPTH, MAX_PARAMETERS } from "./limits.ts";
import type { ElementField } from "./subject-parser.ts";
import { type Limit, maximumOf } from "./syntax-error.ts";
import type { ComparisonOperator, Expression, InList, Subject, Term } from "./syntax-tree.ts";
import type { TokenReader } from "./token-reader.ts";

const COMPARISONS: readonly ComparisonOperator[] = ["=", "!=", "<", "<=", ">", ">="];

/**
 * Reads the expression of a `WHERE` or a `HAVING`, by recursive descent. Chains of `AND` and `OR` are read in a loop and
 * give one flat node; parentheses and `NOT` recurse, and may do so `MAX_NESTING_DEPTH` times.
 */
export class ExpressionParser {
  readonly #reader: TokenReader;
  /** Reads what a condition is about. */
  readonly #subject: () => Subject | ElementField;
  /** How many conditions the expression may have. */
  readonly #limit: Limit;
  #depth = 0;
  #conditions = 0;

  constructor(reader: TokenReader, subject: () => Subject | ElementField, limit: Limit = { MAX_CONDITIONS }) {
    this.#reader = reader;
    this.#subject = subject;
    this.#limit = limit;
  }

  expression(): Expression {
    return this.#chain("or", "OR", () => this.#chain("and", "AND", () => this.#factor()));
  }

  #chain(type: "and" | "or", keyword: string, read: () => Expression): Expression {
    const first = read();
    if (!this.#reader.keyword(keyword)) return first;
    const operands = [first];
    do operands.push(read());
    while (this.#reader.keyword(keyword));
    return Object.freeze({ type, operands: Object.freeze(operands) });
  }

  #factor(): Expression {
    const reader = this.#reader;
    const { at } = reader;
    if (reader.keyword("NOT")) {
      return this.#nested(at, () => Object.freeze({ type: "not", operand: this.#factor() }));
    }
    if (reader.symbol("(")) {
      return this.#nested(at, () => {
        const inner = this.expression();
        reader.expectSymbol(")");
        return inner;
      });
    }
    if (++this.#conditions > maximumOf(this.#limit)) {
      reader.exceeds(at, "the number of conditions", this.#limit);
    }
    return this.#condition();
  }

  #nested(at: number, read: () => Expression): Expression {
    if (++this.#depth > MAX_NESTING_DEPTH) {
      this.#reader.exceeds(at, "the depth of parentheses and NOTs", { MAX_NESTING_DEPTH });
    }
    const expression = read();
    this.#depth--;
    return expression;
  }

  #condition(): Expression {
    const reader = this.#reader;
    const operand = reader.operand();
    if (operand !== undefined) {
      const operator = this.#comparison() ?? reader.fail();
      return ofElement(this.#subject(), (subject) => this.#compare(operator, operand, subject));
    }
    const read = this.#subject();
    return ofElement(read, (subject) => this.#about(subject, read.type === "element"));
  }

  /** Reads what is asked of a subject. An element's is compared with values only. */
  #about(subject: Subject, isElement: boolean): Expression {
    const reader = this.#reader;
    const operator = this.#comparison();
    if (operator !== undefined) {
      return this.#compare(
        operator,
        subject,
        reader.operand() ?? (isElement ? reader.fail() : this.#whole()),
      );
    }
    if (reader.keyword("IS")) {
      const negated = reader.keyword("NOT");
      reader.expectKeyword("NULL");
      return Object.freeze({ type: "isNull", subject, negated });
    }
    return this.#predicate(subject, reader.keyword("NOT")) ?? reader.fail();
  }

  /** Reads a subject that is not of elements. */
  #whole(): Subject {
    const reader = this.#reader;
    const { at } = reader;
    const read = this.#subject();
    if (read.type !== "element") return read;
    const reason = "a path with [*] must be compared with a value, not with another path";
    throw reader.refuse(at, "[*]", reason, "a path without [*]");
  }

  #compare(operator: ComparisonOperator, left: Term, right: Term): Expression {
    return Object.freeze({ type: "compare", operator, left, right });
  }

  #comparison(): ComparisonOperator | undefined {
    return COMPARISONS.find((operator) => this.#reader.symbol(operator));
  }

  /** What `NOT` may stand before. */
  #predicate(subject: Subject, negated: boolean): Expression | undefined {
    const reader = this.#reader;
    if (reader.keyword("IN")) return Object.freeze({ type: "in", subject, list: this.#inList(), negated });
    if (reader.keyword("LIKE")) {
      return Object.freeze({ type: "like", subject, pattern: reader.expectOperand(), negated });
    }
    if (reader.keyword("BETWEEN")) {
      const low = reader.expectOperand();
      reader.expectKeyword("AND");
      return Object.freeze({ type: "between", subject, low, high: reader.expectOperand(), negated });
    }
    const { at } = reader;
    if (reader.keyword("CONTAINS")) {
      if (subject.type === "aggregate") {
        const reason = "CONTAINS must look at a path or the text there, not at an aggregate";
        throw reader.refuse(at, "CONTAINS", reason, "another operator");
      }
      const contains: Expression = Object.freeze({
        type: "contains",
        subject,
        operand: reader.expectOperand(),
      });
      return negated ? Object.freeze({ type: "not", operand: contains }) : contains;
    }
    return undefined;
  }

  #inList(): InList {
    const reader = this.#reader;
    if (!reader.symbol("(")) {
      return Object.freeze({ type: "array", operand: reader.expectOperand() });
    }
    const elements = reader.list("the length of a list", { MAX_PARAMETERS }, () => reader.expectOperand());
    reader.expectSymbol(")");
    return Object.freeze({ type: "elements", elements });
  }
}

/** A condition on what was read; for elements it is one of some element. */
function ofElement(read: Subject | ElementField, make: (subject: Subject) => Expression): Expression {
  if (read.type !== "element") return make(read);
  return Object.freeze({ type: "some", arrays: read.arrays, where: make(read.field) });
}
