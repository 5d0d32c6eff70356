import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { Pool } from "../../src/pool/pool.ts";

const CHILD = new URL("../support/pool-process.ts", import.meta.url).pathname;

function start(...words: string[]): ChildProcess {
  return spawn(process.execPath, [CHILD, ...words], { stdio: ["pipe", "pipe", "inherit"] });
}

/** What the child prints until it ends, and its exit code. */
async function ended(child: ChildProcess): Promise<string> {
  let said = "";
  child.stdout!.on("data", (chunk) => {
    said += chunk;
  });
  const [code] = (await once(child, "close")) as [number];
  return `${said}${code}`;
}

it("after the event loop was blocked, a pool serves its queue instead of timing it out", async () => {
  await using pool = new Pool({ create: () => ({}), maxConnections: 1, acquireTimeoutMs: 1_000 });
  pool.release(await pool.acquire());
  const reads = Array.from({ length: 20 }, () => pool.use(() => readFile(import.meta.filename)));
  const until = performance.now() + 1_200;
  while (performance.now() < until);
  const outcomes = await Promise.allSettled(reads);
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(20);
});

it("after the process was stopped, a pool serves its queue instead of timing it out", async () => {
  const child = start("queue");
  const end = ended(child);
  await once(child.stdout!, "data");
  child.kill("SIGSTOP");
  await sleep(2_000);
  child.stdin!.write("go on\n");
  child.kill("SIGCONT");
  expect(await end).toBe("waiting\n20 served\n0");
});

it("idle connections of a pool that nobody closes don't keep the process running", async () => {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const child = start("sockets", String((server.address() as AddressInfo).port));
  expect(await ended(child)).toBe("served, and open\n0");
  server.close();
});
