import { isOperand, spellSubject } from "./path-text.ts";
import type {
  Change,
  DocumentStep,
  Expression,
  InList,
  Operand,
  Path,
  Select,
  SelectItem,
  Subject,
  Term,
} from "./syntax-tree.ts";
import { needsQuotes } from "./words.ts";

/**
 * The key of a tree that was made without a text: that of the texts that parse to it, so that both share one plan. What
 * no text can say is spelled with an `@`, which no text can hold outside of its literals.
 */
export function keyOf(statement: Select | Change): string {
  return statement.type === "select" ? selectText(statement) : changeText(statement);
}

/** Whether the key is that of a text, too. */
export function isText(key: string): boolean {
  return !key.replace(/`(?:[^`]|``)*`/g, "").includes("@");
}

function selectText({
  items,
  collection,
  where,
  groupBy,
  having,
  orderBy,
  from,
  limit,
  offset,
}: Select): string {
  let text = `SELECT ${items === undefined ? "*" : items.map(itemText).join(", ")} FROM ${name(collection)}`;
  if (where !== undefined) text += ` WHERE ${expression(where)}`;
  if (groupBy.length > 0) text += ` GROUP BY ${groupBy.map((each) => subject(each)).join(", ")}`;
  if (having !== undefined) text += ` HAVING ${expression(having)}`;
  if (orderBy.length > 0) text += ` ORDER BY ${orderText(orderBy)}`;
  if (from !== undefined) text += ` @from ${operand(from.value)} ${expression(from.later)}`;
  if (limit !== undefined) text += ` LIMIT ${operand(limit)}`;
  if (offset !== undefined) text += ` OFFSET ${operand(offset)}`;
  return text;
}

function changeText({ collection, action, steps, document, where, version, first, gives }: Change): string {
  let text = `@${action} ${name(collection)}`;
  if (document !== undefined) text += ` ${operand(document)}`;
  if (steps.length > 0) text += ` ${steps.map(stepText).join(", ")}`;
  if (where !== undefined) text += ` WHERE ${expression(where)}`;
  if (first !== undefined) text += ` @first${first.skipLocked ? " @skip" : ""} ${orderText(first.orderBy)}`;
  if (version !== undefined) text += ` @version ${operand(version)}`;
  return gives === "document" ? `${text} @document` : text;
}

function stepText(step: DocumentStep): string {
  const at = `@${step.kind} ${path(step.path)}`;
  return step.value === undefined ? at : `${at} ${operand(step.value)}`;
}

function orderText(orderBy: Select["orderBy"]): string {
  return orderBy.map((key) => (key.descending ? `${subject(key)} DESC` : subject(key))).join(", ");
}

function itemText(item: SelectItem): string {
  const text = subject(item);
  return item.name === text ? text : `${text} AS ${name(item.name)}`;
}

/** `base` is what paths lead on from: nothing for documents. */
function expression(node: Expression, base = ""): string {
  switch (node.type) {
    case "or":
      return node.operands
        .map((part) => (part.type === "or" ? `(${expression(part, base)})` : expression(part, base)))
        .join(" OR ");
    case "and":
      return node.operands.map((part) => factor(part, base)).join(" AND ");
    case "not":
      return `NOT ${factor(node.operand, base)}`;
    case "compare":
      return `${term(node.left, base)} ${node.operator} ${term(node.right, base)}`;
    case "in":
      return `${subject(node.subject, base)} ${not(node.negated)}IN ${list(node.list)}`;
    case "between":
      return `${subject(node.subject, base)} ${not(node.negated)}BETWEEN ${operand(node.low)} AND ${operand(node.high)}`;
    case "like":
      return `${subject(node.subject, base)} ${not(node.negated)}LIKE ${operand(node.pattern)}`;
    case "contains":
      return `${subject(node.subject, base)} CONTAINS ${operand(node.operand)}`;
    case "isNull":
      return `${subject(node.subject, base)} IS ${not(node.negated)}NULL`;
    case "rank":
      return `${subject(node.subject, base)} @rank ${node.from}`;
    case "some":
      return someText(node, base);
    default:
      return node satisfies never;
  }
}

/** As a text has it, if it has one condition of an element; else those of the element stand in parentheses. */
function someText({ arrays, where }: Expression & { readonly type: "some" }, base: string): string {
  const element = arrays.reduce((text, array) => `${path(array, text)}[*]`, base);
  switch (where.type) {
    case "and":
    case "or":
    case "some":
      break;
    case "not":
      if (where.operand.type !== "contains") break;
      return `${subject(where.operand.subject, element)} NOT CONTAINS ${operand(where.operand.operand)}`;
    default:
      return expression(where, element);
  }
  return `${element} @(${expression(where, "@")})`;
}

/** Behind NOT, and between ANDs. */
function factor(node: Expression, base: string): string {
  return node.type === "and" || node.type === "or" ? `(${expression(node, base)})` : expression(node, base);
}

const not = (negated: boolean): string => (negated ? "NOT " : "");

function term(node: Term, base: string): string {
  return isOperand(node) ? operand(node) : subject(node, base);
}

function subject(node: Subject, base = ""): string {
  return spellSubject(node, (segments) => path(segments, base));
}

function list(node: InList): string {
  return node.type === "array" ? operand(node.operand) : `(${node.elements.map(operand).join(", ")})`;
}

function operand(node: Operand): string {
  switch (node.type) {
    case "slot":
      return `#${node.index}`;
    case "parameter":
      return `$${node.index + 1}`;
    case "named":
      return `:${node.name}`;
    case "literal":
      return `@${JSON.stringify(node.value)}`;
    default:
      return node satisfies never;
  }
}

function path(segments: Path, base = ""): string {
  let text = base;
  for (const segment of segments) {
    if (typeof segment === "number") text += `[${segment}]`;
    else text += text === "" ? name(segment) : `.${name(segment)}`;
  }
  return text;
}

function name(text: string): string {
  return needsQuotes(text) ? `\`${text.replaceAll("`", "``")}\`` : text;
}
