import type { Aggregate, Field, IndexedPlace, Path, Subject } from "../base/subject.ts";
import type { Bound, Fragment } from "./fragment.ts";

/** The operators of the language that order values. */
export type OrderOperator = "<" | "<=" | ">" | ">=";

/** What an index over a place holds, as a field. */
export function indexedField(place: IndexedPlace): Field {
  return "type" in place ? place : { type: "path", path: place };
}

/** A subject that looks at documents: the parser lets aggregates stand in a grouped SELECT only. */
export function fieldOf<S extends Subject>(subject: S): Exclude<S, Aggregate> {
  if (subject.type === "aggregate") throw new TypeError("An aggregate must stand in a grouped SELECT");
  return subject as Exclude<S, Aggregate>;
}

/** How a result's column is read: as JSON text (or a plain number or null), as a number, or as it is. */
export type ColumnForm = "json" | "number" | "text";

/** A column of a result. */
export interface Column {
  readonly text: string;
  readonly form: ColumnForm;
}

/**
 * What an `UPDATE` does to documents: first each container on the way is made sure of (parents before
 * children), then each leaf is set. No leaf is on the way to another.
 */
export interface DocumentChange {
  readonly containers: readonly ContainerChange[];
  readonly leaves: readonly (LeafChange | ComputedChange)[];
  /** What is removed after all else; where there is nothing, nothing happens. */
  readonly removals: readonly Path[];
}

/** A value that is computed from the document as it was; NULL is a JSON null. */
export type ComputedValue =
  | { readonly type: "operand"; readonly operand: number }
  | { readonly type: "path"; readonly path: Path }
  | {
      readonly type: "arithmetic";
      readonly operator: "+" | "-" | "*" | "/";
      readonly left: ComputedValue;
      readonly right: ComputedValue;
    };

/** A place that is set to a computed value. */
export interface ComputedChange {
  readonly path: Path;
  readonly kind: "compute";
  readonly value: ComputedValue;
}

/**
 * The value that is set at a path: an operand, or what is there with an operand added to it, or appended to it. `pull`
 * takes all elements that equal the operand out of what is there, and sets nothing where nothing is.
 */
export interface LeafChange {
  readonly path: Path;
  readonly kind: "set" | "inc" | "push" | "pull";
  /** The number of the operand. */
  readonly operand: number;
}

/** A type that a value may have so that a document can be changed there. */
export type ChangeableType = "number" | "array" | "object";

/** What is at `path` stays if it is of this kind, and is replaced by an empty one if not. */
export interface ContainerChange {
  readonly path: Path;
  readonly kind: "object" | "array";
  /** An array is filled up with nulls to this length. */
  readonly length: number;
}

/** A SELECT of documents, spelled but for its order. */
export interface DocumentsQuery {
  /** The columns. */
  readonly list: string;
  readonly table: string;
  /** ` WHERE …`, or nothing. */
  readonly where: Fragment;
  /** Empty where the order does not matter. Ties, also among arrays and among objects, go by id. */
  readonly orderBy: readonly (Field & { readonly descending: boolean })[];
  /** The operand with a value of the first of `orderBy` before which `where` holds for nothing. */
  readonly from: number | undefined;
  /**
   * Whether `where` asks for nothing but what comes before or after places in the first of `orderBy`, if for anything:
   * then the documents are found in the order, whatever the values are.
   */
  readonly inOrder: boolean;
  /** Whether a lock stands behind it: it would reach into queries within the query. */
  readonly locks: boolean;
  readonly limit: Bound | undefined;
  readonly offset: Bound | undefined;
}

/**
 * How one grouped SELECT is spelled. What is at each path is taken from a document once, by a query within the
 * query; all that is asked of it looks at that query's columns.
 */
export interface Grouping {
  /** The inner query, ` FROM (SELECT …)`, with a column for each field that was asked for before. */
  from(table: string, where: Fragment): Fragment;
  /** The terms of `GROUP BY`. */
  groupBy(field: Field): readonly string[];
  /** The column for an aggregate, or for what the rows are grouped by. */
  column(subject: Subject): Column;
  /** The terms of `ORDER BY` for the same; ties are left to what follows. */
  orderBy(subject: Subject, descending: boolean): readonly string[];
  /** An order of the groups by such a field that leaves no ties, not even among arrays or among objects. */
  orderTotally(field: Field): readonly string[];
  /** Conditions on groups. */
  readonly conditions: Conditions;
}

/**
 * How an engine spells the language's conditions. The language is three-valued; SQL's own three values are
 * not used for it. Instead each condition can be asked for in two ways: where it is true (`wanted`), or where it
 * is false; what is unknown is neither. `NOT` then swaps the two, and every condition that reaches the engine is
 * plainly true or not, and free to be spelled as its indexes like it.
 *
 * Operands are given by number.
 */
