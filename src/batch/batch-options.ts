import { guardCallback } from "../base/callback.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import type { Journal } from "../base/journal.ts";
import { BATCH_EVENTS, type BatchObserver, guardObservers } from "../base/observer.ts";
import {
  boolean,
  checkOptions,
  configError,
  either,
  func,
  integer,
  milliseconds,
  number,
  type OptionCheck,
  type OtherNames,
  object,
  oneOf,
} from "../base/options.ts";
import { uuidV4, uuidV7 } from "../base/uuid.ts";
import { classify } from "./classify.ts";
import type { Classify, Coalesce, ContextRunner, LookUpToken } from "./group.ts";

/** How a `BatchProcessor` gathers, sends and retries. Every member may be left out. */
export interface BatchOptions {
  /** Operations that make a batch full, and the most in one group. Default 100. */
  readonly maxBatchSize?: number | undefined;
  /** Bytes that make a batch full, and the most in one group of several. Default 4 MiB. */
  readonly maxBatchBytes?: number | undefined;
  /** The most milliseconds that an operation waits for its batch to grow. Default 100. */
  readonly flushIntervalMs?: number | undefined;
  /** Whether a batch is sent as soon as nothing else is in flight. Default true. */
  readonly eager?: boolean | undefined;
  /** Groups that are in flight at once. Default 1. */
  readonly concurrency?: number | undefined;
  /** Whether a group that failed for a transient reason is sent again. Default true. */
  readonly retryOnFailure?: boolean | undefined;
  /** How often a group is sent again at most. Default 3. */
  readonly maxRetries?: number | undefined;
  /** Full jitter: before retry n, random milliseconds up to `baseMs` × 2^(n-1), at most `maxMs`. Default 50 and 2 000. */
  readonly backoff?: { readonly baseMs?: number; readonly maxMs?: number } | undefined;
  /** Operations held at most, queued and in flight. Default 10 000. */
  readonly maxQueued?: number | undefined;
  /** Bytes held at most, queued and in flight. Default 64 MiB. */
  readonly maxQueuedBytes?: number | undefined;
  /** Calls that wait for room at most; later ones get `FORMDB_QUEUE_FULL`. Default 10 000. */
  readonly maxWaiting?: number | undefined;
  /** Failures that a result lists. Default 1 000. */
  readonly maxErrors?: number | undefined;
  /** Whether groups carry a token. Default true. */
  readonly token?: boolean | undefined;
  /**
   * Which operations that follow one another on one id are sent as one, or a function that tells it for a
   * collection. `additive`: where the one has every value of each. `all`: also where a later one overwrites or
   * deletes what an earlier one wrote; `execute` must then say of a delete whether it `found` its document. Default
   * `additive`; with a `spill` always `none`.
   */
  readonly coalesce?: Coalesce | ((collection: string) => Coalesce) | undefined;
  /**
   * A number for the part of a distributed database that keeps an id: a group holds ids of one part alone. Ids for which
   * it throws are a part of their own.
   */
  readonly partition?: ((id: string) => number) | undefined;
  /**
   * Makes the token of a group from the id of its first operation and what the token must begin with; no two may be
   * alike. Default, and where it throws: a random UUID.
   */
  readonly makeToken?: ((id: string, prefix: string) => string) | undefined;
  /** How a token is looked up. Without it a group whose outcome is unknown stays so, and is never sent again. */
  readonly lookUpToken?: LookUpToken | undefined;
  /** What a failure means. Default: by the error's code, SQLSTATE or system name. */
  readonly classify?: Classify | undefined;
  /** Shrinks groups while a flush takes longer than `targetMs`, and grows them again. Default: off. */
  readonly adaptive?: { readonly targetMs: number; readonly minBatchSize?: number } | undefined;
  /** Makes the id of a document that has none. Default: UUIDv7. */
  readonly generateId?: (() => string) | undefined;
  /**
   * Takes failures of `insert`, `update`, `upsert` and `delete`, which return nothing, that no `flush` has
   * collected before `close()`. Default: a process warning.
   */
  readonly onError?: ((error: Error) => void) | undefined;
  /** A durable journal of what is queued. Default none. */
  readonly spill?: Journal | undefined;
  /** The source of time. Default the machine's. */
  readonly clock?: Clock | undefined;
  /** Told of every event. Default none. */
  readonly observer?: BatchObserver | undefined;
  /** Numbers from 0 up to 1 for the backoff's jitter. Default `Math.random`. */
  readonly random?: (() => number) | undefined;
  /**
   * Called as operations are added, for what runs a function in their caller's asynchronous context, such as
   * `AsyncLocalStorage.snapshot`. A group is executed in that of its first operation. Default: in no particular one.
   */
  readonly captureContext?: (() => ContextRunner | undefined) | undefined;
}

