export { postgresDialect } from "./dialect/postgres/postgres-dialect.ts";
export { sqliteDialect } from "./dialect/sqlite/sqlite-dialect.ts";
export { compile } from "./plan/compile.ts";
export type { Parameters, Plan } from "./plan/plan.ts";
export { outlineOf, type QueryOutline } from "./query/outline.ts";
export { type ParsedText, parse, parseShape } from "./query/parser.ts";
export { type ShapedText, shapeOf } from "./query/shape.ts";
export type { Expression, Operand, Path, Select, Statement } from "./query/syntax-tree.ts";
