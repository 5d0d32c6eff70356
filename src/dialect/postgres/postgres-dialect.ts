import { FormDBError } from "../../base/errors.ts";
import type { IndexPath } from "../../base/subject.ts";
import type { IndexDefinition, IndexOf } from "../ddl-dialect.ts";
import type { Dialect } from "../dialect.ts";
import type { DocumentChange } from "../expression-dialect.ts";
import type { Fragment } from "../fragment.ts";
import { quote } from "../quote.ts";
import { changeGroup } from "./change-group.ts";
import { postgresDdl } from "./ddl.ts";
import { expressionsFor } from "./expressions.ts";
import { mergedText } from "./merged.ts";
import { NOW_MS } from "./names.ts";
import { type EngineProfile, PROFILES } from "./profiles.ts";
import { always, type IndexedAs, type IndexedAt } from "./terms.ts";

/** How an engine behind PostgreSQL's protocol spells things. */
export function dialectOf(profile: EngineProfile, indexedAt: IndexedAt = always): Dialect {
  const postgresExpressions = expressionsFor({ indexedAt, shortCase: profile.shortCase });
  // Citus refuses volatile functions in an UPDATE of many shards.
  const expressions = Object.freeze({
    ...postgresExpressions,
    now: profile.distributes ? NOW_MS : postgresExpressions.now,
    change: profile.nestsSubqueries
      ? postgresExpressions.change
      : (change: DocumentChange): Fragment => postgresExpressions.change(withoutNesting(change, profile)),
  });
  return Object.freeze({
    name: "postgres",
    placeholder: (position: number): string => `$${position}`,
    identifier: quote,
    explainPrefix: "EXPLAIN ",
    ...(profile.mergesReads ? { merged: mergedText } : {}),
    ...(profile.groupsChanges ? { changeGroup } : {}),
    findsFirst: !profile.locksInOrder,
    ...(profile.spellsByIndexes
      ? {
          knowing: (indexOf: IndexOf): Dialect =>
            dialectOf(profile, (path) => indexedAs(path, indexOf(path))),
        }
      : {}),
    expressions,
    ddl: postgresDdl(profile),
  });
}

/** Each operation is a subquery, and Citus 13.2 takes none within another in an UPDATE: what nests is refused instead. */
function withoutNesting(change: DocumentChange, { name }: EngineProfile): DocumentChange {
  for (const part of change.leaves) {
    if (part.kind !== "compute" || part.value.type !== "arithmetic") continue;
    const { left, right } = part.value;
    if (left.type !== "arithmetic" && right.type !== "arithmetic") continue;
    throw new FormDBError(
      "FORMDB_UNSUPPORTED",
      `Arithmetic in SET can be one operation on ${name}, as in n = n + 1, not several; change the documents in a transaction`,
    );
  }
  return change;
}

function indexedAs(path: IndexPath, index: IndexDefinition | undefined): IndexedAs | undefined {
  if (index === undefined) return undefined;
  return JSON.stringify(index.paths[0]) === JSON.stringify(path) ? "first" : "somewhere";
}

/** PostgreSQL's own. */
export const postgresDialect: Dialect = dialectOf(PROFILES.postgres);
