import type { JsonValue } from "../base/document.ts";

/** A place for a bound value: which operand it comes from, and how that becomes what the driver is given. */
export interface Bound {
  /** The operand's number among those of the statement. */
  readonly operand: number;
  readonly encode: (value: JsonValue) => unknown;
}

/** A piece that is spelled by what kind of value an operand has, which is known when the statement is bound. */
export interface Choice {
  readonly operand: number;
  /** A short name for the kind; each kind is a statement of its own. */
  readonly kindOf: (value: JsonValue) => string;
  readonly spell: (kind: string) => Fragment;
}

/**
 * A condition of several parts: `first` is cheap and leaves few rows, `then` is asked of those. Where several such
 * conditions are joined by `AND`, each one's `first` comes before the `then` of any. In parentheses where it stands
 * alone.
 */
export interface Steps {
  readonly first: Fragment;
  readonly then: readonly Fragment[];
}

/** Conditions joined by `AND`. */
export interface All {
  readonly all: readonly Fragment[];
}

/** A piece of a statement: text, with places for values in between. */
export type Fragment = readonly Piece[];
export type Piece = string | Bound | Choice | Steps | All;

/** A fragment without choices: what a dialect's text is made from. */
export type PlainFragment = readonly (string | Bound)[];

/** Builds a fragment from a template; what is filled in is text, a place for a value, or a fragment. */
export function sql(texts: TemplateStringsArray, ...filled: readonly (Piece | Fragment)[]): Fragment {
  const pieces: Piece[] = [];
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

/** The terms of an order, from the smallest value or from the greatest. */
export function direct(terms: readonly string[], descending: boolean): readonly string[] {
  return terms.map((term) => (descending ? `${term} DESC` : term));
}

/** Conditions joined by `AND` or `OR`; those of none at all are true or false. */
export function combine(operator: "AND" | "OR", conditions: readonly Fragment[]): Fragment {
  if (conditions.length === 0) return [operator === "AND" ? "TRUE" : "FALSE"];
  if (conditions.length === 1) return conditions[0]!;
  return operator === "AND" ? [{ all: conditions }] : chain("OR", conditions);
}

/** A condition of several parts, each of which narrows down what the next is asked of. */
export function steps(first: Fragment, ...then: readonly Fragment[]): Fragment {
  return then.length === 0 ? first : [{ first, then }];
}

/** A condition that is spelled by the kind of an operand's value. */
export function choice(
  operand: number,
  kindOf: (value: JsonValue) => string,
  spell: (kind: string) => Fragment,
): Fragment {
  return [{ operand, kindOf, spell }];
}

/** The choices of a fragment in their order. What a choice spells holds none. */
export function choicesIn(fragment: Fragment): readonly Choice[] {
  return fragment.flatMap((piece) => {
    if (typeof piece === "string" || "encode" in piece) return [];
    if ("spell" in piece) return [piece];
    return ("all" in piece ? piece.all : [piece.first, ...piece.then]).flatMap(choicesIn);
  });
}

/** The fragment with its choices made: `kinds` has one for each of `choicesIn`. */
export function settle(fragment: Fragment, kinds: readonly string[]): PlainFragment {
  let next = 0;
  const choose = (piece: Piece): Fragment =>
    typeof piece === "object" && "spell" in piece ? piece.spell(kinds[next++]!) : [piece];
  const flatten = (fragment: Fragment): Fragment => {
    const settled: Piece[] = [];
    for (const piece of fragment) {
      for (const chosen of choose(piece)) {
        if (typeof chosen === "string" || "encode" in chosen) add(settled, chosen);
        else for (const inner of flatten(chain("AND", narrowing(chosen)))) add(settled, inner);
      }
    }
    return settled;
  };
  const narrowing = (piece: Piece): readonly Fragment[] => {
    const leading: Fragment[] = [];
    const following = new Map<string, Fragment>();
    const visit = (piece: Piece): void => {
      if (typeof piece === "string" || "encode" in piece || "spell" in piece) leading.push([piece]);
      else if ("all" in piece) {
        for (const condition of piece.all) {
          const chosen = condition.length === 1 ? choose(condition[0]!) : flatten(condition);
          if (chosen.length === 1) visit(chosen[0]!);
          else leading.push(chosen);
        }
      } else {
        leading.push(flatten(piece.first));
        for (const condition of piece.then.map(flatten)) {
          // The same question about a type is asked once; with values in it, it is another one.
          following.set(condition.length === 1 ? String(condition[0]) : `#${following.size}`, condition);
        }
      }
    };
    visit(piece);
    return [...leading, ...following.values()];
  };
  return flatten(fragment) as PlainFragment;
}

/**
 * Conditions in parentheses, nested as a balanced tree: SQLite refuses expressions that are deeper than 1 000, which a
 * plain chain of as many would be.
 */
function chain(operator: "AND" | "OR", conditions: readonly Fragment[]): Fragment {
  if (conditions.length === 1) return conditions[0]!;
  // A few in a row are what people read best, and what planners take apart most easily.
  if (conditions.length <= 8) return sql`(${join(conditions, ` ${operator} `)})`;
  const middle = conditions.length >> 1;
  const left = chain(operator, conditions.slice(0, middle));
  return sql`(${left} ${operator} ${chain(operator, conditions.slice(middle))})`;
}

function isFragment(piece: Piece | Fragment): piece is Fragment {
  return Array.isArray(piece);
}

function add(pieces: Piece[], piece: Piece): void {
  if (piece === "") return;
  const last = pieces.at(-1);
  if (typeof piece === "string" && typeof last === "string") pieces[pieces.length - 1] = last + piece;
  else pieces.push(piece);
}
