import type { Observer, PoolObserver } from "../../base/observer.ts";
import { DURATION_BUCKETS } from "../definitions.ts";
import { isInventedName } from "../label-values.ts";
import type { PoolSource } from "../sources.ts";
import type { OtelAttributes, OtelMeter, OtelObservable } from "./opentelemetry-api.ts";

/** Most sets of attributes that are kept for reuse. */
const MAX_ATTRIBUTE_SETS = 1_000;

/** The settings of OpenTelemetry's metrics. */
export interface OtelMetricsOptions {
  /** Attributes of every measurement, such as `db.system.name`. */
  readonly attributes: OtelAttributes;
  /** The pool's name. */
  readonly pool: string;
  /** Upper bounds in seconds. */
  readonly buckets?: readonly number[] | undefined;
}

type MakeHistogram = (name: string, description: string) => ReturnType<OtelMeter["createHistogram"]>;

function secondsOf(meter: OtelMeter, { buckets }: OtelMetricsOptions): MakeHistogram {
  return (name, description) => {
    const explicitBucketBoundaries = [...(buckets ?? DURATION_BUCKETS)];
    return meter.createHistogram(name, { description, unit: "s", advice: { explicitBucketBoundaries } });
  };
}

/** The part of it that is about one pool. */
export function otelPoolObserver(meter: OtelMeter, options: OtelMetricsOptions): PoolObserver {
  const seconds = secondsOf(meter, options);
  const wait = seconds(
    "db.client.connection.wait_time",
    "The time it took to obtain an open connection from the pool.",
  );
  const use = seconds(
    "db.client.connection.use_time",
    "The time between borrowing a connection and returning it to the pool.",
  );
  const create = seconds("db.client.connection.create_time", "The time it took to create a new connection.");
  const timeouts = meter.createCounter("db.client.connection.timeouts", {
    description:
      "The number of connection timeouts that have occurred trying to obtain a connection from the pool.",
    unit: "{timeout}",
  });
  const ofPool: OtelAttributes = { ...options.attributes, "db.client.connection.pool.name": options.pool };
  return {
    acquired: (_id, waitMs) => wait.record(waitMs / 1_000, ofPool),
    acquireFailed: (reason) => {
      if (reason === "timeout") timeouts.add(1, ofPool);
    },
    released: (_id, heldMs) => use.record(heldMs / 1_000, ofPool),
    connectionReady: (_id, ms) => create.record(ms / 1_000, ofPool),
  };
}

/**
 * The observer that records what the parts report as OpenTelemetry metrics, by the names of the semantic conventions
 * for databases (`db.client.*`), and under `formdb.*` where they have none. Errors are told by `error.type`.
 */
export function otelObserver(meter: OtelMeter, options: OtelMetricsOptions): Observer {
  const { attributes } = options;
  const seconds = secondsOf(meter, options);
  const duration = seconds("db.client.operation.duration", "Duration of database client operations.");
  const returned = meter.createHistogram("db.client.response.returned_rows", {
    description: "The actual number of records returned by the database operation.",
    unit: "{row}",
    advice: { explicitBucketBoundaries: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000] },
  });
  const lookups = meter.createCounter("formdb.cache.lookups", {
    description: "Look-ups in the plan cache.",
    unit: "{lookup}",
  });
  const compile = seconds("formdb.cache.compile_time", "The time that compiling a plan took.");
  const operations = meter.createCounter("formdb.batch.operations", {
    description: "Write operations that are settled, by kind and outcome.",
    unit: "{operation}",
  });
  const flush = seconds("formdb.batch.flush.duration", "The time from first sending a batch to its answer.");
  const flushSize = meter.createHistogram("formdb.batch.flush.size", {
    description: "Operations in a batch.",
    unit: "{operation}",
    advice: { explicitBucketBoundaries: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 10_000] },
  });
  const retries = meter.createCounter("formdb.batch.retries", {
    description: "Groups of operations that were sent again after a transient failure.",
    unit: "{retry}",
  });

  const sets = new AttributeSets(attributes);
  const hit = { ...attributes, "formdb.cache.result": "hit" };
  return {
    queryFinished: ({ operation, collection, code, totalMs, rows }) => {
      const set = sets.ofQuery(operation, collection, code);
      duration.record(totalMs / 1_000, set);
      if (code === "" && (operation === "select" || operation === "get")) returned.record(rows, set);
    },
    ...otelPoolObserver(meter, options),
    hit: () => lookups.add(1, hit),
    miss: (reason) => {
      lookups.add(1, { ...attributes, "formdb.cache.result": "miss", "formdb.cache.miss_reason": reason });
    },
    compiled: (ms) => compile.record(ms / 1_000, attributes),
    settled: (kind, outcome) => operations.add(1, sets.ofWrite(kind, outcome)),
    flushStarted: (_reason, count) => flushSize.record(count, attributes),
    flushFinished: (_count, ms) => flush.record(ms / 1_000, attributes),
    retried: () => retries.add(1, attributes),
  };
}

