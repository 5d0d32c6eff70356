import type { Row } from "../base/document.ts";
import type { EngineStatement } from "../base/engine-statement.ts";
import type { Dialect } from "../dialect/dialect.ts";
import type { Statement } from "../query/syntax-tree.ts";

/** A caller's parameters: by position for `$1` and `?`, by name for `:name`. */
export type Parameters = readonly unknown[] | { readonly [name: string]: unknown };

/** A statement with the values for its placeholders. */
export interface BoundStatement {
  readonly statement: EngineStatement | undefined;
  readonly values: readonly unknown[];
  /**
   * The statement that answers this one for many sets of values at once: each value is an array then, and each row has one
   * column more, the number of its set from 1. Undefined if there is none.
   */
  readonly merged?: (() => EngineStatement | undefined) | undefined;
}

/**
 * A compiled query, frozen: everything that does not depend on values. It serves every text of its shape.
 */
export interface Plan {
  readonly kind: Statement["type"];
  /** The dialect that it was compiled for. */
  readonly dialect: Dialect["name"];
  /** The shape that it was compiled from; see `query/shape.ts`. */
  readonly shape: string;
  /** The collections whose change makes it stale. */
  readonly collections: readonly string[];
  /**
   * What running it costs; undefined where no statement does it and the engine layer acts itself (inserts, DDL,
   * INTROSPECT).
   */
  readonly cost: EngineStatement["cost"] | undefined;
  /** The tree that it was compiled from, for the layer that acts on inserts, DDL, INTROSPECT and EXPLAIN. */
  readonly tree: Statement;
  /**
   * The id that the query reads, where it is `SELECT *` of one document by its id and nothing more;
   * such reads are gathered into one. Undefined where the plan is of another kind or the id is no string.
   */
  readonly pointId: ((values: readonly unknown[], parameters: Parameters) => string | undefined) | undefined;
  /** The plan of the statement behind EXPLAIN; it binds the same values. Undefined for all other kinds. */
  readonly explained: Plan | undefined;
  /** Roughly the memory that keeping it costs. */
  readonly bytes: number;
  /**
   * What the engine runs for the shape's lifted literals and the caller's parameters: values of other types may be
   * compared by another statement. Where `cost` is undefined there is none, and the values are the operands. Throws
   * `FORMDB_PARAMETER_MISMATCH` for a missing, surplus or unusable one.
   */
  bind(values: readonly unknown[], parameters: Parameters): BoundStatement;
  /**
   * Of a change of one document that can be made in a group: the statement that is run for the group, or for each change in it,
   * and the values of this one. Undefined for all others.
   */
  readonly bindInGroup: ((values: readonly unknown[]) => BoundStatement) | undefined;
  /** One row of the result from the engine's columns. */
  decode(columns: readonly unknown[]): Row;
}
