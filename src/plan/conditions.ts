import type { Conditions, DocumentConditions, OrderOperator } from "../dialect/expression-dialect.ts";
import { combine, type Fragment } from "../dialect/fragment.ts";
import { isOperand } from "../query/path-text.ts";
import type {
  ComparisonOperator,
  Expression,
  InList,
  Operand,
  Path,
  Subject,
  Term,
} from "../query/syntax-tree.ts";
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
  readonly #conditions: Conditions | DocumentConditions;
  readonly #operands: OperandTable;

  constructor(conditions: Conditions | DocumentConditions, operands: OperandTable) {
    this.#conditions = conditions;
    this.#operands = operands;
  }

  compile(expression: Expression, wanted: boolean): Fragment {
    const conditions = this.#conditions;
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
        const { subject, low, high, negated } = expression;
        const within = wanted !== negated;
        return combine(within ? "AND" : "OR", [
          conditions.orders(subject, ">=", this.#operands.add(low, "value"), within),
          conditions.orders(subject, "<=", this.#operands.add(high, "value"), within),
        ]);
      }
      case "in":
        return conditions.isIn(
          expression.subject,
          this.#list(expression.list),
          wanted !== expression.negated,
        );
      case "like": {
        const pattern = this.#operands.add(expression.pattern, "pattern");
        return conditions.like(expression.subject, pattern, wanted !== expression.negated);
      }
      case "contains":
        return conditions.contains(
          expression.subject,
          this.#operands.add(expression.operand, "value"),
          wanted,
        );
      case "isNull":
        return conditions.isNull(expression.subject, wanted !== expression.negated);
      case "rank":
        return conditions.ranksFrom(expression.subject, expression.from, wanted);
      case "some":
        return this.#some(expression, wanted);
      default:
        return expression satisfies never;
    }
  }

  #some({ arrays, where }: Expression & { readonly type: "some" }, wanted: boolean): Fragment {
    const conditions = this.#conditions;
    if (!("some" in conditions)) throw new TypeError("A path with [*] must stand in a WHERE");
    const equality = equalityOf(where);
    if (equality !== undefined) {
      const [path, operand] = equality;
      return conditions.someEquals(arrays, path, this.#operands.add(operand, "value"), wanted);
    }
    const condition = (element: DocumentConditions): Fragment =>
      new ConditionCompiler(element, this.#operands).compile(where, true);
    const found = conditions.some(arrays, condition, wanted);
    if (!wanted || where.type !== "and") return found;
    const parts = [found];
    for (const part of where.operands) {
      const [path, operand] = equalityOf(part) ?? [];
      if (path === undefined || operand === undefined) continue;
      const lead = conditions.someMayEqual(arrays, path, this.#operands.add(operand, "value"));
      if (lead !== undefined) parts.unshift(lead);
    }
    return combine("AND", parts);
  }

  #compare(operator: ComparisonOperator, left: Term, right: Term, wanted: boolean): Fragment {
    if (!isOperand(left)) {
      if (isOperand(right)) return this.#compareWith(left, operator, right, wanted);
      return this.#compareSubjects(operator, left, right, wanted);
    }
    if (!isOperand(right)) {
      const exchanged = operator === "=" || operator === "!=" ? operator : EXCHANGED[operator];
      return this.#compareWith(right, exchanged, left, wanted);
    }
    const first = this.#operands.resolver(left, "value");
    const second = this.#operands.resolver(right, "value");
    const truth = this.#operands.derive(
      (values, parameters) =>
        compareValues(operator, first(values, parameters), second(values, parameters)) === wanted,
    );
    return this.#conditions.truth(truth);
  }

  #compareWith(subject: Subject, operator: ComparisonOperator, operand: Operand, wanted: boolean): Fragment {
    const number = this.#operands.add(operand, "value");
    if (operator === "=") return this.#conditions.equals(subject, number, wanted);
    if (operator === "!=") return this.#conditions.equals(subject, number, !wanted);
    return this.#conditions.orders(subject, operator, number, wanted);
  }

  #compareSubjects(operator: ComparisonOperator, left: Subject, right: Subject, wanted: boolean): Fragment {
    if (operator === "=") return this.#conditions.equalSubjects(left, right, wanted);
    if (operator === "!=") return this.#conditions.equalSubjects(left, right, !wanted);
    return this.#conditions.orderSubjects(left, operator, right, wanted);
  }

  #list(list: InList): number {
    if (list.type === "array") return this.#operands.add(list.operand, "list");
    const use = list.elements.length === 1 ? "element" : "value";
    const resolvers = list.elements.map((element) => this.#operands.resolver(element, use));
    return this.#operands.derive((values, parameters) =>
      resolvers.map((resolve) => resolve(values, parameters)),
    );
  }
}

/** The path and the operand of a condition that is `path = operand`. */
function equalityOf(where: Expression): readonly [path: Path, operand: Operand] | undefined {
  if (where.type !== "compare" || where.operator !== "=") return undefined;
  const [subject, operand] = isOperand(where.left) ? [where.right, where.left] : [where.left, where.right];
  if (isOperand(subject) || subject.type !== "path" || !isOperand(operand)) return undefined;
  return [subject.path, operand];
}
