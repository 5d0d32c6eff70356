/** What a token is. Numbers, because this is looked at once a token on the way to every cached plan. */
export const TOKEN = {
  end: 0,
  keyword: 1,
  name: 2,
  function: 3,
  symbol: 4,
  /** `[n]` or `[*]` behind a name or another one. */
  index: 5,
  literal: 6,
  /** `#n`, only in a shape's key. */
  slot: 7,
  /** `$n` or `?`. */
  parameter: 8,
  /** `:name`. */
  named: 9,
} as const;

export type TokenKind = (typeof TOKEN)[keyof typeof TOKEN];