/** Options with every default filled in. */
export interface BatchSettings {
  readonly maxBatchSize: number;
  readonly maxBatchBytes: number;
  readonly flushIntervalMs: number;
  readonly eager: boolean;
  readonly concurrency: number;
  readonly maxRetries: number;
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
  readonly maxQueued: number;
  readonly maxQueuedBytes: number;
  readonly maxWaiting: number;
  readonly maxErrors: number;
  readonly token: boolean;
  readonly coalesce: (collection: string) => Coalesce;
  readonly partition: ((id: string) => number) | undefined;
  readonly makeToken: (id: string, prefix: string) => string;
  readonly lookUpToken: LookUpToken | undefined;
  readonly classify: Classify;
  readonly adaptive: { readonly targetMs: number; readonly minBatchSize: number } | undefined;
  readonly generateId: () => string;
  readonly onError: (error: Error) => void;
  readonly spill: Journal | undefined;
  readonly clock: Clock;
  readonly observer: Required<BatchObserver>;
  readonly random: () => number;
  readonly captureContext: () => ContextRunner | undefined;
}

const CHECKS: Readonly<Record<keyof BatchOptions, OptionCheck>> = {
  maxBatchSize: integer(1),
  maxBatchBytes: integer(1, Infinity),
  flushIntervalMs: milliseconds,
  eager: boolean,
  concurrency: integer(1),
  retryOnFailure: boolean,
  maxRetries: integer(0),
  backoff: object,
  maxQueued: integer(1, Infinity),
  maxQueuedBytes: integer(1, Infinity),
  maxWaiting: integer(0, Infinity),
  maxErrors: integer(0, Infinity),
  token: boolean,
  coalesce: either(oneOf("none", "additive", "all"), func),
  partition: func,
  makeToken: func,
  lookUpToken: func,
  classify: func,
  adaptive: object,
  generateId: func,
  onError: func,
  spill: object,
  clock: object,
  observer: object,
  random: func,
  captureContext: func,
};

/** What other queues call them. */
export const BATCH_OTHER_NAMES: OtherNames = {
  maxBatchSize: ["batchsize", "max", "limit", "size"],
  flushIntervalMs: ["flushinterval", "interval", "intervalms", "linger", "lingerms", "delay", "delayms"],
  concurrency: ["maxconcurrency", "maxinflight", "parallelism"],
  maxQueued: ["highwatermark", "maxqueue", "maxqueuesize", "queuesize", "queuelimit"],
  maxRetries: ["retries", "retrylimit"],
};

const MIB = 1024 * 1024;
/** No application's own number of a part: they count from 0. */
const UNKNOWN_PART = -1;
/** The default of `maxBatchSize`. */
export const DEFAULT_BATCH_SIZE = 100;
/** The default of `maxBatchBytes`. */
export const DEFAULT_BATCH_BYTES: number = 4 * MIB;

/** Refuses unknown options, and values that can't be, each by name. Throws `FORMDB_CONFIG`. */
export function checkBatchOptions(options: BatchOptions): void {
  checkOptions("BatchProcessor", options, CHECKS, BATCH_OTHER_NAMES);
}

