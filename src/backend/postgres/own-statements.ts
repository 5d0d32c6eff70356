import { type EngineStatement, unprepared } from "../../base/engine-statement.ts";
import { statementName } from "../../dialect/statement-name.ts";

/** A statement of the backend's own, kept prepared. */
export function statementOf(text: string, options: Partial<EngineStatement> = {}): EngineStatement {
  const name = statementName(text);
  return Object.freeze({ text, name, prepare: true, cost: "bounded", returnsRows: true, ...options });
}

/** A statement that gives no rows that anybody reads, such as one that begins or ends a transaction, or makes a table. */
export function control(text: string): EngineStatement {
  return unprepared(text, { cost: "bounded", returnsRows: false });
}
