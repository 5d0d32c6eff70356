import { type FormDB, FormDBError } from "@formdb/perf";
import type { FastifyBaseLogger } from "fastify";
import type { Keys } from "./access.ts";
import type { Log } from "./log.ts";

/** What the server lets a client have. */
export interface ServerLimits {
  /** Bytes of a body that is one JSON text. An NDJSON body has no limit as a whole, 16 MiB a line. Default 8 MiB. */
  readonly maxBodyBytes: number;
  /** Requests under way at once; more are answered by 503. Default 10 000. */
  readonly maxRequests: number;
  /** A second, for each key, or for each address where none is needed; twice as many at once. Default 20 000. */
  readonly requestsPerSecond: number;
  /** Wrong keys a second, for each address. Default 5. */
  readonly wrongKeysPerSecond: number;
  /** Clients of `GET /v1/events` at once; more are answered by 503. Default 100. */
  readonly maxEventStreams: number;
  /** Milliseconds for a body to arrive, and, of an NDJSON body, between two parts of it. Default 30 000. */
  readonly bodyTimeoutMs: number;
  /** Milliseconds for a call of the database; of a stream of rows, to its first one. Default 30 000. */
  readonly callTimeoutMs: number;
  /** Milliseconds in which the client of an answer in lines takes nothing of it; the answer is then cut short. Default 60 000. */
  readonly stallTimeoutMs: number;
  /** Milliseconds for a stream of rows, which holds a connection of the database while its client reads. Default 3 600 000. */
  readonly streamTimeoutMs: number;
}

export const DEFAULT_LIMITS: ServerLimits = Object.freeze({
  maxBodyBytes: 8 * 1024 * 1024,
  maxRequests: 10_000,
  requestsPerSecond: 20_000,
  wrongKeysPerSecond: 5,
  maxEventStreams: 100,
  bodyTimeoutMs: 30_000,
  callTimeoutMs: 30_000,
  stallTimeoutMs: 60_000,
  streamTimeoutMs: 3_600_000,
});

export interface ApiOptions extends Keys {
  /** A pino logger, or one with its methods. Default: nothing is logged; of the plugin, the service's own. */
  readonly logger?: FastifyBaseLogger | undefined;
  /** Limits other than the defaults. */
  readonly limits?: Partial<ServerLimits> | undefined;
}

/** What routes work with. */
export interface RouteTools {
  readonly db: FormDB;
  readonly limits: ServerLimits;
  /** Fires when the server drains: no more lines are read, those that were are settled and told. */
  readonly draining: AbortSignal;
  readonly log: Log;
}

/** The longest time of a timer, 24 days: Node takes a longer one, `Infinity` too, for a millisecond. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;

const TIMES = ["bodyTimeoutMs", "callTimeoutMs", "stallTimeoutMs", "streamTimeoutMs"] as const;

/** The limits with what is left out. Throws `FORMDB_CONFIG` for one that is unknown or no positive number. */
export function limitsOf(given: Partial<ServerLimits> = {}): ServerLimits {
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(DEFAULT_LIMITS, name)) {
      throw new FormDBError(
        "FORMDB_CONFIG",
        `The server has no limit ${name}; it has ${Object.keys(DEFAULT_LIMITS).join(", ")}`,
      );
    }
    if (typeof value !== "number" || !(value > 0)) {
      throw new FormDBError(
        "FORMDB_CONFIG",
        `The server's limit ${name} must be a number above 0, not ${String(value)}`,
      );
    }
  }
  const limits = { ...DEFAULT_LIMITS, ...given };
  for (const name of TIMES) limits[name] = Math.min(limits[name], MAX_TIMER_MS);
  return limits;
}
