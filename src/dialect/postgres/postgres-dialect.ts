import type { Dialect } from "../dialect.ts";
import { quote } from "../quote.ts";
import { postgresDdl } from "./ddl.ts";
import { postgresExpressions } from "./expressions.ts";
import { mergedText } from "./merged.ts";
import { type EngineProfile, PROFILES } from "./profiles.ts";

/** Milliseconds since 1970 at the beginning of the transaction. */
const STABLE_NOW = "(extract(epoch FROM now()) * 1000)::bigint";

/** How an engine behind PostgreSQL's protocol spells things. */
export function dialectOf(profile: EngineProfile): Dialect {
  // Citus refuses volatile functions in an UPDATE of many shards.
  const expressions = Object.freeze({
    ...postgresExpressions,
    now: profile.distributes ? STABLE_NOW : postgresExpressions.now,
    lock: profile.locksInOrder ? postgresExpressions.lock : (): string => "",
  });
  return Object.freeze({
    name: "postgres",
    placeholder: (position: number): string => `$${position}`,
    identifier: quote,
    explainPrefix: "EXPLAIN ",
    ...(profile.mergesReads ? { merged: mergedText } : {}),
    expressions,
    ddl: postgresDdl(profile, expressions),
  });
}

/** PostgreSQL's own. */
export const postgresDialect: Dialect = dialectOf(PROFILES.postgres);
