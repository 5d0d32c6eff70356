import type { IndexOf } from "../ddl-dialect.ts";
import type { Dialect } from "../dialect.ts";
import { quote } from "../quote.ts";
import { sqliteDdl } from "./ddl.ts";
import { expressionsFor, sqliteExpressions } from "./expressions.ts";

/** How SQLite spells things. */
export const sqliteDialect: Dialect = Object.freeze({
  name: "sqlite",
  // Without numbers: better-sqlite3 takes `?1` for a name.
  placeholder: (): string => "?",
  identifier: quote,
  explainPrefix: "EXPLAIN QUERY PLAN ",
  changeGroup: "one by one",
  knowing: (indexOf: IndexOf): Dialect =>
    Object.freeze({ ...sqliteDialect, expressions: expressionsFor(indexOf) }),
  expressions: sqliteExpressions,
  ddl: sqliteDdl,
});
