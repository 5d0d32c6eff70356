/** How an engine spells paths, comparisons and orderings; filled in with the compiler. */
export type ExpressionDialect = Readonly<Record<never, never>>;
