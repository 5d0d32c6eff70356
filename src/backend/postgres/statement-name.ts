import { createHash } from "node:crypto";
import type { EngineStatement } from "../../base/engine-statement.ts";

/** A statement of the backend's own, named by its content as the compiler's are. */
export function statementOf(text: string, options: Partial<EngineStatement> = {}): EngineStatement {
  const name = `formdb_${createHash("sha256").update(text).digest("base64url").slice(0, 22)}`;
  return Object.freeze({ text, name, prepare: true, cost: "bounded", returnsRows: true, ...options });
}

/** A statement that is not worth preparing, and gives no rows that anybody reads. */
export function unprepared(text: string): EngineStatement {
  return Object.freeze({ text, name: "", prepare: false, cost: "bounded", returnsRows: false });
}
