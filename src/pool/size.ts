import { checkOptions, configError, integer, type OptionCheck } from "../base/options.ts";
import type { PoolOptions } from "./options.ts";

/** Least and most connections. */
export interface PoolSize {
  readonly min: number;
  readonly max: number;
}

/** What each size may be. */
export const SIZE_CHECKS: Readonly<Record<"min" | "max", OptionCheck>> = {
  min: integer(0, 100_000),
  max: integer(1, 100_000),
};

const DEFAULT_MIN = 2;
const DEFAULT_MAX = 10;

/** The sizes to start with: a default gives way to the one that was given. */
export function sizeOf({
  minConnections,
  maxConnections,
}: Pick<PoolOptions<never>, "minConnections" | "maxConnections">): PoolSize {
  const max = maxConnections ?? Math.max(DEFAULT_MAX, minConnections ?? 0);
  return ordered({ min: minConnections ?? Math.min(DEFAULT_MIN, max), max });
}

/** The sizes after a change of one or both. Throws `FORMDB_CONFIG`. */
export function resized(size: PoolSize, change: Partial<PoolSize>): PoolSize {
  checkOptions("Pool.resize", change, SIZE_CHECKS);
  return ordered({ min: change.min ?? size.min, max: change.max ?? size.max });
}

function ordered({ min, max }: PoolSize): PoolSize {
  if (min > max) {
    throw configError(`A pool's minimum of connections must be at most its maximum (${max}), not ${min}`);
  }
  return Object.freeze({ min, max });
}
