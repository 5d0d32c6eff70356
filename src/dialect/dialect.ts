import type { DdlDialect, IndexOf } from "./ddl-dialect.ts";
import type { ExpressionDialect } from "./expression-dialect.ts";
import type { Fragment, PlainFragment } from "./fragment.ts";

/** The parts of a change of one document: its table, the document that it makes, and the condition for that. */
export interface ChangeParts {
  readonly table: string;
  readonly document: Fragment;
  readonly condition: Fragment;
}

/** How many changes of one form are made by one statement. */
export interface ChangeGroup {
  /** What stands in that statement for the n-th value of each change, from 1. */
  place(position: number): string;
  statement(parts: ChangeParts): Fragment;
}

/** How an engine spells things. Pure: text in, text out. Each dialect's folder holds one file a part. */
export interface Dialect {
  readonly name: "sqlite" | "postgres";
  /** The n-th bound parameter, from 1. */
  placeholder(position: number): string;
  /** A quoted identifier; the name was validated before. */
  identifier(name: string): string;
  /** What turns a statement into one that tells the engine's plan; each row's last column is a line of it. */
  readonly explainPrefix: string;
  /**
   * The text of a statement that answers another one for many sets of values at once (see `postgres/merged.ts`); undefined if
   * that one can't be. Left out by dialects without a network in between, which gain nothing.
   */
  readonly merged?: ((pieces: PlainFragment) => string | undefined) | undefined;
  /**
   * The dialect for statements about a collection whose indexes are known. `indexOf` gives one that holds what is at a path,
   * or at one in each element of an array; a wrong answer costs time and changes no result. Left out by dialects to which it
   * makes no difference.
   */
  readonly knowing?: ((indexOf: IndexOf) => Dialect) | undefined;
  /**
   * How changes of single documents are made in groups: by one statement, or one after the other in a transaction. Left out by
   * dialects whose engines are given each by itself.
   */
  readonly changeGroup?: ChangeGroup | "one by one" | undefined;
  /** Whether a document that a filter means is found by a statement of its own before it is changed: where none can lock what it finds. */
  readonly findsFirst?: boolean | undefined;
  readonly expressions: ExpressionDialect;
  readonly ddl: DdlDialect;
}
