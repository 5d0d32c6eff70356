// A process of its own for tests of the pool: `sockets <port>` leaves idle connections behind, `queue` is stopped
// by its parent while callers wait.
import { readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { Pool } from "../../src/pool/pool.ts";

const [mode, port] = process.argv.slice(2);

function connected(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), "127.0.0.1", () => resolve(socket)).once("error", reject);
  });
}

if (mode === "sockets") {
  const pool = new Pool({ create: connected, destroy: (socket) => socket.destroy(), minConnections: 2 });
  await Promise.all([pool.use(() => readFile(import.meta.filename)), pool.use(() => 1)]);
  process.stdout.write(`served, ${pool.stats().total > 0 ? "and open" : "and closed"}\n`);
} else {
  const pool = new Pool({ create: () => ({}), maxConnections: 1, acquireTimeoutMs: 1_000 });
  const held = await pool.acquire();
  const reads = Array.from({ length: 20 }, () => pool.use(() => readFile(import.meta.filename)));
  process.stdin.once("data", () => pool.release(held));
  process.stdout.write("waiting\n");
  const outcomes = await Promise.allSettled(reads);
  process.stdout.write(`${outcomes.filter(({ status }) => status === "fulfilled").length} served\n`);
  process.stdin.destroy();
}