export interface Conditions<T = Subject> {
  equals(subject: T, operand: number, wanted: boolean): Fragment;
  orders(subject: T, operator: OrderOperator, operand: number, wanted: boolean): Fragment;
  equalSubjects(left: T, right: T, wanted: boolean): Fragment;
  orderSubjects(left: T, operator: OrderOperator, right: T, wanted: boolean): Fragment;
  /** The operand is an array. */
  isIn(subject: T, operand: number, wanted: boolean): Fragment;
  like(subject: T, operand: number, wanted: boolean): Fragment;
  contains(subject: T, operand: number, wanted: boolean): Fragment;
  isNull(subject: T, wanted: boolean): Fragment;
  /** Whether the type's number in `RANK` is this or a higher one. Never unknown. */
  ranksFrom(subject: T, rank: number, wanted: boolean): Fragment;
  /** The operand is `true` or `false`. */
  truth(operand: number): Fragment;
}

/** Conditions on subjects, made of those on the terms that stand for them. */
export function conditionsOn<T>(terms: Conditions<T>, termOf: (subject: Subject) => T): Conditions {
  return Object.freeze<Conditions>({
    equals: (subject, operand, wanted) => terms.equals(termOf(subject), operand, wanted),
    orders: (subject, operator, operand, wanted) => terms.orders(termOf(subject), operator, operand, wanted),
    equalSubjects: (left, right, wanted) => terms.equalSubjects(termOf(left), termOf(right), wanted),
    orderSubjects: (left, operator, right, wanted) =>
      terms.orderSubjects(termOf(left), operator, termOf(right), wanted),
    isIn: (subject, operand, wanted) => terms.isIn(termOf(subject), operand, wanted),
    like: (subject, operand, wanted) => terms.like(termOf(subject), operand, wanted),
    contains: (subject, operand, wanted) => terms.contains(termOf(subject), operand, wanted),
    isNull: (subject, wanted) => terms.isNull(termOf(subject), wanted),
    ranksFrom: (subject, rank, wanted) => terms.ranksFrom(termOf(subject), rank, wanted),
    truth: terms.truth,
  });
}

/** Conditions on documents, or on an element of an array: then paths lead on from it, and the empty one is the element. */
export interface DocumentConditions extends Conditions {
  /**
   * Whether a condition is true for some element of an array: of the array at the first path, or of one that the next path
   * leads to from such an element. Never unknown.
   */
  some(
    arrays: readonly Path[],
    condition: (element: DocumentConditions) => Fragment,
    wanted: boolean,
  ): Fragment;
  /** The same for what is at a path from the element and equals the operand. */
  someEquals(arrays: readonly Path[], path: Path, operand: number, wanted: boolean): Fragment;
  /** What an index serves of that, and holds for more documents perhaps; undefined if there is no index. */
  someMayEqual(arrays: readonly Path[], path: Path, operand: number): Fragment | undefined;
}

/** How an engine spells what the query language means. */
export interface ExpressionDialect {
  /** The expressions that an index over this place holds, in order. Filters and orderings use the very same. */
  indexExpressions(place: IndexedPlace): readonly string[];
  /**
   * All that an index over several paths holds: their expressions, and behind them the guards of a unique one, which are NULL
   * where no scalar is, so that documents without a value there, or with an array or an object, never collide.
   */
  indexColumns(places: readonly IndexedPlace[], unique: boolean): readonly string[];

  readonly conditions: DocumentConditions;

  /** The two columns of `SELECT *`: the key, and the document as JSON text. */
  readonly documentColumns: string;
  column(field: Field): Column;

  /** A whole SELECT of documents. */
  documents(query: DocumentsQuery): Fragment;
  /** For one SELECT that is grouped by these fields. */
  grouping(groupBy: readonly Field[]): Grouping;
  limit(limit: Bound | undefined, offset: Bound | undefined): Fragment;

  /** The changed document. */
  change(change: DocumentChange): Fragment;
  /** Whether there is a value of this type, or none. */
  canChange(path: Path, type: ChangeableType): Fragment;
  /** Whether the number at a path stays finite if an operand is added. */
  staysFinite(path: Path, operand: number): Fragment;
  /** A document from the operand that holds its JSON text. */
  document(operand: number): Fragment;
  /** Whether the document's version is the operand. */
  versionIs(operand: number): Fragment;
  /** Behind a SELECT of the document that is about to be changed, so that nobody else gets it. */
  lock(skipLocked: boolean): string;
  /** Milliseconds since 1970. */
  readonly now: string;
}
