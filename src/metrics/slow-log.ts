import { writeSync } from "node:fs";
import { guardCallback } from "../base/callback.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import type { EndedGroup, EndedQuery, QueryObserver } from "../base/observer.ts";
import { checkOptions, func, integer, milliseconds, number, object, oneOf } from "../base/options.ts";

/** What the log holds of a slow query's parameters: their types, their values, or nothing. */
export type ParameterLogging = "redacted" | "full" | "none";

/** Which queries are slow, and where that is written. */
export interface SlowLogOptions {
  /** A query that takes this long or longer is slow. */
  readonly thresholdMs: number;
  /** Default 10; further slow queries of a second are counted, not logged. */
  readonly maxPerSecond?: number | undefined;
  /** How many entries `entries()` remembers; default 100. */
  readonly keep?: number | undefined;
  /** Default `redacted`: values may be secrets. */
  readonly parameters?: ParameterLogging | undefined;
  /** Takes each entry; default: a line of JSON on standard error. */
  readonly write?: ((entry: SlowQueryEntry) => void) | undefined;
  /** The source of time. Default the machine's. */
  readonly clock?: Clock | undefined;
}

/** An entry of the log. */
export interface SlowQueryEntry extends EndedQuery {
  readonly event: "formdb.slow_query";
  /** ISO 8601. */
  readonly time: string;
  /** Of a group of queued writes: how long its oldest operation was in the queue. `rows` is the number of operations. */
  readonly queueMs?: number | undefined;
  /** How many slow queries were not logged since the previous entry. */
  readonly suppressed: number;
}

/** Reports slow queries and slow groups of queued writes to a log, and to `noted` whether the log took each: its rate is limited. */
export function slowQueryObserver(
  slowLog: SlowLog,
  noted: (logged: boolean) => void = () => {},
): Required<Pick<QueryObserver, "queryFinished" | "groupFinished">> {
  const ended = (query: EndedQuery): void => {
    if (query.totalMs >= slowLog.thresholdMs) noted(slowLog.report(query));
  };
  return { queryFinished: ended, groupFinished: ended };
}

/** Longer shapes are cut in the log. */
export const MAX_LOGGED_SHAPE_LENGTH = 2_000;

/** Its descriptor. */
const STANDARD_ERROR = 2;

/** Parameters beyond these are not described. */
const MAX_DESCRIBED = 50;

/**
 * A log of slow queries: structured entries at a bounded rate (a token bucket that holds one second), the last
 * entries are kept for `entries()`. Parameters are described, not shown, unless `parameters: "full"`.
 */
export class SlowLog {
  readonly thresholdMs: number;
  readonly #maxPerSecond: number;
  readonly #keep: number;
  readonly #parameters: ParameterLogging;
  readonly #write: (entry: SlowQueryEntry) => void;
  readonly #clock: Clock;
  readonly #entries: SlowQueryEntry[] = [];
  #tokens: number;
  #filledAt: number;
  #suppressed = 0;

  constructor(options: SlowLogOptions) {
    checkOptions("SlowLog", options, {
      thresholdMs: milliseconds,
      maxPerSecond: number(0.001, 1e6),
      keep: integer(0, 1e6),
      parameters: oneOf("redacted", "full", "none"),
      write: func,
      clock: object,
    });
    this.thresholdMs = options.thresholdMs;
    this.#maxPerSecond = options.maxPerSecond ?? 10;
    this.#keep = options.keep ?? 100;
    this.#parameters = options.parameters ?? "redacted";
    this.#write = guardCallback(options.write ?? writeLine);
    this.#clock = options.clock ?? systemClock;
    this.#tokens = this.#burst;
    this.#filledAt = this.#clock.now();
  }

  /** Logs a query if it is slow. Gives false if it was slow but the rate did not allow an entry. Never throws. */
  report(query: EndedQuery | EndedGroup): boolean {
    if (!(query.totalMs >= this.thresholdMs)) return true;
    if (!this.#take()) {
      this.#suppressed++;
      return false;
    }
    const entry: SlowQueryEntry = Object.freeze({
      event: "formdb.slow_query",
      time: new Date(this.#clock.wallTime()).toISOString(),
      operation: query.operation,
      collection: query.collection,
      code: query.code,
      totalMs: toMicroseconds(query.totalMs),
      ...("queueMs" in query ? { queueMs: toMicroseconds(query.queueMs) } : {}),
      waitMs: toMicroseconds(query.waitMs),
      databaseMs: toMicroseconds(query.databaseMs),
      decodeMs: toMicroseconds(query.decodeMs),
      rows: query.rows,
      shape: cut(query.shape),
      cacheHit: query.cacheHit,
      ...this.#describe(query.parameters),
      suppressed: this.#suppressed,
    });
    this.#suppressed = 0;
    this.#remember(entry);
    this.#write(entry);
    return true;
  }

  /** The last entries, newest last. */
  entries(): readonly SlowQueryEntry[] {
    return [...this.#entries];
  }

  get #burst(): number {
    return Math.max(1, this.#maxPerSecond);
  }

  #take(): boolean {
    const now = this.#clock.now();
    const refill = ((now - this.#filledAt) / 1_000) * this.#maxPerSecond;
    this.#tokens = Math.min(this.#burst, this.#tokens + refill);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  #remember(entry: SlowQueryEntry): void {
    if (this.#keep === 0) return;
    if (this.#entries.length >= this.#keep) this.#entries.shift();
    this.#entries.push(entry);
  }

  #describe(parameters: unknown): { parameters?: unknown } {
    if (parameters === undefined || this.#parameters === "none") return {};
    return { parameters: this.#parameters === "full" ? parameters : redact(parameters) };
  }
}

/**
 * To the descriptor, not by the console: what that can't write to a file on a full disk is an error that nobody takes, and ends
 * the process.
 */
function writeLine(entry: SlowQueryEntry): void {
  writeSync(STANDARD_ERROR, `${lineOf(entry)}\n`);
}

/** An entry as a line of JSON; parameters that JSON can't hold are described. */
function lineOf(entry: SlowQueryEntry): string {
  try {
    return JSON.stringify(entry, (_, value: unknown) => (typeof value === "bigint" ? `${value}` : value));
  } catch {
    return JSON.stringify({ ...entry, parameters: redact(entry.parameters) });
  }
}

function cut(shape: string): string {
  return shape.length > MAX_LOGGED_SHAPE_LENGTH ? `${shape.slice(0, MAX_LOGGED_SHAPE_LENGTH)}…` : shape;
}

/** Types and sizes in place of values; the names of named parameters stay. */
function redact(parameters: unknown): unknown {
  if (Array.isArray(parameters)) return parameters.slice(0, MAX_DESCRIBED).map(kindOf);
  if (typeof parameters !== "object" || parameters === null) return kindOf(parameters);
  const named = Object.entries(parameters).slice(0, MAX_DESCRIBED);
  return Object.fromEntries(named.map(([name, value]) => [name, kindOf(value)]));
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (typeof value === "string") return `string(${value.length})`;
  if (Array.isArray(value)) return `array(${value.length})`;
  return typeof value;
}

/** Milliseconds to three places: what a clock says beyond them is noise. */
function toMicroseconds(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
