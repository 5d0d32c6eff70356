import { isOperand, subjectText } from "../query/path-text.ts";
import type { Expression, Path, Statement, Subject, Term } from "../query/syntax-tree.ts";

/** A condition of a query, as an explanation lists it. */
export interface ListedCondition {
  /** As the query has it, with `…` for a value. */
  readonly text: string;
  /** Paths of which an index could lead to the documents; none for what must be asked of each. */
  readonly paths: readonly Path[];
}

/** The conditions of a statement's WHERE, in their order. */
export function conditionsOf(statement: Statement): readonly ListedCondition[] {
  if (statement.type === "explain") return conditionsOf(statement.statement);
  return "where" in statement && statement.where !== undefined ? listed(statement.where, false) : [];
}

function listed(expression: Expression, negated: boolean): readonly ListedCondition[] {
  switch (expression.type) {
    case "and":
    case "or":
      return expression.operands.flatMap((operand) => listed(operand, negated));
    case "not":
      return listed(expression.operand, !negated);
    case "compare": {
      const { left, operator, right } = expression;
      const text = `${termText(left)} ${operator} ${termText(right)}`;
      // What is not `!=` is `=`; the opposite of an ordering holds for values of other types too.
      const leads = negated ? operator === "!=" : operator !== "!=";
      const subjects = [left, right].filter((term) => !isOperand(term)) as Subject[];
      return [condition(text, negated, leads && subjects.length === 1 ? pathsOf(subjects[0]!) : [])];
    }
    case "isNull": {
      const leads = expression.negated === negated;
      const text = `${subjectText(expression.subject)} IS ${expression.negated ? "NOT " : ""}NULL`;
      return [condition(text, negated, leads ? pathsOf(expression.subject) : [])];
    }
    case "rank":
      return [
        condition(`${subjectText(expression.subject)} of type ${expression.from} or later`, negated, []),
      ];
    case "contains":
      return [condition(`${subjectText(expression.subject)} CONTAINS …`, negated, [])];
    default: {
      const { subject, type } = expression;
      const operator = { between: "BETWEEN … AND …", in: "IN (…)", like: "LIKE …" }[type];
      const text = `${subjectText(subject)} ${expression.negated ? "NOT " : ""}${operator}`;
      return [condition(text, negated, expression.negated === negated ? pathsOf(subject) : [])];
    }
  }
}

function condition(text: string, negated: boolean, paths: readonly Path[]): ListedCondition {
  return { text: negated ? `NOT ${text}` : text, paths };
}

function termText(term: Term): string {
  return isOperand(term) ? "…" : subjectText(term);
}

/** No index holds what is in lower or upper case. */
function pathsOf(subject: Subject): readonly Path[] {
  return subject.type === "path" ? [subject.path] : [];
}
