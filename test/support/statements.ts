import type { EngineStatement } from "../../src/base/engine-statement.ts";

/** A signal that never fires. */
export const never: AbortSignal = new AbortController().signal;

/** A statement as the compiler would make it; its text is its name, by content. */
export function statement(text: string, parts: Partial<EngineStatement> = {}): EngineStatement {
  return {
    text,
    name: `t_${Buffer.from(text).toString("hex").slice(-50)}`,
    prepare: true,
    cost: "scan",
    returnsRows: true,
    ...parts,
  };
}

/** A statement that changes something and gives no rows. */
export function change(text: string): EngineStatement {
  return statement(text, { returnsRows: false });
}

/** A statement that is not kept prepared. */
export function once(text: string): EngineStatement {
  return statement(text, { prepare: false, returnsRows: false });
}
