import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { giveAway, postgresHome, spawnUnprivileged } from "./postgres-binaries.ts";
import { freePort, type PostgresServer, ROLE } from "./postgres-server.ts";

const START_TIMEOUT_MS = 20_000;
const POLL_MS = 10;

/** Where PgBouncer is installed; where it is not, that is printed. */
export function findPgBouncer(): string | undefined {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  const path = folders.map((folder) => join(folder, "pgbouncer")).find((file) => existsSync(file));
  if (path === undefined) process.stderr.write("\nNot tested here: PgBouncer, which is not installed\n");
  return path;
}

/** A PgBouncer, in transaction mode unless told otherwise, before a server, on a free port of the loopback address. */
export class PgBouncer {
  readonly #folder: string;
  readonly #process: ChildProcess;
  readonly #port: number;

  private constructor(folder: string, process: ChildProcess, port: number) {
    this.#folder = folder;
    this.#process = process;
    this.#port = port;
  }

  /** With so few sessions of the server that callers have to share them. */
  static async start(
    program: string,
    server: PostgresServer,
    sessions: number,
    mode: "transaction" | "session" = "transaction",
  ): Promise<PgBouncer> {
    const folder = join(postgresHome, `bouncer-${process.pid}-${randomBytes(6).toString("hex")}`);
    mkdirSync(folder);
    const users = join(folder, "users");
    const config = join(folder, "pgbouncer.ini");
    writeFileSync(users, `"${ROLE}" ""\n`);
    for (;;) {
      const port = await freePort();
      writeFileSync(
        config,
        [
          "[databases]",
          `* = host=127.0.0.1 port=${server.port}`,
          "[pgbouncer]",
          `pool_mode = ${mode}`,
          "listen_addr = 127.0.0.1",
          `listen_port = ${port}`,
          "unix_socket_dir =",
          "auth_type = trust",
          `auth_file = ${users}`,
          `default_pool_size = ${sessions}`,
          "max_client_conn = 200",
          "",
        ].join("\n"),
      );
      for (const path of [folder, users, config]) giveAway(path);
      const child = spawnUnprivileged(program, [config], { stdio: ["ignore", "ignore", "pipe"] });
      let log = "";
      child.stderr?.on("data", (chunk: Buffer) => {
        log += chunk;
      });
      const bouncer = new PgBouncer(folder, child, port);
      if (await bouncer.#answers()) return bouncer;
      await bouncer.remove();
      if (!/in use/i.test(log)) throw new Error(`PgBouncer did not start:\n${log}`);
      mkdirSync(folder);
      writeFileSync(users, `"${ROLE}" ""\n`);
    }
  }

  urlOf(database: string): string {
    return `postgres://${ROLE}@127.0.0.1:${this.#port}/${database}`;
  }

  async remove(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = new Promise((resolve) => this.#process.once("exit", resolve));
      this.#process.kill("SIGQUIT");
      await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.remove();
  }

  async #answers(): Promise<boolean> {
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (this.#process.exitCode === null && this.#process.signalCode === null && Date.now() < deadline) {
      const client = new pg.Client({ connectionString: this.urlOf("postgres") });
      try {
        await client.connect();
        await client.query("SELECT 1");
        return true;
      } catch {
        await sleep(POLL_MS);
      } finally {
        await client.end().catch(() => {});
      }
    }
    return false;
  }
}
