import type { ExpressionDialect, OrderOperator } from "../dialect/expression-dialect.ts";
import { combine, type Fragment } from "../dialect/fragment.ts";
import type { ComparisonOperator, Expression, InList, Operand, Path, Term } from "../query/syntax-tree.ts";
import { compareValues } from "./compare-values.ts";
import type { OperandTable } from "./operand-table.ts";

/** The operator that says the same with its sides exchanged. */
const EXCHANGED: Readonly<Record<OrderOperator, OrderOperator>> = Object.freeze({
  "<": ">",
  "<=": ">=",
  ">": "<",
  ">=": "<=",
});

/** Makes conditions of expressions, each for where it is true (`wanted`) or for where it is false. */
export class ConditionCompiler {
  readonly #dialect: ExpressionDialect;
  readonly #operands: OperandTable;

  constructor(dialect: ExpressionDialect, operands: OperandTable) {
    this.#dialect = dialect;
    this.#operands = operands;
  }

  compile(expression: Expression, wanted: boolean): Fragment {
    const dialect = this.#dialect;
    switch (expression.type) {
      case "and":
      case "or": {
        // An AND is false where any of its parts is, an OR where all of them are.
        const operator = (expression.type === "and") === wanted ? "AND" : "OR";
        return combine(
          operator,
          expression.operands.map((operand) => this.compile(operand, wanted)),
        );
      }
      case "not":
        return this.compile(expression.operand, !wanted);
      case "compare":
        return this.#compare(expression.operator, expression.left, expression.right, wanted);
      case "between": {
        const { path, low, high, negated } = expression;
        const within = wanted !== negated;
        return combine(within ? "AND" : "OR", [
          dialect.orders(path, ">=", this.#operands.add(low, "value"), within),
          dialect.orders(path, "<=", this.#operands.add(high, "value"), within),
        ]);
      }
      case "in":
        return dialect.isIn(expression.path, this.#list(expression.list), wanted !== expression.negated);
      case "like": {
        const pattern = this.#operands.add(expression.pattern, "pattern");
        return dialect.like(expression.path, pattern, wanted !== expression.negated);
      }
      case "contains":
        return dialect.contains(expression.path, this.#operands.add(expression.operand, "value"), wanted);
      case "isNull":
        return dialect.isNull(expression.path, wanted !== expression.negated);
      case "rank":
        return dialect.ranksFrom(expression.path, expression.from, wanted);
      default:
        return expression satisfies never;
    }
  }

  #compare(operator: ComparisonOperator, left: Term, right: Term, wanted: boolean): Fragment {
    if (left.type === "path") {
      if (right.type === "path") return this.#comparePaths(operator, left.path, right.path, wanted);
      return this.#compareWith(left.path, operator, right, wanted);
    }
    if (right.type === "path") {
      const exchanged = operator === "=" || operator === "!=" ? operator : EXCHANGED[operator];
      return this.#compareWith(right.path, exchanged, left, wanted);
    }
    const first = this.#operands.resolver(left, "value");
    const second = this.#operands.resolver(right, "value");
    const truth = this.#operands.derive(
      (values, parameters) =>
        compareValues(operator, first(values, parameters), second(values, parameters)) === wanted,
    );
    return this.#dialect.truth(truth);
  }

  #compareWith(path: Path, operator: ComparisonOperator, operand: Operand, wanted: boolean): Fragment {
    const number = this.#operands.add(operand, "value");
    if (operator === "=") return this.#dialect.equals(path, number, wanted);
    if (operator === "!=") return this.#dialect.equals(path, number, !wanted);
    return this.#dialect.orders(path, operator, number, wanted);
  }

  #comparePaths(operator: ComparisonOperator, left: Path, right: Path, wanted: boolean): Fragment {
    if (operator === "=") return this.#dialect.equalPaths(left, right, wanted);
    if (operator === "!=") return this.#dialect.equalPaths(left, right, !wanted);
    return this.#dialect.orderPaths(left, operator, right, wanted);
  }

  #list(list: InList): number {
    if (list.type === "array") return this.#operands.add(list.operand, "list");
    const resolvers = list.elements.map((element) => this.#operands.resolver(element, "value"));
    return this.#operands.derive((values, parameters) =>
      resolvers.map((resolve) => resolve(values, parameters)),
    );
  }
}
