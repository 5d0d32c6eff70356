import type { FastifyBaseLogger } from "fastify";

/** What the routes log. */
export type Log = Record<"error" | "warn", (facts: object, text: string) => void>;

/** A logger whose own failure, such as a full disk, is not the failure of a request. */
export function harmless(logger: FastifyBaseLogger): Log {
  const guarded =
    (level: keyof Log): Log["error"] =>
    (facts, text) => {
      try {
        logger[level](facts, text);
      } catch {
        // There is nowhere to tell of it.
      }
    };
  return { error: guarded("error"), warn: guarded("warn") };
}
