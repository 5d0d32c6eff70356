import type { EngineStatement } from "../base/engine-statement.ts";
import type { CacheMissReason } from "../base/observer.ts";

/** What is known of how a query is run: what `EXPLAIN` gives as data. */
export interface Explanation {
  readonly kind: string;
  readonly shape: string;
  /** How the look-up in the plan cache ended. */
  readonly cache: "hit" | CacheMissReason;
  /** Whether calls of this shape that are under way together may become one statement. */
  readonly merges: boolean;
  /** Undefined where no single statement of the engine does it. */
  readonly statement: string | undefined;
  readonly cost: CostClass | undefined;
  /**
   * The conditions of WHERE, each with the index that leads to its documents; without one it is asked of each
   * document.
   */
  readonly conditions: readonly { readonly text: string; readonly index: string | undefined }[];
  /** The indexes that the engine uses. */
  readonly indexes: readonly string[];
  /** The engine's own plan, a line each. */
  readonly enginePlan: readonly string[];
}

/** How many documents are looked at. */
export type CostClass = EngineStatement["cost"] | "indexed";

const COSTS: Readonly<Record<CostClass, string>> = Object.freeze({
  point: "point (one document, by its key)",
  bounded: "bounded (a few documents, by their keys)",
  indexed: "indexed (the documents to which an index leads)",
  scan: "scan (all documents)",
});

/** An explanation as a tree for people to read. Lines end in no blank, and the text in no newline. */
export function renderExplanation(explanation: Explanation): string {
  const { kind, shape, cache, merges, statement, cost, conditions, indexes, enginePlan } = explanation;
  const branches: [label: string, lines: readonly string[]][] = [
    ["shape", [shape]],
    ["cache", [cache === "hit" ? "hit" : `miss: ${cache}`]],
  ];
  if (cost !== undefined) branches.push(["cost", [COSTS[cost]]]);
  if (merges) branches.push(["merges", ["with calls of the same shape, if they are short"]]);
  if (conditions.length > 0) {
    const longest = Math.max(...conditions.map(({ text }) => text.length)) + 2;
    branches.push(["where", conditions.map(({ text, index = "no index" }) => text.padEnd(longest) + index)]);
  }
  if (statement !== undefined) {
    branches.push(["index", [indexes.length === 0 ? "none" : indexes.join(", ")]]);
    branches.push(["statement", clauses(statement)]);
  }
  if (enginePlan.length > 0) branches.push(["engine", enginePlan]);
  const width = Math.max(...branches.map(([label]) => label.length)) + 2;
  const text = branches.flatMap(([label, lines], i) => {
    const last = i === branches.length - 1;
    return lines.map((line, n) => {
      const stem = n > 0 ? (last ? "   " : "│  ") : last ? "└─ " : "├─ ";
      return `${stem}${(n === 0 ? label : "").padEnd(width)}${line}`.trimEnd();
    });
  });
  return [kind.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`), ...text].join("\n");
}

/** Words before which a statement's text is broken: the clauses, outside of all parentheses. */
const CLAUSE = /^ (?:FROM|SET|WHERE|GROUP BY|HAVING|ORDER BY|LIMIT|OFFSET) /;
/** Conditions are broken inside the first pair of parentheses too, which goes around all of them. */
const CONDITION = /^ (?:AND|OR) /;

/** A statement's text, cut into lines. */
function clauses(statement: string): readonly string[] {
  const lines: string[] = [];
  let start = 0;
  let depth = 0;
  let quote = "";
  for (let i = 0; i < statement.length; i++) {
    const char = statement[i]!;
    if (quote !== "") {
      if (char === quote) quote = "";
    } else if (char === "'" || char === '"') quote = char;
    else if (char === "(") depth++;
    else if (char === ")") depth--;
    else if (char === " " && depth <= 1) {
      const next = statement.slice(i, i + 10);
      const clause = depth === 0 && CLAUSE.test(next);
      if (!clause && !CONDITION.test(next)) continue;
      lines.push(statement.slice(start, i));
      start = i + 1;
    }
  }
  lines.push(statement.slice(start));
  return lines.map((line) => (/^(?:AND|OR) /.test(line) ? `  ${line}` : line));
}