/** Checks options and fills in the defaults. Throws `FORMDB_CONFIG`. */
export function batchSettings(options: BatchOptions): BatchSettings {
  checkBatchOptions(options);
  const { backoff = {}, adaptive } = options;
  checkOptions("BatchProcessor's backoff", backoff, { baseMs: number(0), maxMs: number(0) });
  const maxBatchSize = options.maxBatchSize ?? DEFAULT_BATCH_SIZE;
  const backoffBaseMs = backoff.baseMs ?? 50;
  const backoffMaxMs = backoff.maxMs ?? Math.max(2_000, backoffBaseMs);
  if (backoffMaxMs < backoffBaseMs) {
    throw configError(
      `BatchProcessor's backoff needs a maxMs of at least its baseMs, ${backoffBaseMs}, not ${backoffMaxMs}`,
      "backoff",
      backoff,
    );
  }
  if (options.spill !== undefined && (options.token === false || options.lookUpToken === undefined)) {
    throw configError(
      "BatchProcessor's option spill needs tokens and a lookUpToken: else a replay could apply operations twice",
      "spill",
    );
  }
  return {
    maxBatchSize,
    maxBatchBytes: options.maxBatchBytes ?? DEFAULT_BATCH_BYTES,
    flushIntervalMs: options.flushIntervalMs ?? 100,
    eager: options.eager ?? true,
    concurrency: options.concurrency ?? 1,
    maxRetries: (options.retryOnFailure ?? true) ? (options.maxRetries ?? 3) : 0,
    backoffBaseMs,
    backoffMaxMs,
    maxQueued: options.maxQueued ?? 10_000,
    maxQueuedBytes: options.maxQueuedBytes ?? 64 * MIB,
    maxWaiting: options.maxWaiting ?? 10_000,
    maxErrors: options.maxErrors ?? 1_000,
    token: options.token ?? true,
    coalesce: coalesceSetting(options),
    partition: options.partition && otherwise(options.partition, () => UNKNOWN_PART),
    makeToken: options.makeToken === undefined ? randomToken : otherwise(options.makeToken, randomToken),
    lookUpToken: options.lookUpToken,
    classify: options.classify ?? classify,
    adaptive: adaptive === undefined ? undefined : adaptiveSettings(adaptive, maxBatchSize),
    generateId: options.generateId ?? uuidV7,
    onError: guardCallback(options.onError ?? warn),
    spill: options.spill,
    clock: options.clock ?? systemClock,
    observer: guardObservers<BatchObserver>(BATCH_EVENTS, [options.observer]),
    random: otherwise(options.random ?? Math.random, Math.random),
    captureContext: otherwise(options.captureContext ?? noContext, noContext),
  };
}

/** A function of the application's that only says how operations are sent: one that throws must not stop them. */
function otherwise<Values extends readonly unknown[], R>(
  given: (...values: Values) => R,
  instead: (...values: Values) => R,
): (...values: Values) => R {
  return (...values) => {
    try {
      return given(...values);
    } catch {
      return instead(...values);
    }
  };
}

function randomToken(_id: string, prefix: string): string {
  return prefix + uuidV4();
}

function noContext(): undefined {
  return undefined;
}

function adaptiveSettings(
  adaptive: NonNullable<BatchOptions["adaptive"]>,
  maxBatchSize: number,
): BatchSettings["adaptive"] {
  checkOptions("BatchProcessor's adaptive", adaptive, { targetMs: number(0), minBatchSize: integer(1) });
  if (adaptive.targetMs === undefined) {
    throw configError("BatchProcessor's option adaptive needs a targetMs", "adaptive", adaptive);
  }
  const minBatchSize = adaptive.minBatchSize ?? Math.min(10, maxBatchSize);
  if (minBatchSize > maxBatchSize) {
    throw configError(
      `BatchProcessor's adaptive.minBatchSize must be at most maxBatchSize, ${maxBatchSize}, not ${minBatchSize}`,
      "adaptive",
      adaptive,
    );
  }
  return { targetMs: adaptive.targetMs, minBatchSize };
}

const MODES: ReadonlySet<unknown> = new Set<Coalesce>(["none", "additive", "all"]);

function coalesceSetting({ coalesce = "additive", spill }: BatchOptions): (collection: string) => Coalesce {
  // The journal knows of tokens and operations, not of which of them were one.
  if (spill !== undefined) return () => "none";
  if (typeof coalesce !== "function") return () => coalesce;
  const mode = (collection: string): Coalesce => {
    const given = coalesce(collection);
    return MODES.has(given) ? given : "none";
  };
  // Sending one by one is always right.
  return otherwise(mode, () => "none");
}

/** Failures that nobody takes are told to the process, which goes on. */
function warn(error: Error): void {
  const host = globalThis.process as { emitWarning?: (warning: Error) => void } | undefined;
  host?.emitWarning?.(error);
}
