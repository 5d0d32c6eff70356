import { expect, it } from "vitest";
import {
  pause,
  type Thing,
  type Watched,
  type World,
  type WorldOptions,
  watched,
  world,
} from "./pool-world.ts";

/** A history of a pool, and what its observer alone must have heard of it, event by event. */
interface History {
  readonly name: string;
  readonly options?: WorldOptions;
  readonly run: (world: World) => Promise<unknown>;
  /** Events that say nothing for this history are left out. */
  readonly without?: RegExp;
  readonly events: readonly string[];
}

const ASKING = /^(poolCreated|acquireStarted|connectionCreated|connectionReady|resumed)/;
const slowly = (_attempt: number, clock: World["clock"]): Promise<void> => pause(clock, 50);

async function ask(pool: World["pool"], clock: World["clock"]): Promise<Watched<Thing>> {
  const asked = watched(pool.acquire());
  await clock.advance(0);
  return asked;
}

// The behaviours are those of MongoDB's specification "Connection Monitoring and Pooling".
const HISTORIES: readonly History[] = [
  {
    name: "a pool that starts paused says so and opens nothing before it is resumed, and resuming twice is told once",
    options: { startPaused: true, minConnections: 1 },
    run: async ({ pool, clock }) => {
      await clock.advance(1_000);
      pool.resume();
      pool.resume();
      await clock.advance(0);
    },
    events: ["poolCreated", "paused", "resumed", "connectionCreated 1", "connectionReady 1 0"],
  },
  {
    name: "a connection that is given back is lent again, under its id",
    run: async ({ pool }) => {
      pool.release(await pool.acquire());
      pool.release(await pool.acquire());
    },
    without: /^poolCreated/,
    events: [
      "acquireStarted",
      "connectionCreated 1",
      "connectionReady 1 0",
      "acquired 1 0",
      "released 1 0",
      "acquireStarted",
      "acquired 1 0",
      "released 1 0",
    ],
  },
  {
    name: "closing closes idle connections first, then is told, then closes each that comes back",
    run: async ({ pool }) => {
      const [a, b] = [await pool.acquire(), await pool.acquire()];
      pool.release(b);
      const closed = pool.close();
      pool.release(a);
      await closed;
    },
    without: /^(?!released|connectionClosed|poolClosed)/,
    events: [
      "released 2 0",
      "connectionClosed 2 poolClosed",
      "poolClosed",
      "released 1 0",
      "connectionClosed 1 poolClosed",
    ],
  },
  {
    name: "a closed pool refuses, and says why",
    run: async ({ pool }) => {
      await pool.close();
      await pool.close();
      await expect(pool.acquire()).rejects.toMatchObject({ code: "FORMDB_POOL_CLOSED" });
    },
    events: ["poolCreated", "poolClosed", "acquireStarted", "acquireFailed poolClosed 0"],
  },
  {
    name: "an invalidation that pauses closes idle connections at once, and lent ones when they come back",
    run: async ({ pool }) => {
      const [a, b] = [await pool.acquire(), await pool.acquire()];
      pool.release(b);
      pool.invalidate({ pause: true });
      pool.invalidate();
      pool.release(a);
      pool.resume();
      await pool.acquire();
    },
    without: ASKING,
    events: [
      "acquired 1 0",
      "acquired 2 0",
      "released 2 0",
      "cleared",
      "connectionClosed 2 stale",
      "paused",
      "released 1 0",
      "connectionClosed 1 stale",
      "acquired 3 0",
    ],
  },
  {
    name: "an invalidation that pauses tells all who wait",
    options: { maxConnections: 1 },
    run: async ({ pool, clock }) => {
      await pool.acquire();
      for (let i = 0; i < 3; i++) await ask(pool, clock);
      pool.invalidate({ pause: true });
    },
    without: ASKING,
    events: [
      "acquired 1 0",
      "cleared",
      "acquireFailed poolPaused 0",
      "acquireFailed poolPaused 0",
      "acquireFailed poolPaused 0",
      "paused",
    ],
  },
  {
    name: "an invalidation that interrupts ends what is being opened before those who wait are told",
    options: { beforeCreate: slowly },
    run: async ({ pool, clock }) => {
      await ask(pool, clock);
      pool.invalidate({ interrupt: true, pause: true });
      await clock.advance(1_000);
    },
    events: [
      "poolCreated",
      "acquireStarted",
      "connectionCreated 1",
      "cleared",
      "connectionClosed 1 stale",
      "acquireFailed poolPaused 0",
      "paused",
    ],
  },
  {
    name: "a paused pool is not filled up to its minimum until it is resumed",
    options: { minConnections: 1 },
    run: async ({ pool, clock }) => {
      await clock.advance(0);
      pool.invalidate({ pause: true });
      await clock.advance(10_000);
      pool.resume();
      await clock.advance(0);
    },
    events: [
      "poolCreated",
      "connectionCreated 1",
      "connectionReady 1 0",
      "cleared",
      "connectionClosed 1 stale",
      "paused",
      "resumed",
      "connectionCreated 2",
      "connectionReady 2 0",
    ],
  },
  {
    name: "a connection that was idle too long is closed and not lent",
    options: { idleTimeoutMs: 10 },
    run: async ({ pool, clock }) => {
      pool.release(await pool.acquire());
      await clock.advance(50);
      await pool.acquire();
    },
    without: ASKING,
    events: ["acquired 1 0", "released 1 0", "connectionClosed 1 idle", "acquired 2 0"],
  },
  {
    name: "who waits is served in order, and told when its time is up",
    options: { maxConnections: 1, acquireTimeoutMs: 20 },
    run: async ({ pool, clock }) => {
      const held = await pool.acquire();
      const second = await ask(pool, clock);
      await clock.advance(10);
      await ask(pool, clock);
      pool.release(held);
      await clock.advance(20);
      pool.release(second.value!);
    },
    without: ASKING,
    events: ["acquired 1 0", "released 1 10", "acquired 1 10", "acquireFailed timeout 20", "released 1 20"],
  },
  {
    name: "no more than maxConnecting are opened at a time, and what comes back serves who waits for one",
    options: {
      maxConnections: 10,
      beforeCreate: (attempt, clock) => (attempt > 1 ? slowly(attempt, clock) : 0),
    },
    run: async ({ pool, clock }) => {
      const held = await pool.acquire();
      for (let i = 0; i < 3; i++) await ask(pool, clock);
      pool.release(held);
      await clock.advance(50);
    },
    without: /^(poolCreated|acquireStarted|released|connectionReady)/,
    events: [
      "connectionCreated 1",
      "acquired 1 0",
      "connectionCreated 2",
      "connectionCreated 3",
      "acquired 1 0",
      "acquired 2 50",
      "acquired 3 50",
    ],
  },
];

it.each(HISTORIES)("$name", async ({ options, run, without, events }) => {
  const here = world(options);
  await run(here);
  expect(here.events.filter((event) => without?.test(event) !== true)).toEqual(events);
  void here.pool.close({ deadlineMs: 0 });
  await here.clock.advance(0);
});
