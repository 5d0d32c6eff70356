// HikariCP's spike: 50 requests at once, connecting takes 150 ms, a query 2 ms. How many connections does a pool
// open for it, and how long until the last request is served?
import { createRequire } from "node:module";
import { Pool } from "../src/pool/pool.ts";
import { tabulate } from "./harness/report.ts";

const require = createRequire(import.meta.url);
const genericPool = require("generic-pool");
const { Pool: Tarn } = require("tarn");
const { createPool: createLightningPool } = require("lightning-pool");

const REQUESTS = 50;
const CONNECT_MS = 150;
const QUERY_MS = 2;
const MAX = 50;

const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Line {
  use(work: () => Promise<void>): Promise<unknown>;
}

const rows: (string | number)[][] = [];

async function spike(name: string, make: (create: () => Promise<object>) => Line): Promise<void> {
  let opened = 0;
  const line = make(async () => {
    opened++;
    await later(CONNECT_MS);
    return {};
  });
  const start = performance.now();
  await Promise.all(Array.from({ length: REQUESTS }, () => line.use(() => later(QUERY_MS))));
  const ms = performance.now() - start;
  await later(CONNECT_MS * 2);
  rows.push([name, opened, Math.round(ms)]);
}

await spike("ours", (create) => new Pool({ create, minConnections: 0, maxConnections: MAX }));
await spike("generic-pool", (create) => {
  const pool = genericPool.createPool({ create, destroy: async () => {} }, { min: 0, max: MAX });
  return { use: (work) => pool.use(work) };
});
await spike("tarn", (create) => {
  const pool = new Tarn({ create, destroy: () => {}, min: 0, max: MAX });
  return {
    use: async (work) => {
      const resource = await pool.acquire().promise;
      await work();
      pool.release(resource);
    },
  };
});
await spike("lightning-pool", (create) => {
  const pool = createLightningPool({ create, destroy: async () => {} }, { min: 0, max: MAX });
  return {
    use: async (work) => {
      const resource = await pool.acquire();
      await work();
      pool.release(resource);
    },
  };
});
tabulate(
  `${REQUESTS} requests at once, at most ${MAX} connections, ${CONNECT_MS} ms to connect`,
  ["", "connections opened", "all served after, ms"],
  rows,
);
process.exit(0);
