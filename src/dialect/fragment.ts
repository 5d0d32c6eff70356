import type { JsonValue } from "../base/document.ts";

/** A place for a bound value: which operand it comes from, and how that becomes what the driver is given. */
export interface Bound {
  /** The operand's number among those of the statement. */
  readonly operand: number;
  readonly encode: (value: JsonValue) => unknown;
}

/** A piece of a statement: text, with places for values in between. */
export type Fragment = readonly (string | Bound)[];

/** Builds a fragment from a template; what is filled in is text, a place for a value, or a fragment. */
export function sql(
  texts: TemplateStringsArray,
  ...filled: readonly (string | Bound | Fragment)[]
): Fragment {
  const pieces: (string | Bound)[] = [];
  add(pieces, texts[0]!);
  for (let i = 0; i < filled.length; i++) {
    const piece = filled[i]!;
    if (isFragment(piece)) for (const inner of piece) add(pieces, inner);
    else add(pieces, piece);
    add(pieces, texts[i + 1]!);
  }
  return pieces;
}

/** Several fragments with the same text between each two. */
export function join(fragments: readonly (string | Fragment)[], separator: string): Fragment {
  return fragments.reduce<Fragment>(
    (left, right, i) => (i === 0 ? sql`${right}` : sql`${left}${separator}${right}`),
    [],
  );
}

/**
 * Conditions joined by `AND` or `OR`, nested as a balanced tree: SQLite refuses expressions that are deeper than
 * 1 000, which a plain chain of so many would be. None at all is `empty`.
 */
export function combine(operator: "AND" | "OR", conditions: readonly Fragment[]): Fragment {
  if (conditions.length === 0) return [operator === "AND" ? "TRUE" : "FALSE"];
  if (conditions.length === 1) return conditions[0]!;
  // A few in a row are what people read best, and what planners take apart most easily.
  if (conditions.length <= 8) return sql`(${join(conditions, ` ${operator} `)})`;
  const middle = conditions.length >> 1;
  const left = combine(operator, conditions.slice(0, middle));
  return sql`(${left} ${operator} ${combine(operator, conditions.slice(middle))})`;
}

function isFragment(piece: string | Bound | Fragment): piece is Fragment {
  return Array.isArray(piece);
}

function add(pieces: (string | Bound)[], piece: string | Bound): void {
  if (piece === "") return;
  const last = pieces.at(-1);
  if (typeof piece === "string" && typeof last === "string") pieces[pieces.length - 1] = last + piece;
  else pieces.push(piece);
}
