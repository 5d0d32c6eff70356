import type { Dialect } from "../dialect.ts";
import { postgresDdl } from "./ddl.ts";
import { postgresExpressions } from "./expressions.ts";
import { quote } from "./names.ts";
import { type EngineProfile, PROFILES } from "./profiles.ts";

/** How an engine behind PostgreSQL's protocol spells things. */
export function dialectOf(profile: EngineProfile): Dialect {
  return Object.freeze({
    name: "postgres",
    placeholder: (position: number): string => `$${position}`,
    identifier: quote,
    explainPrefix: "EXPLAIN ",
    expressions: postgresExpressions,
    ddl: postgresDdl(profile, postgresExpressions),
  });
}

/** PostgreSQL's own. */
export const postgresDialect: Dialect = dialectOf(PROFILES.postgres);
