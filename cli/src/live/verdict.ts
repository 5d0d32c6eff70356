import type { LiveEvent, LivePool } from "./live-event.ts";

export type VerdictState =
  | "healthy"
  | "pool dry"
  | "database slow"
  | "event loop blocked"
  | "cache too small"
  | "queue filling";

/** What is wrong, if anything is, in words, with the figure that says so. */
export interface Verdict {
  readonly state: VerdictState;
  readonly because: string;
}

/** From these on, something is wrong. */
const LATE_EVENT_LOOP_MS = 100;
const LONG_POOL_WAIT_MS = 100;
const SLOW_DATABASE_MS = 100;
const OLD_OPERATION_MS = 1_000;
/** What a cache of twice the size must gain, as a share of all look-ups, and the look-ups that are enough to judge by. */
const CACHE_GAIN = 0.05;
const MIN_LOOK_UPS = 20;

/** How many of the last events are looked at; what is wrong must be so in more than half of them. */
export const VERDICT_EVENTS = 5;

type Fault = Exclude<VerdictState, "healthy">;

/**
 * The faults in the order in which they are looked for, each with what says so in one event. A blocked event loop makes
 * everything after it look slow, and a slow database empties the pool only while callers wait for it.
 */
const FAULTS: readonly (readonly [Fault, (event: LiveEvent) => string | undefined])[] = [
  ["event loop blocked", eventLoop],
  ["pool dry", pool],
  ["queue filling", queue],
  ["database slow", database],
  ["cache too small", cache],
];

/** Judges the last events, the newest last. An interval that is bad alone changes nothing. */
export function verdictOf(events: readonly LiveEvent[]): Verdict {
  const recent = events.slice(-VERDICT_EVENTS);
  for (const [state, figureOf] of FAULTS) {
    const figures = recent.map(figureOf).filter((figure) => figure !== undefined);
    const because = figures.at(-1);
    if (because !== undefined && figures.length * 2 > recent.length) return { state, because };
  }
  return { state: "healthy", because: healthy(recent) };
}

function healthy(recent: readonly LiveEvent[]): string {
  const queries = recent.reduce((sum, event) => sum + event.queries.count, 0);
  const elapsedMs = recent.reduce((sum, event) => sum + event.intervalMs, 0);
  if (queries === 0) return "No queries were run in the last seconds";
  const p95Ms = Math.max(...recent.map((event) => event.queries.all.p95Ms));
  return `${number((queries * 1_000) / elapsedMs)} queries a second, 95% of them within ${number(p95Ms)} ms`;
}

function eventLoop({ eventLoop: { p99Ms, maxMs } }: LiveEvent): string | undefined {
  if (p99Ms < LATE_EVENT_LOOP_MS) return undefined;
  return `The event loop was late by ${number(maxMs)} ms; while it is, the process answers nobody`;
}

function pool({ pools }: LiveEvent): string | undefined {
  const dry = pools.find(isDry);
  if (dry === undefined) return undefined;
  const { name, inUse, max, waiting, oldestWaitMs } = dry;
  return (
    `${inUse} of ${max} connections of the pool ${name} are in use and ${waiting} callers wait, ` +
    `the first for ${number(oldestWaitMs)} ms`
  );
}

function isDry({ inUse, max, waiting, oldestWaitMs, failed }: LivePool): boolean {
  return inUse >= max && waiting > 0 && (oldestWaitMs >= LONG_POOL_WAIT_MS || failed > 0);
}

function queue({ batch: { queued, waiting, oldestMs } }: LiveEvent): string | undefined {
  if (waiting === 0 && oldestMs < OLD_OPERATION_MS) return undefined;
  const writers = waiting > 0 ? ` and ${waiting} callers wait for room` : "";
  return `${number(queued)} writes are queued${writers}; the oldest has waited ${number(oldestMs)} ms`;
}

function database({ queries: { count, database: inDatabase, waiting } }: LiveEvent): string | undefined {
  if (count === 0 || inDatabase.p95Ms < SLOW_DATABASE_MS || inDatabase.p95Ms < waiting.p95Ms)
    return undefined;
  return `5% of the queries took ${number(inDatabase.p95Ms)} ms or more in the database`;
}

function cache({ cache: { hits, misses, hitRate, doubledHitRate, maxSize } }: LiveEvent): string | undefined {
  if (hits + misses < MIN_LOOK_UPS || doubledHitRate - hitRate < CACHE_GAIN) return undefined;
  return (
    `${percent(hitRate)} of the look-ups found their plan in a cache of ${number(maxSize)}; ` +
    `with twice the size, ${percent(doubledHitRate)} would`
  );
}

function number(value: number): string {
  if (value >= 10 || value === 0) return Math.round(value).toLocaleString("en-US").replaceAll(",", " ");
  return value.toPrecision(2);
}

function percent(share: number): string {
  return `${Math.round(share * 100)}%`;
}
