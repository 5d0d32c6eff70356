import type { CallOptions } from "../base/abort.ts";
import type { Row } from "../base/document.ts";
import { FormDBError } from "../base/errors.ts";
import { configError, show } from "../base/options.ts";
import { quote } from "../dialect/quote.ts";
import type { QueryResult } from "./read.ts";

/** How a call of `sql` runs. */
export interface SqlOptions extends CallOptions {
  /**
   * Whether the statement only reads. PostgreSQL then may answer it from a replica, and takes the caller's word for it;
   * SQLite knows by itself, and refuses a statement that writes all the same. Default false.
   */
  readonly readOnly?: boolean | undefined;
}

/** The engine's own SQL, run through the pool, the prepared statements and the metrics of a database. */
export interface Sql {
  /** Runs a text with values for its places: `$1` on PostgreSQL, `?` on SQLite. */
  <R extends object = Row>(
    text: string,
    values?: readonly unknown[],
    options?: SqlOptions,
  ): Promise<QueryResult<R>>;
  /** Runs a fragment that is a whole statement. */
  <R extends object = Row>(fragment: SqlFragment, options?: SqlOptions): Promise<QueryResult<R>>;
  /** Runs a template: what stands in `${ }` is a value, or a fragment. */
  <R extends object = Row>(
    strings: TemplateStringsArray,
    ...values: readonly unknown[]
  ): Promise<QueryResult<R>>;
  /** A part of a statement, to be put into a template. */
  fragment(strings: TemplateStringsArray, ...values: readonly unknown[]): SqlFragment;
  /** A name as a fragment, quoted whatever is in it. */
  identifier(name: string): SqlFragment;
}

/** A part of a statement: its text, and the values between. Made by `sql.fragment` and `sql.identifier`. */
export class SqlFragment {
  readonly #texts: readonly string[];
  readonly #values: readonly unknown[];

  /** There is one text more than there are values. */
  constructor(texts: readonly string[], values: readonly unknown[]) {
    const own = [texts[0]!];
    const all: unknown[] = [];
    values.forEach((value, i) => {
      if (value instanceof SqlFragment) {
        own[own.length - 1] += value.#texts[0]!;
        own.push(...value.#texts.slice(1));
        all.push(...value.#values);
        own[own.length - 1] += texts[i + 1]!;
      } else {
        all.push(value);
        own.push(texts[i + 1]!);
      }
    });
    this.#texts = own;
    this.#values = all;
  }

  /** The statement for an engine that writes the n-th value's place so. */
  statement(placeholder: Placeholder): SqlStatement {
    const text = this.#texts.reduce((before, next, i) => before + placeholder(i) + next);
    return { text, values: this.#values };
  }
}

/** How an engine writes the place of the n-th value, from 1. */
export type Placeholder = (position: number) => string;

/** A text of the engine's own SQL, and the values for its places. */
export interface SqlStatement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** Makes the function `sql` of a database or of a transaction over what runs its statements. */
export function sqlFunction(
  placeholder: Placeholder,
  run: (statement: SqlStatement, options: SqlOptions) => Promise<QueryResult>,
): Sql {
  const sql = async (first: unknown, ...rest: readonly unknown[]): Promise<QueryResult> => {
    if (first instanceof SqlFragment) return start(first.statement(placeholder), rest[0]);
    if (isTemplate(first)) return start(new SqlFragment(first, rest).statement(placeholder), undefined);
    return start({ text: first as string, values: (rest[0] ?? []) as readonly unknown[] }, rest[1]);
  };
  const start = (statement: SqlStatement, options: unknown): Promise<QueryResult> => {
    checkStatement(statement, placeholder(1));
    return run(statement, (options === undefined ? {} : options) as SqlOptions);
  };
  return Object.freeze(
    Object.assign(sql as Sql, {
      fragment: (strings: TemplateStringsArray, ...values: readonly unknown[]) =>
        new SqlFragment(strings, values),
      identifier: (name: string) => new SqlFragment([quotedName(name)], []),
    }),
  );
}

function isTemplate(value: unknown): value is TemplateStringsArray {
  return Array.isArray(value) && Array.isArray((value as Partial<TemplateStringsArray>).raw);
}

function quotedName(name: unknown): string {
  if (typeof name === "string" && name !== "" && !name.includes("\0")) return quote(name);
  throw configError(
    `An SQL identifier must be a string that is not empty and has no U+0000, unlike ${show(name)}`,
  );
}

/** `firstPlace` is how the engine writes the place of the first value. */
function checkStatement({ text, values }: SqlStatement, firstPlace: string): void {
  if (typeof text !== "string" || text.trim() === "") {
    throw new FormDBError(
      "FORMDB_SYNTAX",
      `An SQL statement must be a string that is not empty, not ${show(text)}`,
    );
  }
  // The engines' own interfaces take it for the end of the text.
  if (text.includes("\0")) {
    throw new FormDBError("FORMDB_SYNTAX", "An SQL statement must not contain U+0000");
  }
  if (!Array.isArray(values)) {
    throw new FormDBError(
      "FORMDB_PARAMETER_MISMATCH",
      `An SQL statement's values must be an array, not ${show(values)}`,
    );
  }
  // PostgreSQL would complain of whatever stands behind the ?.
  if (values.length > 0 && !text.includes(firstPlace) && text.includes("?")) {
    throw new FormDBError(
      "FORMDB_PARAMETER_MISMATCH",
      `The places of an SQL statement's values must be written ${firstPlace} and so on for this engine, not ?`,
    );
  }
  const wrong = values.findIndex((value) => ["undefined", "function", "symbol"].includes(typeof value));
  if (wrong === -1) return;
  throw new FormDBError(
    "FORMDB_PARAMETER_MISMATCH",
    `Value ${wrong + 1} of an SQL statement must be one that the driver takes, with null for NULL, not ${show(values[wrong])}`,
  );
}
