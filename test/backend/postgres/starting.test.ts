import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { postgresBackend } from "../../../src/backend/postgres/postgres-backend.ts";
import { BlackHole } from "../../support/black-hole.ts";
import { failure } from "../../support/failure.ts";
import { usePostgres } from "../../support/hooks.ts";
import { OpenBackends, run } from "../../support/postgres-backends.ts";
import { PASSWORD_ROLE, ROLE } from "../../support/postgres-server.ts";
import { change, never } from "../../support/statements.ts";

const open = new OpenBackends();

describe("with PostgreSQL 18", () => {
  const server = usePostgres();

  beforeAll(async () => {
    await open.start(server.url);
    await server.query(`CREATE ROLE ${PASSWORD_ROLE} LOGIN PASSWORD 'right'`);
  });

  /** A proxy that ends each connection after so many of the server's bytes. */
  async function cutAfter(bytes: number): Promise<{ readonly url: string; readonly proxy: Server }> {
    const proxy = createServer((client) => {
      const upstream = connect(server.port, "127.0.0.1");
      let left = bytes;
      for (const socket of [client, upstream]) socket.on("error", () => {});
      client.on("data", (chunk) => upstream.write(chunk));
      client.on("close", () => upstream.destroy());
      upstream.on("close", () => client.destroy());
      upstream.on("data", (chunk) => {
        client.write(chunk.subarray(0, left), () => left <= 0 && client.destroy());
        left -= chunk.length;
      });
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const { port } = proxy.address() as { port: number };
    return { url: `postgres://${ROLE}@127.0.0.1:${port}/postgres`, proxy };
  }

  test("a start that is cut at any byte of what the server says is a FormDBError that may be retried", async () => {
    let succeeded = 0;
    for (let bytes = 0; succeeded === 0 && bytes < 4_000; bytes += bytes < 500 ? 7 : 3) {
      const { url, proxy } = await cutAfter(bytes);
      try {
        await postgresBackend(`${url}?sslmode=disable`).start(never);
        succeeded++;
      } catch (error) {
        const expected = { name: "FormDBError", code: "FORMDB_CONNECT_FAILED", retryable: true };
        expect(error, `cut after ${bytes} bytes`).toMatchObject(expected);
      } finally {
        proxy.close();
      }
    }
    expect(succeeded).toBe(1);
  });

  test("a server that stops answering loses the call, whose outcome is unknown", async () => {
    using hole = await BlackHole.before(server.port);
    const backend = await open.start(`postgres://${ROLE}@127.0.0.1:${hole.port}/postgres`, {
      silenceMs: 100,
      connectTimeoutMs: 2_000,
    });
    const connection = await open.connect(backend);
    await run(connection, "CREATE TABLE IF NOT EXISTS swallowed (n int)");
    hole.swallow();
    const error = await failure(connection.execute(change("INSERT INTO swallowed VALUES (1)"), []));
    expect(error).toMatchObject({ code: "FORMDB_CONNECTION_LOST", outcome: "unknown", retryable: false });
    expect(connection.usable).toBe(false);
  });

  test("a host that says nothing behind its log-in is left for the next one, and at the signal's end", async () => {
    using hole = await BlackHole.before(server.port);
    const both = `postgres://${ROLE}@127.0.0.1:${hole.port},127.0.0.1:${server.port}/postgres`;
    const patient = postgresBackend(both, { targetSessionAttrs: "read-write" });
    const swallowed = hole.swallowFrom("SHOW transaction_read_only");
    const controller = new AbortController();
    const given = failure(patient.connect("write", controller.signal));
    await swallowed;
    controller.abort();
    expect(await given).toMatchObject({ code: "FORMDB_ABORTED" });

    using other = await BlackHole.before(server.port);
    const hasty = postgresBackend(both.replace(String(hole.port), String(other.port)), {
      targetSessionAttrs: "read-write",
      connectTimeoutMs: 2_000,
    });
    void other.swallowFrom("SHOW transaction_read_only");
    const connection = await open.connect(hasty);
    expect(connection.host).toBe(`127.0.0.1:${server.port}`);
  });

  test("a lost BEGIN changed nothing, and says so", async () => {
    using hole = await BlackHole.before(server.port);
    const backend = await open.start(`postgres://${ROLE}@127.0.0.1:${hole.port}/postgres`, {
      silenceMs: 50,
      connectTimeoutMs: 2_000,
    });
    const connection = await open.connect(backend);
    hole.swallow();
    expect(await failure(connection.begin(undefined))).toMatchObject({
      code: "FORMDB_CONNECTION_LOST",
      outcome: "rejected",
      retryable: true,
    });
  });

  test("a process with idle connections ends without close, unless it is told to stay", async () => {
    const run = (options: string): Promise<"ended" | "stayed"> =>
      new Promise((resolve) => {
        const child = spawn(process.execPath, [
          "--input-type=module",
          "-e",
          `import { open } from ${JSON.stringify(new URL("../../../src/index.ts", import.meta.url).href)};
           const db = await open(${JSON.stringify(server.url)}, { postgres: ${options} });
           await db.query("SELECT 1 FROM nothing_here").catch(() => {});
           console.log("idle");`,
        ]);
        let timer: NodeJS.Timeout | undefined;
        child.stdout.on("data", () => {
          timer = setTimeout(() => {
            child.kill("SIGKILL");
            resolve("stayed");
          }, 8_000);
        });
        child.on("exit", (_, signal) => {
          clearTimeout(timer);
          if (signal === null) resolve("ended");
        });
      });
    expect(await Promise.all([run("{}"), run("{ keepAlive: true }")])).toEqual(["ended", "stayed"]);
  });

  test("a password is not sent as it is without TLS, unless that is asked for", async () => {
    const hba = join(server.dataDir, "pg_hba.conf");
    const before = readFileSync(hba, "utf8");
    writeFileSync(hba, `host all ${PASSWORD_ROLE} all password\n${before}`);
    await server.query("SELECT pg_reload_conf()");
    const url = `postgres://${PASSWORD_ROLE}:right@127.0.0.1:${server.port}/postgres`;
    const error = await failure(postgresBackend(url).connect("write", never));
    expect(error).toMatchObject({ code: "FORMDB_CONNECT_FAILED", retryable: false });
    expect(error.message).toMatch(/clear|encrypt/i);
    const allowed = await open.connect(postgresBackend(`${url}?allow_cleartext_password=true`));
    expect(await allowed.ping()).toBe(true);
    writeFileSync(hba, before);
    await server.query("SELECT pg_reload_conf()");
  });
});

test("a peer that asks for the password itself hears nothing of it", async () => {
  let heard = "";
  const peer = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      heard += chunk.toString("latin1");
      const isSslRequest = chunk.length === 8;
      // To a request for TLS: no. To the start: AuthenticationCleartextPassword.
      socket.write(isSslRequest ? "N" : Buffer.from([82, 0, 0, 0, 8, 0, 0, 0, 3]));
    });
  });
  await new Promise<void>((resolve) => peer.listen(0, "127.0.0.1", resolve));
  const { port } = peer.address() as { port: number };
  const at = `app:Secret@127.0.0.1:${port}/db`;
  expect(await failure(postgresBackend(`postgres://${at}`).connect("write", never))).toMatchObject({
    code: "FORMDB_CONNECT_FAILED",
    retryable: false,
  });
  expect(heard).not.toContain("Secret");
  peer.close();
});
