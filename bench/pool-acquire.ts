// Acquire and release of a no-op resource, against the other pools: one caller, and a hundred who share ten.
import { createRequire } from "node:module";
import { Pool } from "../src/pool/pool.ts";
import { type Contender, compare } from "./harness/compare.ts";
import { report } from "./harness/report.ts";

const require = createRequire(import.meta.url);
const genericPool = require("generic-pool");
const { Pool: Tarn } = require("tarn");
const { createPool: createLightningPool } = require("lightning-pool");
const PgPool = require("pg-pool");

const MAX = 10;
const OPERATIONS = 20_000;

interface Peer<T> {
  acquire(): PromiseLike<T>;
  release(resource: T): unknown;
}

class FakeClient {
  _queryable = true;
  _ending = false;
  connect(callback: (error?: Error) => void): void {
    setImmediate(callback);
  }
  end(callback?: () => void): void {
    callback?.();
  }
  on(): this {
    return this;
  }
  once(): this {
    return this;
  }
  removeListener(): this {
    return this;
  }
  ref(): void {}
  unref(): void {}
}

const ours = new Pool<object>({ create: () => ({}), minConnections: MAX, maxConnections: MAX });
const generic = genericPool.createPool(
  { create: async () => ({}), destroy: async () => {} },
  { min: MAX, max: MAX },
);
const tarn = new Tarn({ create: async () => ({}), destroy: () => {}, min: MAX, max: MAX });
const lightning = createLightningPool(
  { create: async () => ({}), destroy: async () => {}, reset: async () => {}, validate: async () => {} },
  { min: MAX, max: MAX, resetOnReturn: false, validation: false },
);
lightning.start();
const pg = new PgPool({ Client: FakeClient, max: MAX });

const peers: Record<string, Peer<never>> = {
  "ours, acquire": { acquire: () => ours.acquire(), release: (c: object) => ours.release(c) } as never,
  "generic-pool": { acquire: () => generic.acquire(), release: (c: object) => generic.release(c) } as never,
  tarn: { acquire: () => tarn.acquire().promise, release: (c: object) => tarn.release(c) } as never,
  "lightning-pool": {
    acquire: () => lightning.acquire(),
    release: (c: object) => lightning.release(c),
  } as never,
  "pg-pool": { acquire: () => pg.connect(), release: (c: { release(): void }) => c.release() } as never,
};

function contender(name: string, { acquire, release }: Peer<never>, callers: number): Contender {
  return {
    name,
    operations: OPERATIONS,
    run: async () => {
      let left = OPERATIONS;
      const caller = async (): Promise<void> => {
        while (left-- > 0) release(await acquire());
      };
      await Promise.all(Array.from({ length: callers }, caller));
    },
  };
}

const TRY: Contender = {
  name: "ours, tryAcquire",
  operations: OPERATIONS,
  run: () => {
    for (let i = 0; i < OPERATIONS; i++) ours.release(ours.tryAcquire()!);
  },
};

for (const callers of [1, 100]) {
  const contenders = Object.entries(peers).map(([name, peer]) => contender(name, peer, callers));
  if (callers === 1) contenders.push(TRY);
  report(
    `acquire/release, ${callers} ${callers === 1 ? "caller" : "callers"}, ${MAX} connections`,
    await compare(contenders),
  );
}

/** How long one hand-over takes while so many wait. */
async function waiting(waiters: number): Promise<Contender> {
  const pool = new Pool<object>({
    create: () => ({}),
    minConnections: 1,
    maxConnections: 1,
    maxWaiting: 100_000,
  });
  let current = await pool.acquire();
  const line: Promise<object>[] = [];
  for (let i = 0; i < waiters; i++) line.push(pool.acquire({ timeoutMs: 600_000 }));
  let at = 0;
  return {
    name: `${waiters} waiting`,
    operations: OPERATIONS,
    run: async () => {
      for (let i = 0; i < OPERATIONS; i++) {
        pool.release(current);
        current = await line[at]!;
        line[at] = pool.acquire({ timeoutMs: 600_000 });
        at = at + 1 === waiters ? 0 : at + 1;
      }
    },
  };
}

/** The same line of promises without a pool: what long lines cost any program. */
function bare(waiters: number): Contender {
  const resource = {};
  const line = Array.from({ length: waiters }, () => Promise.withResolvers<object>());
  let at = 0;
  return {
    name: `${waiters} bare promises`,
    operations: OPERATIONS,
    run: async () => {
      for (let i = 0; i < OPERATIONS; i++) {
        line[at]!.resolve(resource);
        await line[at]!.promise;
        line[at] = Promise.withResolvers<object>();
        at = at + 1 === waiters ? 0 : at + 1;
      }
    },
  };
}

report(
  "join the line, be handed a connection, give it back",
  await compare([await waiting(10), await waiting(100), await waiting(1_000), await waiting(10_000)]),
);
report("a line of promises without a pool", await compare([bare(10), bare(100), bare(1_000), bare(10_000)]));
process.exit(0);
