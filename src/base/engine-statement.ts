/** A statement for an engine. Values are never part of its text. */
export interface EngineStatement {
  readonly text: string;
  /** Made from the text's content, so that one name never stands for two texts. */
  readonly name: string;
  /** Whether it is worth keeping prepared; false for what runs once, such as DDL. */
  readonly prepare: boolean;
  /**
   * How much work it is at most: one document by its key, a bounded number of them, or any number.
   * SQLite runs the first on the caller's thread and the others on a worker's.
   */
  readonly cost: "point" | "bounded" | "scan";
  /** Whether it returns rows. */
  readonly returnsRows: boolean;
  /** Whether it changes documents and returns rows all the same. One that returns none may always change something. */
  readonly writes?: boolean;
  /**
   * Whether it is a user's own SQL: its result has the names of its columns, with values as `db.sql` documents them.
   * Such a statement may give rows whatever `returnsRows` says, which is then whether it only reads.
   */
  readonly raw?: boolean;
}

/** A statement that is not worth keeping prepared, and needs no name. */
export function unprepared(
  text: string,
  facts: Pick<EngineStatement, "cost" | "returnsRows">,
): EngineStatement {
  return Object.freeze({ text, name: "", prepare: false, ...facts });
}
