import type { Dialect } from "../dialect.ts";
import { sqliteDdl } from "./ddl.ts";
import { sqliteExpressions } from "./expressions.ts";

/** How SQLite spells things. */
export const sqliteDialect: Dialect = Object.freeze({
  name: "sqlite",
  placeholder: (position: number): string => `?${position}`,
  identifier: (name: string): string => `"${name.replaceAll('"', '""')}"`,
  expressions: sqliteExpressions,
  ddl: sqliteDdl,
});
