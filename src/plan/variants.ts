import type { JsonValue } from "../base/document.ts";
import type { EngineStatement } from "../base/engine-statement.ts";
import type { Dialect } from "../dialect/dialect.ts";
import { type Bound, choicesIn, type Fragment, type PlainFragment, settle } from "../dialect/fragment.ts";
import { statementName } from "../dialect/statement-name.ts";
import type { Decode } from "./decode.ts";
import type { BoundStatement } from "./plan.ts";

/** A statement's text, and what its placeholders stand for in their order. */
interface Variant {
  readonly statement: EngineStatement;
  readonly bounds: readonly Bound[];
  readonly merged: BoundStatement["merged"];
}

/** How many spellings of one statement are kept. Real callers give an operand values of one type or two. */
const MAX_VARIANTS = 16;

/**
 * A fragment as the statements that it stands for: one for each combination of the kinds of values that it is given.
 * Each is spelled when it is first asked for.
 */
export class Variants {
  readonly #fragment: Fragment;
  readonly #choices: ReturnType<typeof choicesIn>;
  readonly #dialect: Dialect;
  readonly #facts: StatementFacts;
  readonly #kept = new Map<string, Variant>();
  #lastKey: string | undefined;
  #last: Variant | undefined;

  constructor(fragment: Fragment, dialect: Dialect, facts: StatementFacts) {
    this.#fragment = fragment;
    this.#choices = choicesIn(fragment);
    this.#dialect = dialect;
    this.#facts = facts;
  }

  /** The statement for these operands, and their values as the driver is given them. */
  bind(operands: readonly JsonValue[]): BoundStatement {
    const { statement, bounds, merged } = this.#variant(operands);
    const values = new Array<unknown>(bounds.length);
    for (let i = 0; i < values.length; i++) {
      const { operand, encode } = bounds[i]!;
      values[i] = encode(operands[operand]!);
    }
    return { statement, values, merged };
  }

  /** Roughly the bytes of one statement and its places. */
  get size(): { readonly text: number; readonly places: number } {
    // An empty list is a value that every choice can be asked for.
    const { statement, bounds } = this.#spell(this.#choices.map(({ kindOf }) => kindOf([])));
    return { text: statement.text.length, places: bounds.length };
  }

  #variant(operands: readonly JsonValue[]): Variant {
    const choices = this.#choices;
    let key = "";
    for (let i = 0; i < choices.length; i++) {
      const { operand, kindOf } = choices[i]!;
      const kind = kindOf(operands[operand]!);
      // Most statements have one at most, and so nothing to put together.
      key = i === 0 ? kind : `${key},${kind}`;
    }
    if (key === this.#lastKey) return this.#last!;
    let variant = this.#kept.get(key);
    if (variant === undefined) {
      variant = this.#spell(key.split(","));
      this.#kept.set(key, variant);
      if (this.#kept.size > MAX_VARIANTS) this.#kept.delete(this.#kept.keys().next().value!);
    }
    this.#lastKey = key;
    this.#last = variant;
    return variant;
  }

  #spell(kinds: readonly string[]): Variant {
    const bounds: Bound[] = [];
    let text = "";
    const pieces = settle(this.#fragment, kinds);
    for (const piece of pieces) {
      if (typeof piece === "string") text += piece;
      else text += this.#dialect.placeholder(bounds.push(piece));
    }
    return { statement: preparedStatement(text, this.#facts), bounds, merged: this.#merger(pieces) };
  }

  /** Makes the merged form of a statement when it is first asked for. */
  #merger(pieces: PlainFragment): BoundStatement["merged"] {
    const { merged } = this.#dialect;
    if (merged === undefined || !this.#facts.returnsRows) return undefined;
    let made: EngineStatement | undefined | null = null;
    return () => {
      if (made === null) {
        const text = merged(pieces);
        made = text === undefined ? undefined : preparedStatement(text, this.#facts);
      }
      return made;
    };
  }
}

/** What is known of a statement before it is spelled. */
export type StatementFacts = Pick<EngineStatement, "cost" | "returnsRows" | "writes">;

/** The part of a plan that an engine runs. */
export interface Executable extends StatementFacts {
  readonly fragment: Fragment;
  readonly decode: Decode;
  /** Of a change of one document: the statement that makes many of its form, if there is one. */
  readonly group?: Fragment | undefined;
}

/** A statement that is kept prepared. */
function preparedStatement(text: string, { cost, returnsRows, writes }: StatementFacts): EngineStatement {
  const statement = { text, name: statementName(text), prepare: true, cost, returnsRows };
  return Object.freeze(writes === true ? { ...statement, writes } : statement);
}
