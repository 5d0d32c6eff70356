import { execFile } from "node:child_process";
import { createServer, connect as dial, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { postgresBackend } from "../../../src/backend/postgres/postgres-backend.ts";
import { failure, never, OpenBackends, statement } from "../../support/postgres-backends.ts";
import { type PostgresServer, ROLE, startPostgres } from "../../support/postgres-server.ts";

const open = new OpenBackends();
afterEach(() => open.closeAll());

/** A relay before a server that can drop everything without a word, as a broken network does. */
class Relay implements AsyncDisposable {
  #blackHole = false;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((client) => {
    if (this.#blackHole) {
      this.#sockets.add(client);
      client.on("error", () => {});
      return;
    }
    const server = dial(this.#port, "127.0.0.1");
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from);
      from.on("data", (chunk) => {
        if (!this.#blackHole) to.write(chunk);
      });
      from.on("error", () => {});
      from.on("close", () => to.destroy());
    }
  });
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return (this.#server.address() as { port: number }).port;
  }

  vanish(): void {
    this.#blackHole = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

describe("a connection to PostgreSQL", () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
    await (await open.start(server.url)).stop();
  });
  afterAll(() => server.remove());

  test("whose peer has vanished is given up, and the write on it is of unknown outcome", async () => {
    await using relay = new Relay(server.port);
    const url = `postgres://${ROLE}@127.0.0.1:${await relay.listen()}/postgres?sslmode=disable`;
    const backend = await open.start(url, { silenceMs: 100 });
    const connection = await open.connect(backend);
    await connection.execute(statement("SELECT 1"), []);
    relay.vanish();
    const error = await failure(
      connection.write({ kind: "insert", collection: "c", ids: ["1"], json: ["{}"], token: undefined }),
    );
    expect(error).toMatchObject({ code: "FORMDB_CONNECTION_LOST", outcome: "unknown" });
    expect(error.message).toMatch(
      /sent nothing for 100 ms or more, and a new connection to it was not answered/,
    );
    expect(connection.usable).toBe(false);
  });

  test("whose server is only slow is left alone", async () => {
    const backend = await open.start(server.url, { silenceMs: 50 });
    const connection = await open.connect(backend);
    const { rows } = await connection.execute(statement("SELECT pg_sleep(0.6)::text, 7"), []);
    expect(rows).toEqual([["", 7]]);
  });

  test.each([
    [false, 0],
    [true, undefined],
  ])("with keepAlive %s ends an idle program with exit code %s", async (keepAlive, code) => {
    const entry = fileURLToPath(new URL("../../../src/index.ts", import.meta.url));
    const program = `
      import { open } from ${JSON.stringify(entry)};
      const db = await open(process.argv[1], { postgres: { keepAlive: ${keepAlive} } });
      await db.insert("idle", { n: 1 });
      console.log((await db.query("SELECT COUNT(*) AS n FROM idle")).rows[0].n > 0);
    `;
    const args = ["--input-type=module", "-e", program, server.url];
    const run = promisify(execFile)(process.execPath, args, { timeout: 8_000 });
    if (code === undefined) {
      await expect(run).rejects.toMatchObject({ killed: true, stdout: "true\n" });
    } else {
      expect(await run).toMatchObject({ stdout: "true\n" });
    }
  });
});

/** A message of PostgreSQL's protocol. */
function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

describe("a server that asks for the password in clear text", () => {
  test.each([
    ["", true],
    ["?allow_cleartext_password=true", false],
  ])("with the URL's parameters %j is refused: %s", async (search, refused) => {
    let got = "";
    const peer = createServer((socket) => {
      socket.on("error", () => {});
      socket.on("data", (chunk) => {
        if (chunk.length === 8) {
          socket.end("N");
        } else if (chunk[0] === 0x70) {
          got = chunk.subarray(5, -1).toString();
          socket.end(message("E", Buffer.from("SFATAL\0C28P01\0Mno\0\0")));
        } else {
          socket.write(message("R", Buffer.from([0, 0, 0, 3])));
        }
      });
    });
    await new Promise<void>((resolve) => peer.listen(0, "127.0.0.1", resolve));
    const { port } = peer.address() as { port: number };
    const backend = postgresBackend(`postgres://u:in-clear@127.0.0.1:${port}/db${search}`);
    const error = await failure(backend.connect("write", never));
    expect(error).toMatchObject({ code: "FORMDB_CONNECT_FAILED", retryable: false });
    expect(got).toBe(refused ? "" : "in-clear");
    if (refused) expect(error.message).toMatch(/asks for the password in clear text/);
    peer.close();
  });
});

test("a connection that ends anywhere in its first messages is a FormDBError, whatever was sent before", async () => {
  await using server = await startPostgres();
  let failures = 0;
  for (let cut = 1; cut < 900; cut += 13) {
    const relay = createServer((client) => {
      const upstream = dial(server.port, "127.0.0.1");
      let left = cut;
      client.on("error", () => {});
      upstream.on("error", () => {});
      client.on("data", (chunk) => upstream.write(chunk));
      client.on("close", () => upstream.destroy());
      upstream.on("close", () => client.destroy());
      upstream.on("data", (chunk) => {
        client.write(chunk.subarray(0, left));
        left -= chunk.length;
        if (left <= 0) client.end(() => upstream.destroy());
      });
    });
    await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
    const { port } = relay.address() as { port: number };
    const backend = postgresBackend(`postgres://${ROLE}@127.0.0.1:${port}/postgres?sslmode=disable`);
    const ended = await backend.start(never).then(
      () => undefined,
      (error: Error & { retryable?: boolean }) => error,
    );
    if (ended !== undefined) failures++;
    if (ended !== undefined) expect([ended.name, ended.retryable]).toEqual(["FormDBError", true]);
    await new Promise((resolve) => relay.close(resolve));
  }
  expect(failures).toBeGreaterThan(40);
});