/** Gives what a pool says now: each value with its attributes. */
type Look = (observe: (value: number, attributes: OtelAttributes) => void) => void;

/** The metrics of pools that are read when metrics are collected. */
export class OtelPools {
  readonly #attributes: OtelAttributes;
  readonly #count: OtelObservable;
  readonly #pending: OtelObservable;
  readonly #max: OtelObservable;
  readonly #idleMin: OtelObservable;

  constructor(meter: OtelMeter, attributes: OtelAttributes) {
    this.#attributes = attributes;
    const make = (name: string, unit: string, description: string): OtelObservable =>
      meter.createObservableUpDownCounter(`db.client.connection.${name}`, { description, unit });
    this.#count = make("count", "{connection}", "Connections by state.");
    this.#pending = make("pending_requests", "{request}", "Pending requests for an open connection.");
    this.#max = make("max", "{connection}", "The maximum number of open connections allowed.");
    this.#idleMin = make("idle.min", "{connection}", "The minimum number of idle open connections.");
  }

  /** Has a pool read at every collection. Returns what ends that. */
  add(name: string, read: () => PoolSource): () => void {
    const pool: OtelAttributes = { ...this.#attributes, "db.client.connection.pool.name": name };
    const idle = { ...pool, "db.client.connection.state": "idle" };
    const used = { ...pool, "db.client.connection.state": "used" };
    const ends = [
      attach(this.#count, (observe) => {
        const source = read();
        observe(source.idle, idle);
        observe(source.inUse, used);
      }),
      attach(this.#pending, (observe) => observe(read().waiting, pool)),
      attach(this.#max, (observe) => {
        const { max } = read();
        if (max !== undefined) observe(max, pool);
      }),
      attach(this.#idleMin, (observe) => {
        const { min } = read();
        if (min !== undefined) observe(min, pool);
      }),
    ];
    return () => {
      for (const end of ends.splice(0)) end();
    };
  }
}

function attach(instrument: OtelObservable, look: Look): () => void {
  const callback: Parameters<OtelObservable["addCallback"]>[0] = (result) =>
    look((value, attributes) => result.observe(value, attributes));
  instrument.addCallback(callback);
  return () => instrument.removeCallback(callback);
}

/** Sets of attributes, made once each: a query that is like one before allocates none. */
class AttributeSets {
  readonly #common: OtelAttributes;
  readonly #known: Map<string, OtelAttributes> = new Map();

  constructor(common: OtelAttributes) {
    this.#common = common;
  }

  ofQuery(operation: string, collection: string, code: string): OtelAttributes {
    // Of the three only a collection could hold a line feed, and it comes last.
    const key = `${operation}\n${code}\n${collection}`;
    return this.#known.get(key) ?? this.#keep(key, queryAttributes(operation, collection, code));
  }

  ofWrite(kind: string, outcome: string): OtelAttributes {
    const key = `${kind}\n${outcome}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    return this.#keep(key, { "db.operation.name": kind.toUpperCase(), "formdb.batch.outcome": outcome });
  }

  #keep(key: string, own: OtelAttributes): OtelAttributes {
    const set = { ...this.#common, ...own };
    if (this.#known.size < MAX_ATTRIBUTE_SETS) this.#known.set(key, set);
    return set;
  }
}

function queryAttributes(operation: string, collection: string, code: string): OtelAttributes {
  const attributes: OtelAttributes = { "db.operation.name": operation.toUpperCase() };
  if (collection !== "" && !isInventedName(code)) attributes["db.collection.name"] = collection;
  if (code !== "") attributes["error.type"] = code;
  return attributes;
}
