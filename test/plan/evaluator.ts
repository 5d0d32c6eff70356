/**
 * The query language's meaning, as plainly as possible: it walks the tree for each document. It shares nothing
 * with the compiler but the tree, so that the two can be compared.
 */
import type {
  Aggregate,
  ArithmeticOperator,
  Computation,
  Delete,
  Expression,
  Field,
  Operand,
  Path,
  Select,
  Subject,
  Term,
  Update,
} from "../../src/query/syntax-tree.ts";

/** A document and the key that it is stored under. */
export interface Stored {
  readonly key: string;
  readonly doc: { readonly [name: string]: unknown };
}

/** What a condition looks at: a document, or an element of an array, which has no key. */
type Root = Stored | { readonly key: undefined; readonly doc: unknown };

/** NULL stands for unknown. */
type Truth = boolean | null;

/** How text, numbers and the like come into a query. */
export interface Bindings {
  readonly values: readonly unknown[];
  readonly parameters: readonly unknown[];
}

export class Evaluator {
  readonly #bindings: Bindings;

  constructor(bindings: Bindings) {
    this.#bindings = bindings;
  }

  select(select: Select, documents: readonly Stored[]): Record<string, unknown>[] {
    const found = this.#matching(select, documents);
    const aggregated = select.items?.some(({ type }) => type === "aggregate") ?? false;
    const rows =
      aggregated || select.groupBy.length > 0
        ? this.#grouped(select, found)
        : this.#ordered(select, found).map((document) => row(select.items, document));
    const offset = select.offset === undefined ? 0 : (this.#operand(select.offset) as number);
    const limit = select.limit === undefined ? rows.length : (this.#operand(select.limit) as number);
    return rows.slice(offset, offset + limit);
  }

  /** The documents as they are afterwards. */
  update(update: Update, documents: readonly Stored[]): Stored[] {
    for (const { value } of update.assignments) this.#constant(value);
    const found = new Set(this.#matching(update, documents));
    return documents.map((document) => {
      if (!found.has(document)) return document;
      const doc = structuredClone(document.doc) as Record<string, unknown>;
      for (const { path, value } of update.assignments) assign(doc, path, this.#compute(value, document));
      return { key: document.key, doc };
    });
  }

  /** The documents that are left. */
  delete(statement: Delete, documents: readonly Stored[]): Stored[] {
    const found = new Set(this.#matching(statement, documents));
    return documents.filter((document) => !found.has(document));
  }

  #matching({ where }: { readonly where: Expression | undefined }, documents: readonly Stored[]): Stored[] {
    return documents.filter((document) => where === undefined || this.#truth(where, [document]) === true);
  }

  #ordered({ orderBy }: Select, documents: readonly Stored[]): Stored[] {
    return [...documents].sort((a, b) => {
      for (const key of orderBy) {
        const order = compareAny(subjectValue(key, [a]), subjectValue(key, [b]));
        if (order !== 0) return key.descending ? -order : order;
      }
      return compareText(a.key, b.key);
    });
  }

  #grouped(
    { items = [], groupBy, having, orderBy }: Select,
    documents: readonly Stored[],
  ): Record<string, unknown>[] {
    const groups = new Map<string, { keys: unknown[]; members: Stored[] }>();
    if (groupBy.length === 0) groups.set("", { keys: [], members: [...documents] });
    else {
      for (const document of documents) {
        const keys = groupBy.map((field) => fieldValue(field, document));
        const name = canonical(keys);
        const group = groups.get(name) ?? { keys, members: [] };
        group.members.push(document);
        groups.set(name, group);
      }
    }
    const given = [...groups.values()].filter(
      ({ members }) => having === undefined || this.#truth(having, members) === true,
    );
    const sorted = given.sort((a, b) => {
      for (const key of orderBy) {
        const order = compareAny(subjectValue(key, a.members), subjectValue(key, b.members));
        if (order !== 0) return key.descending ? -order : order;
      }
      for (let i = 0; i < groupBy.length; i++) {
        const order = compareTotally(a.keys[i], b.keys[i]);
        if (order !== 0) return order;
      }
      return 0;
    });
    return sorted.map(({ members }) =>
      Object.fromEntries(items.map((item) => [item.name, subjectValue(item, members)])),
    );
  }

  #compute(value: Computation, document: Stored): unknown {
    if (value.type !== "arithmetic") return this.#term(value, [document]);
    const left = this.#compute(value.left, document);
    const right = this.#compute(value.right, document);
    requireNumber(left);
    requireNumber(right);
    return this.#calculate(value.operator, left, right);
  }

  #calculate(operator: ArithmeticOperator, left: number | null, right: number | null): number | null {
    if (left === null || right === null) return null;
    const results = { "+": left + right, "-": left - right, "*": left * right, "/": left / right };
    const result = results[operator];
    if (!Number.isFinite(result)) throw new ArithmeticError();
    return result + 0;
  }

  /** What a statement calculates of its own values is looked at even where it changes no document. Undefined if paths are in it. */
  #constant(value: Computation): unknown {
    if (value.type === "path") return undefined;
    if (value.type !== "arithmetic") return this.#operand(value);
    const [left, right] = [this.#constant(value.left), this.#constant(value.right)];
    for (const side of [left, right]) if (side !== undefined) requireNumber(side);
    if (left === undefined || right === undefined) return undefined;
    return this.#calculate(value.operator, left as number | null, right as number | null);
  }

  #operand(operand: Operand): unknown {
    const { values, parameters } = this.#bindings;
    if (operand.type === "literal") return operand.value;
    if (operand.type === "named") throw new Error("The evaluator takes parameters by position");
    return plain((operand.type === "slot" ? values : parameters)[operand.index]);
  }

