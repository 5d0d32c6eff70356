import { createHash } from "node:crypto";
import type { EngineStatement } from "../base/engine-statement.ts";
import type { Dialect } from "../dialect/dialect.ts";
import type { Bound, Fragment } from "../dialect/fragment.ts";

/** A name made from a statement's text: 128 bits of its SHA-256, so that no two texts share one. */
export function statementName(text: string): string {
  return `f${createHash("sha256").update(text).digest("hex").slice(0, 32)}`;
}

/** The text of a fragment, and what its placeholders stand for in their order. */
export function assemble(fragment: Fragment, dialect: Dialect): { text: string; bounds: readonly Bound[] } {
  const bounds: Bound[] = [];
  let text = "";
  for (const piece of fragment) {
    if (typeof piece === "string") text += piece;
    else text += dialect.placeholder(bounds.push(piece));
  }
  return { text, bounds };
}

/** A statement that is kept prepared. */
export function preparedStatement(
  text: string,
  cost: EngineStatement["cost"],
  returnsRows: boolean,
): EngineStatement {
  return Object.freeze({ text, name: statementName(text), prepare: true, cost, returnsRows });
}
