import type { EngineStatement } from "../../base/engine-statement.ts";
import type { EngineResult, ImmediateReads } from "../backend.ts";
import { sqliteError } from "./errors.ts";
import type { SqliteSession } from "./session.ts";
import type { ThreadChoice } from "./thread-choice.ts";

/** Short reads by a session on the caller's thread. */
export class SqliteImmediateReads implements ImmediateReads {
  readonly #session: SqliteSession;
  readonly #choice: ThreadChoice;
  #usedMs: number | undefined;

  constructor(session: SqliteSession, choice: ThreadChoice) {
    this.#session = session;
    this.#choice = choice;
  }

  execute({ text, cost }: EngineStatement, values: readonly unknown[], at: number): EngineResult {
    if (cost !== "point") this.#usedMs = this.#choice.usedBefore(at);
    try {
      return this.#session.read(text, values);
    } catch (error) {
      throw sqliteError("The query", this.#session.failureOf(error), { cause: error });
    }
  }

  took({ cost, name }: EngineStatement, ms: number): void {
    if (cost !== "point") this.#choice.ran(name, ms, this.#usedMs);
  }

  get(collection: string, id: string): string | undefined {
    try {
      return this.#session.getText(collection, id);
    } catch (error) {
      throw sqliteError("The query", this.#session.failureOf(error), { cause: error });
    }
  }
}
