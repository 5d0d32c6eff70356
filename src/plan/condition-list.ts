import { pathText, widePath } from "../base/subject.ts";
import { isOperand, subjectText } from "../query/path-text.ts";
import type { Expression, IndexPath, Statement, Subject, Term } from "../query/syntax-tree.ts";

/** A condition of a query, as an explanation lists it. */
export interface ListedCondition {
  /** As the query has it, with `…` for a value. */
  readonly text: string;
  /** Paths of which an index could lead to the documents; none for what must be asked of each. */
  readonly paths: readonly IndexPath[];
}

/** The conditions of a statement's WHERE, in their order. */
export function conditionsOf(statement: Statement): readonly ListedCondition[] {
  if (statement.type === "explain") return conditionsOf(statement.statement);
  const asked =
    "where" in statement && statement.where !== undefined ? listed(statement.where, false, "") : [];
  if (statement.type !== "select" || statement.from === undefined) return asked;
  return [...asked, ...listed(statement.from.later, false, "")];
}

/** `base` is the text of what paths lead on from: nothing for documents. */
function listed(expression: Expression, negated: boolean, base: string): readonly ListedCondition[] {
  switch (expression.type) {
    case "and":
    case "or":
      return expression.operands.flatMap((operand) => listed(operand, negated, base));
    case "not":
      return listed(expression.operand, !negated, base);
    case "compare": {
      const { left, operator, right } = expression;
      const text = `${termText(left, base)} ${operator} ${termText(right, base)}`;
      // What is not `!=` is `=`; the opposite of an ordering holds for values of other types too.
      const leads = negated ? operator === "!=" : operator !== "!=";
      const subjects = [left, right].filter((term) => !isOperand(term)) as Subject[];
      return [condition(text, negated, leads && subjects.length === 1 ? pathsOf(subjects[0]!) : [])];
    }
    case "isNull": {
      const leads = expression.negated === negated;
      const text = `${subjectText(expression.subject, base)} IS ${expression.negated ? "NOT " : ""}NULL`;
      return [condition(text, negated, leads ? pathsOf(expression.subject) : [])];
    }
    case "rank":
      return [
        condition(
          `${subjectText(expression.subject, base)} of type ${expression.from} or later`,
          negated,
          [],
        ),
      ];
    case "contains": {
      const { subject } = expression;
      const paths = negated || subject.type !== "path" ? [] : [[...subject.path, null]];
      return [condition(`${subjectText(subject, base)} CONTAINS …`, negated, paths)];
    }
    case "some": {
      const { arrays, where } = expression;
      const element = arrays.reduce((text, array) => `${pathText(array, text)}[*]`, base);
      const parts = where.type === "and" ? where.operands : [where];
      return parts.flatMap((part) => {
        const isEquality = part.type === "compare" && part.operator === "=" && !negated;
        return listed(part, false, element).map(({ text, paths }) => {
          // No index holds the texts of elements in lower or upper case.
          const wide = (path: IndexPath) => ("type" in path ? [] : [widePath(arrays, path)]);
          return condition(text, negated, isEquality ? paths.flatMap(wide) : []);
        });
      });
    }
    default: {
      const { subject, type } = expression;
      const operator = { between: "BETWEEN … AND …", in: "IN (…)", like: "LIKE …" }[type];
      const text = `${subjectText(subject, base)} ${expression.negated ? "NOT " : ""}${operator}`;
      return [condition(text, negated, expression.negated === negated ? pathsOf(subject) : [])];
    }
  }
}

function condition(text: string, negated: boolean, paths: readonly IndexPath[]): ListedCondition {
  return { text: negated ? `NOT ${text}` : text, paths };
}

function termText(term: Term, base: string): string {
  return isOperand(term) ? "…" : subjectText(term, base);
}

function pathsOf(subject: Subject): readonly IndexPath[] {
  if (subject.type === "aggregate") return [];
  const { type, path } = subject;
  return [type === "path" ? path : { type, path }];
}