  #term(term: Term, members: readonly Root[]): unknown {
    return isSubject(term) ? subjectValue(term, members) : this.#operand(term);
  }

  /** Of one document, of a group of them, or of an element of an array. */
  #truth(expression: Expression, members: readonly Root[]): Truth {
    switch (expression.type) {
      case "and":
        return all(expression.operands.map((operand) => this.#truth(operand, members)));
      case "or":
        return any(expression.operands.map((operand) => this.#truth(operand, members)));
      case "not":
        return not(this.#truth(expression.operand, members));
      case "compare": {
        const { left, operator, right } = expression;
        // A key is a string; a number that it is compared with for equality stands for its digits.
        const asKey = operator === "=" || operator === "!=";
        const read = (term: Term, other: Term): unknown => {
          const value = this.#term(term, members);
          return asKey && isKey(other, members) && !isSubject(term) && Number.isSafeInteger(value)
            ? String(value)
            : value;
        };
        return compare(operator, read(left, right), read(right, left));
      }
      case "between": {
        const value = subjectValue(expression.subject, members);
        const within = all([
          compare(">=", value, this.#operand(expression.low)),
          compare("<=", value, this.#operand(expression.high)),
        ]);
        return expression.negated ? not(within) : within;
      }
      case "in": {
        const value = subjectValue(expression.subject, members);
        const list =
          expression.list.type === "array"
            ? (this.#operand(expression.list.operand) as unknown[])
            : expression.list.elements.map((element) => this.#operand(element));
        const key = isKey(expression.subject, members);
        const found = any(
          list.map((element) =>
            compare("=", value, key && Number.isSafeInteger(element) ? String(element) : element),
          ),
        );
        return expression.negated ? not(found) : found;
      }
      case "like": {
        const value = subjectValue(expression.subject, members);
        const pattern = this.#operand(expression.pattern);
        if (value === null || pattern === null) return null;
        const matches = typeof value === "string" && like([...value], parsePattern(pattern as string));
        return matches !== expression.negated;
      }
      case "contains": {
        const value = subjectValue(expression.subject, members);
        const operand = this.#operand(expression.operand);
        if (value === null || operand === null) return null;
        if (Array.isArray(value)) return value.some((element) => compare("=", element, operand) === true);
        return typeof value === "string" && typeof operand === "string" && value.includes(operand);
      }
      case "isNull":
        return (subjectValue(expression.subject, members) === null) !== expression.negated;
      case "rank":
        return TYPES.indexOf(typeName(subjectValue(expression.subject, members))) >= expression.from;
      case "some": {
        let elements: readonly unknown[] = [members[0]!.doc];
        for (const path of expression.arrays) {
          elements = elements.flatMap((doc) => {
            const array = valueAt({ key: undefined, doc }, path);
            return Array.isArray(array) ? (array as unknown[]) : [];
          });
        }
        return elements.some((doc) => this.#truth(expression.where, [{ key: undefined, doc }]) === true);
      }
      default:
        return expression satisfies never;
    }
  }
}

/** Arithmetic takes numbers and NULL; anything else ends the statement, as a result that is not finite does. */
function requireNumber(value: unknown): asserts value is number | null {
  if (value !== null && typeof value !== "number") throw new ArithmeticError();
}

/** What the evaluator throws for a statement that must fail. */
export class ArithmeticError extends Error {}

function isKey(term: Term, [root]: readonly Root[]): boolean {
  return root?.key !== undefined && term.type === "path" && term.path.length === 1 && term.path[0] === "id";
}

/** What is at a path of a document, or null. */
export function valueAt({ key, doc }: Root, path: Path): unknown {
  if (key !== undefined && path.length === 1 && path[0] === "id") return key;
  let value: unknown = doc;
  for (const part of path) {
    const fits = typeof part === "number" ? Array.isArray(value) : typeName(value) === "object";
    if (!fits || !Object.hasOwn(value as object, part)) return null;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}

function isSubject(term: Term): term is Subject {
  return "path" in term || term.type === "aggregate";
}

/** What a column, an order or a condition looks at, of a group of documents or of one by itself. */
function subjectValue(subject: Subject, members: readonly Root[]): unknown {
  return subject.type === "aggregate"
    ? aggregate(subject, members as readonly Stored[])
    : fieldValue(subject, members[0]!);
}

/** Of what is no text, in lower or upper case, there is nothing. Only the letters from A to Z have both. */
function fieldValue({ type, path }: Field, document: Root): unknown {
  const value = valueAt(document, path);
  if (type === "path") return value;
  if (typeof value !== "string") return null;
  return value.replace(type === "lower" ? /[A-Z]/g : /[a-z]/g, (letter) =>
    type === "lower" ? letter.toLowerCase() : letter.toUpperCase(),
  );
}

function row(items: Select["items"], document: Stored): Record<string, unknown> {
  if (items === undefined) return { ...document.doc, id: document.key };
  return Object.fromEntries(items.map((item) => [item.name, subjectValue(item, [document])]));
}

function all(truths: readonly Truth[]): Truth {
  if (truths.includes(false)) return false;
  return truths.includes(null) ? null : true;
}

function any(truths: readonly Truth[]): Truth {
  if (truths.includes(true)) return true;
  return truths.includes(null) ? null : false;
}

function not(truth: Truth): Truth {
  return truth === null ? null : !truth;
}

const TYPES = ["null", "boolean", "number", "string", "array", "object"];

function typeName(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

function compare(operator: string, left: unknown, right: unknown): Truth {
  if (left === null || right === null) return null;
  const type = typeName(left);
  if (type !== typeName(right)) return operator === "!=";
  if (operator === "=" || operator === "!=")
    return (canonical(left) === canonical(right)) === (operator === "=");
  if (type === "array" || type === "object") return false;
  const order = compareAny(left, right);
  return { "<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0 }[operator]!;
}

/** The order of ORDER BY: arrays are level with each other, and so are objects. */
function compareAny(left: unknown, right: unknown): number {
  const type = typeName(left);
  const ranks = TYPES.indexOf(type) - TYPES.indexOf(typeName(right));
  if (ranks !== 0) return ranks;
  if (type === "string") return compareText(left as string, right as string);
  if (type === "number") return (left as number) < (right as number) ? -1 : left === right ? 0 : 1;
  return type === "boolean" ? Number(left) - Number(right) : 0;
}

/** An order that also tells arrays and objects apart: that of MIN and MAX, and of groups. */
function compareTotally(left: unknown, right: unknown): number {
  const order = compareAny(left, right);
  return order === 0 && typeof left === "object" ? compareText(canonical(left), canonical(right)) : order;
}

function compareText(left: string, right: string): number {
  const a = [...left];
  const b = [...right];
  for (let i = 0; i < a.length && i < b.length; i++) {
    const order = a[i]!.codePointAt(0)! - b[i]!.codePointAt(0)!;
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** The same text for equal values: short names first, and no exponents. */
export function canonical(value: unknown): string {
  if (typeof value === "number") return decimal(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const names = Object.keys(value).sort(
    (a, b) => Buffer.byteLength(a) - Buffer.byteLength(b) || compareText(a, b),
  );
  return `{${names.map((name) => `${JSON.stringify(name)}: ${canonical((value as Record<string, unknown>)[name])}`).join(", ")}}`;
}

/** A number's shortest digits as a whole number and a count of places behind the point. */
function digitsOf(value: number): { units: bigint; places: number } {
  const [mantissa, exponent = "0"] = String(value).split("e") as [string, string?];
  const [whole, fraction = ""] = mantissa.split(".") as [string, string?];
  const places = fraction.length - Number(exponent);
  const units = BigInt(whole + fraction);
  return places >= 0 ? { units, places } : { units: units * 10n ** BigInt(-places), places: 0 };
}

function decimal(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const { units, places } = digitsOf(value);
  const sign = units < 0n ? "-" : "";
  const digits = String(units)
    .replace("-", "")
    .padStart(places + 1, "0");
  return sign + (places === 0 ? digits : `${digits.slice(0, -places)}.${digits.slice(-places)}`);
}

/** An exact sum of decimals, divided by a whole number, rounded once. */
function sum(numbers: readonly number[], divisor: number = 1): number {
  const parts = numbers.map(digitsOf);
  // So many more places that a double's last digit is far from the last one here.
  const places = Math.max(...parts.map((part) => part.places)) + 400;
  const total = parts.reduce((all, part) => all + part.units * 10n ** BigInt(places - part.places), 0n);
  return Number(`${total / BigInt(divisor)}e-${places}`);
}

function aggregate(item: Aggregate, members: readonly Stored[]): unknown {
  const { of } = item;
  if (of === undefined) return members.length;
  const values = members.map((member) => fieldValue(of, member)).filter((value) => value !== null);
  const numbers = values.filter((value) => typeof value === "number");
  switch (item.function) {
    case "COUNT":
      return values.length;
    case "COUNT DISTINCT":
      return new Set(values.map(canonical)).size;
    case "SUM":
      return numbers.length === 0 ? null : sum(numbers);
    case "AVG":
      return numbers.length === 0 ? null : sum(numbers, numbers.length);
    case "MIN":
      return values.sort(compareTotally)[0] ?? null;
    case "MAX":
      return values.sort(compareTotally).at(-1) ?? null;
    default:
      return item.function satisfies never;
  }
}

type Piece = { readonly any: true } | { readonly one: true } | { readonly char: string };

function parsePattern(pattern: string): Piece[] {
  const chars = [...pattern];
  const pieces: Piece[] = [];
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i]!;
    if (char === "%") pieces.push({ any: true });
    else if (char === "_") pieces.push({ one: true });
    else if (char === "\\" && i + 1 < chars.length) pieces.push({ char: chars[++i]! });
    else pieces.push({ char });
  }
  return pieces;
}

function like(text: readonly string[], pieces: readonly Piece[]): boolean {
  const [piece, ...rest] = pieces;
  if (piece === undefined) return text.length === 0;
  if ("any" in piece) return text.some((_, i) => like(text.slice(i), rest)) || like([], rest);
  if (text.length === 0) return false;
  return ("one" in piece || piece.char === text[0]) && like(text.slice(1), rest);
}

/** Sets a place: a name needs an object around it, an index an array that is long enough. */
function assign(doc: Record<string, unknown>, path: Path, value: unknown): void {
  let container: Record<string | number, unknown> = doc;
  path.forEach((part, i) => {
    if (typeof part === "number") {
      const array = container as unknown as unknown[];
      while (array.length <= part) array.push(null);
    }
    const next = path[i + 1];
    if (next === undefined) container[part] = structuredClone(value);
    else {
      const wanted = typeof next === "number" ? "array" : "object";
      const there = Object.hasOwn(container, part) ? container[part] : null;
      if (typeName(there) !== wanted) container[part] = wanted === "array" ? [] : {};
      container = container[part] as Record<string | number, unknown>;
    }
  });
}

/** A value as JSON has it. */
export function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value)) as unknown;
}
