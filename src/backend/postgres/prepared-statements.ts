import { StatementLru } from "../../cache/statement-lru.ts";
import type { ColumnDecoder } from "./column-decoders.ts";

/** What a connection knows of a statement that it prepared. */
export interface PreparedStatement {
  /** How its columns are read; undefined until the server has described them. */
  decoders: readonly ColumnDecoder[] | undefined;
  /** The names of its columns, where it is `raw`; undefined until the server has described them. */
  columns: readonly string[] | undefined;
}

/**
 * The statements that one connection keeps prepared: a bounded LRU. What it pushes out waits in a list until the
 * next call carries its `Close` to the server, so that neither side ever keeps more than the limit.
 */
export class PreparedStatements {
  readonly #known: StatementLru<PreparedStatement>;
  #toClose: string[] = [];

  constructor(limit: number) {
    this.#known = new StatementLru(Math.max(1, limit), (name) => this.#toClose.push(name));
  }

  get size(): number {
    return this.#known.size;
  }

  has(name: string): boolean {
    return this.#known.has(name);
  }

  /** The statement, which becomes the most recent; undefined where it is not prepared. */
  use(name: string): PreparedStatement | undefined {
    return this.#known.get(name);
  }

  /** Takes a statement that the server has accepted. */
  add(name: string): PreparedStatement {
    const statement: PreparedStatement = { decoders: undefined, columns: undefined };
    this.#known.set(name, statement);
    return statement;
  }

  /** Drops a statement on both sides. */
  forget(name: string): void {
    this.#known.delete(name);
  }

  /** Drops all on both sides, of which the server may have dropped some already. */
  clear(): void {
    this.#known.clear();
  }

  /** A statement whose first use failed: the server may have it or not, and closing it is right in both cases. */
  uncertain(name: string): void {
    if (!this.#known.delete(name)) this.#toClose.push(name);
  }

  /** Drops a statement that the server does not have. */
  lost(name: string): void {
    if (this.#known.delete(name)) this.#toClose.pop();
  }

  /** The names to close on the server with the next call. They are the caller's now. */
  takeClosed(): readonly string[] {
    if (this.#toClose.length === 0) return NONE;
    const names = this.#toClose;
    this.#toClose = [];
    return names;
  }
}

const NONE: readonly string[] = Object.freeze([]);
