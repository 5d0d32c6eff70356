import type { Field, IndexPath, Path, Subject } from "../base/subject.ts";

export type {
  Aggregate,
  AggregateFunction,
  Field,
  IndexPath,
  Path,
  Subject,
  WidePath,
} from "../base/subject.ts";

/**
 * The syntax tree of the query language: frozen, tagged nodes. It holds no user's values where the text
 * was read as a shape: each literal that may vary is a `slot`, an index into the values that came with it.
 */

/** A value that a statement compares with or stores. */
export type Operand =
  /** A value that is part of the statement. */
  | { readonly type: "literal"; readonly value: null | boolean | number | string }
  /** A literal of the text that was lifted out: the n-th (from 0) of the shape's values. */
  | { readonly type: "slot"; readonly index: number }
  /** A caller's parameter by position, from 0: `$1` and the first `?` are 0. */
  | { readonly type: "parameter"; readonly index: number }
  /** A caller's parameter by name, `:name`. */
  | { readonly type: "named"; readonly name: string };

/** The right side of `IN`: one operand that gives an array, or operands each of which is an element. */
export type InList =
  | { readonly type: "array"; readonly operand: Operand }
  | { readonly type: "elements"; readonly elements: readonly Operand[] };

export type ComparisonOperator = "=" | "!=" | "<" | "<=" | ">" | ">=";

/** One side of a comparison. */
export type Term = Subject | Operand;

/** A condition, as a tree. */
export type Expression =
  | { readonly type: "and" | "or"; readonly operands: readonly Expression[] }
  | { readonly type: "not"; readonly operand: Expression }
  | {
      readonly type: "compare";
      readonly operator: ComparisonOperator;
      readonly left: Term;
      readonly right: Term;
    }
  | { readonly type: "in"; readonly subject: Subject; readonly list: InList; readonly negated: boolean }
  | {
      readonly type: "between";
      readonly subject: Subject;
      readonly low: Operand;
      readonly high: Operand;
      readonly negated: boolean;
    }
  | { readonly type: "like"; readonly subject: Subject; readonly pattern: Operand; readonly negated: boolean }
  | { readonly type: "contains"; readonly subject: Subject; readonly operand: Operand }
  | { readonly type: "isNull"; readonly subject: Subject; readonly negated: boolean }
  /**
   * Whether a condition is true for some element of an array: of the array at the first of `arrays`, or, where there are
   * more, of one that the next leads to from such an element. The paths of the condition lead on from the element. Never
   * unknown.
   */
  | { readonly type: "some"; readonly arrays: readonly Path[]; readonly where: Expression }
  /** Whether the value's type is this one or a later one in the order of types, from 0 (NULL) to 5. No text says it. */
  | { readonly type: "rank"; readonly subject: Subject; readonly from: number };

/** What a SELECT gives: each item has the name of its column. */
export type SelectItem = Subject & { readonly name: string };

/** What a SELECT is ordered by. An aggregate only if it is grouped. */
export type OrderKey = Subject & { readonly descending: boolean };

/** A SELECT. */
export interface Select {
  readonly type: "select";
  /** `undefined` stands for `*`. */
  readonly items: readonly SelectItem[] | undefined;
  readonly collection: string;
  readonly where: Expression | undefined;
  readonly groupBy: readonly Field[];
  /** Which groups to give. */
  readonly having: Expression | undefined;
  readonly orderBy: readonly OrderKey[];
  /** Of what `where` holds for, only what comes after a place in the order. */
  readonly from?: Place | undefined;
  readonly limit: Operand | undefined;
  readonly offset: Operand | undefined;
}

/** A place in an order. `later` holds for what comes after it: by the first key nothing of that is before `value`. */
export interface Place {
  readonly value: Operand;
  readonly later: Expression;
}

export interface Insert {
  readonly type: "insert";
  readonly collection: string;
  /** Each is a JSON object or an array of them, given as a lifted slot or a parameter. */
  readonly documents: readonly Operand[];
}

export type ArithmeticOperator = "+" | "-" | "*" | "/";

/** What an UPDATE computes from the document as it was: a value, a copy of another place, or arithmetic on numbers. */
export type Computation =
  | Operand
  | { readonly type: "path"; readonly path: Path }
  | {
      readonly type: "arithmetic";
      readonly operator: ArithmeticOperator;
      readonly left: Computation;
      readonly right: Computation;
    };

export interface Assignment {
  readonly path: Path;
  readonly value: Computation;
}

export interface Update {
  readonly type: "update";
  readonly collection: string;
  readonly assignments: readonly Assignment[];
  readonly where: Expression | undefined;
}

export interface Delete {
  readonly type: "delete";
  readonly collection: string;
  readonly where: Expression | undefined;
}

/** What is done at one place of a document: `inc`, `push` and `pull` take what is not there for 0 or an empty array. */
export interface DocumentStep {
  readonly kind: "set" | "unset" | "inc" | "push" | "pull";
  readonly path: Path;
  /** Undefined for `unset`. */
  readonly value: Operand | undefined;
}

/** A change of one document that a collection's handle asks for. No text says it. It gives the new version. */
export interface Change {
  readonly type: "change";
  readonly action: "update" | "replace" | "delete";
  readonly collection: string;
  /** Of an `update`. */
  readonly steps: readonly DocumentStep[];
  /** Of a `replace`: the JSON text of the new document. */
  readonly document: Operand | undefined;
  readonly where: Expression | undefined;
  /** The version that the document must have. */
  readonly version: Operand | undefined;
  /** Of the documents that `where` holds for the first; left out if it holds for one at most. */
  readonly first: { readonly orderBy: readonly OrderKey[]; readonly skipLocked: boolean } | undefined;
  /** Whether the changed document is given too. */
  readonly gives: "version" | "document";
}

export interface CreateCollection {
  readonly type: "createCollection";
  readonly collection: string;
}

export interface DropCollection {
  readonly type: "dropCollection";
  readonly collection: string;
}

export interface CreateIndex {
  readonly type: "createIndex";
  readonly collection: string;
  /** `undefined` where the text gives none: then the name is made from the paths. */
  readonly name: string | undefined;
  readonly paths: readonly IndexPath[];
  readonly unique: boolean;
}

export interface DropIndex {
  readonly type: "dropIndex";
  readonly collection: string;
  readonly name: string;
}

export interface Introspect {
  readonly type: "introspect";
  /** `undefined` lists the collections; a name lists that collection's indexes. */
  readonly collection: string | undefined;
}

export interface Explain {
  readonly type: "explain";
  readonly statement: Statement;
}

/** What a query's text was read as. */
export type Statement =
  | Select
  | Insert
  | Update
  | Delete
  | Change
  | CreateCollection
  | DropCollection
  | CreateIndex
  | DropIndex
  | Introspect
  | Explain;
