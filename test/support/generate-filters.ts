import { generateValue, STRINGS } from "./generate-documents.ts";
import type { Random } from "./random.ts";

/** Fields of a document, of what is in its array `i`, and of what is in the arrays `p` there. */
const FIELDS = [
  [
    "a",
    "b",
    "n",
    "s",
    "t",
    "o",
    "o.x",
    "o.y",
    "t[0]",
    "t[*]",
    "o.x[*]",
    "i",
    "i[*]",
    "i[*]",
    "i[*].x",
    "i[*].p[*].y",
    "id",
  ],
  ["x", "id", "p", "x[*]", "p[*]", "p[*].y"],
  ["x", "y", "x[0]"],
] as const;

/** A filter as data: of a document at first, then of what objects and elements hold. */
export function generateFilter(random: Random, pool: readonly unknown[], level = 0, depth = 0): object {
  const filter: Record<string, unknown> = {};
  const inner = (): object => generateFilter(random, pool, level, depth + 1);
  for (const kind of random.some(1, 3, () => random.below(12))) {
    if (depth < 2 && kind === 0) filter.not = inner();
    else if (depth < 2 && kind === 1) filter[random.pick(["or", "and"])] = random.some(1, 3, inner);
    else {
      const field = random.pick(FIELDS[level]!);
      filter[field] = generateCondition(random, pool, { field, level, depth });
    }
  }
  return filter;
}

/** What stands at a field: a value, operators, or for what may be an object its fields. */
function generateCondition(
  random: Random,
  pool: readonly unknown[],
  { field, level, depth }: { readonly field: string; readonly level: number; readonly depth: number },
): unknown {
  const value = (): unknown => {
    const made = random.chance(0.6) && pool.length > 0 ? random.pick(pool) : generateValue(random);
    return made ?? "a";
  };
  const next = field === "p[*]" ? 2 : 1;
  if (depth < 3 && level < 2 && random.chance(0.6) && (field === "i[*]" || field === "p[*]")) {
    return generateFilter(random, pool, Math.max(level + 1, next), depth + 1);
  }
  if (random.chance(0.15)) return null;
  if (random.chance(0.2)) return { eq: value() };
  const made: Record<string, unknown> = {};
  for (const operator of random.some(1, 2, () => random.pick(OPERATORS))) {
    const again = (): unknown => generateCondition(random, pool, { field: "s", level, depth: depth + 1 });
    switch (operator) {
      case "in":
      case "notIn":
        made[operator] = random.some(0, 3, () => (random.chance(0.2) ? null : value()));
        break;
      case "between":
        made.between = [value(), value()];
        break;
      case "like":
        made.like = `${random.pick(["", "%"])}${random.pick(STRINGS.slice(0, 8))}${random.pick(["", "%", "_"])}`;
        break;
      case "exists":
        made.exists = random.chance(0.5);
        break;
      case "not":
        if (depth < 2) made.not = asObject(again());
        break;
      case "or":
        if (depth < 2) made.or = random.some(1, 2, () => asObject(again()));
        break;
      default:
        made[operator] = value();
    }
  }
  return Object.keys(made).length === 0 ? { ne: value() } : made;
}

/** Beneath `not` and `or` there are filters, and no bare values. */
function asObject(condition: unknown): object {
  return condition === null ? { eq: null } : (condition as object);
}

const OPERATORS = [
  "eq",
  "ne",
  "gt",
  "gte",
  "lt",
  "lte",
  "in",
  "notIn",
  "like",
  "between",
  "exists",
  "contains",
  "not",
  "or",
] as const;
