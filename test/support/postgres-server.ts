import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import {
  giveAway,
  moveOrDrop,
  type PostgresBinaries,
  type PostgresVersion,
  postgresBinaries,
  postgresHome,
  runUnprivileged,
  spawnUnprivileged,
} from "./postgres-binaries.ts";

export { type PostgresVersion, postgresVersions } from "./postgres-binaries.ts";

/** The role of the tests; it may do everything and needs no password. */
export const ROLE = "formdb";
/** The role that has to give a password, where a test makes it. */
export const PASSWORD_ROLE = "with_password";

const START_TIMEOUT_MS = 60_000;
const POLL_MS = 10;

/** Made for tests: what survives the death of the process, but not of the machine. */
const FAST_SETTINGS: Readonly<Record<string, string>> = {
  fsync: "off",
  full_page_writes: "off",
  shared_buffers: "64MB",
  unix_socket_directories: "",
  listen_addresses: "127.0.0.1",
  max_connections: "120",
  wal_keep_size: "256MB",
  hot_standby_feedback: "on",
  log_min_messages: "warning",
};

/** But for the one that asks. */
const OF_CLIENTS = "FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";

export interface StartPostgresOptions {
  readonly version?: PostgresVersion;
  /** Settings of `postgresql.conf`, by name. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Makes the server a streaming standby of this one, which must be running. */
  readonly standbyOf?: PostgresServer;
}

/** A server of its own on a free port of the loopback address. Gone with the process that started it. */
export class PostgresServer {
  readonly version: PostgresVersion;
  readonly dataDir: string;
  readonly #folder = join(postgresHome, `server-${process.pid}-${randomBytes(6).toString("hex")}`);
  readonly #options: StartPostgresOptions;
  #watchdog: ChildProcess | undefined;
  #port = 0;
  #process: ChildProcess | undefined;

  /** Nothing runs before `begin`. */
  constructor(options: StartPostgresOptions = {}) {
    this.version = options.version ?? options.standbyOf?.version ?? "18";
    this.dataDir = join(this.#folder, "data");
    this.#options = options;
  }

  /** As the server says it, such as `18.4`. */
  get serverVersion(): string {
    return postgresBinaries(this.version).serverVersion;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return this.urlOf("postgres");
  }

  urlOf(database: string): string {
    return `postgres://${ROLE}@127.0.0.1:${this.#port}/${database}`;
  }

  /** Everything that the server wrote to its log. */
  get log(): string {
    const path = join(this.#folder, "log");
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  /** Makes its files and starts it. */
  async begin(): Promise<void> {
    const { standbyOf: primary } = this.#options;
    mkdirSync(this.#folder);
    giveAway(this.#folder);
    this.#watchdog = watch(this.#folder);
    if (primary === undefined) copy(template(postgresBinaries(this.version)), this.dataDir);
    else await copyRunning(primary, this.dataDir);
    await this.start();
  }

  /** Starts it, on the port that it had before if any. */
  async start(): Promise<void> {
    const deadline = Date.now() + START_TIMEOUT_MS;
    const keepPort = this.#port !== 0;
    for (;;) {
      if (!keepPort) this.#port = await freePort();
      const logBefore = this.log.length;
      if (await this.#tryStart(deadline)) return;
      const reason = this.log.slice(logBefore);
      // A port may have been taken since, and the children of a killed server take a moment to leave.
      const passing = /Address already in use|shared memory block .* still in use|lock file/i.test(reason);
      if (!passing || Date.now() > deadline) {
        throw new Error(`PostgreSQL ${this.serverVersion} did not start:\n${reason}`);
      }
      await sleep(POLL_MS);
    }
  }

  /** Stops it: `fast` ends its sessions in order, `immediate` as a crash would. The data stays. */
  async stop(mode: "fast" | "immediate" = "fast"): Promise<void> {
    await this.#end(mode === "fast" ? "SIGINT" : "SIGQUIT");
  }

  /** Kills it, as `kill -9` of the process does. The data stays. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async restart(mode: "fast" | "immediate" = "fast"): Promise<void> {
    await this.stop(mode);
    await this.start();
  }

  /** Makes a standby the primary. */
  async promote(): Promise<void> {
    await this.query("SELECT pg_promote(true, 60)");
  }

  /** Stops it and deletes its files. */
  async remove(): Promise<void> {
    await this.#end("SIGQUIT");
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
    this.#watchdog?.stdin?.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.remove();
  }

  /** Runs SQL on a connection of its own; rows come as objects. */
  async query(text: string, values: readonly unknown[] = []): Promise<Record<string, unknown>[]> {
    const client = new pg.Client({ connectionString: this.url });
    client.on("error", () => {});
    await client.connect();
    try {
      return (await client.query(text, [...values])).rows;
    } finally {
      await client.end();
    }
  }

  /** How many sessions of clients there are of which this SQL condition over `pg_stat_activity` holds. */
  async sessions(condition: string): Promise<number> {
    return (await this.query(`SELECT ${OF_CLIENTS} AND ${condition}`)).length;
  }

  /** Resolves once a session waits for a lock that another has. */
  async someoneWaits(): Promise<void> {
    while ((await this.query("SELECT FROM pg_locks WHERE NOT granted")).length === 0);
  }

  /** Ends those sessions, as an administrator would; gives how many there were. */
  async terminate(condition: string): Promise<number> {
    return (await this.query(`SELECT pg_terminate_backend(pid) ${OF_CLIENTS} AND ${condition}`)).length;
  }

  /** A new, empty database; gives its URL. */
  async createDatabase(): Promise<string> {
    const name = `test_${randomBytes(6).toString("hex")}`;
    await this.query(`CREATE DATABASE ${name}`);
    return this.urlOf(name);
  }

  async #tryStart(deadline: number): Promise<boolean> {
    const { settings, standbyOf: primary } = this.#options;
    const args = ["-D", this.dataDir, "-p", String(this.#port)];
    const all: Record<string, string> = { ...FAST_SETTINGS, ...settings };
    if (primary !== undefined) {
      all.primary_conninfo = `host=127.0.0.1 port=${primary.port} user=${ROLE} application_name=standby`;
    }
    for (const [name, value] of Object.entries(all)) args.push("-c", `${name}=${value}`);
    const log = openSync(join(this.#folder, "log"), "a");
    const child = spawnUnprivileged(join(postgresBinaries(this.version).bin, "postgres"), args, {
      stdio: ["ignore", log, log],
    });
    child.unref();
    this.#process = child;
    while (Date.now() < deadline) {
      if (hasEnded(child)) return false;
      if (this.#isReady(child.pid)) return true;
      await sleep(POLL_MS);
    }
    await this.kill();
    return false;
  }

  /** Reads it from the file in which a server writes its state for `pg_ctl`. */
  #isReady(pid: number | undefined): boolean {
    try {
      const lines = readFileSync(join(this.dataDir, "postmaster.pid"), "utf8").split("\n");
      return Number(lines[0]) === pid && lines[7]?.trim() === "ready";
    } catch {
      return false;
    }
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || hasEnded(child)) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.ref();
    child.kill(signal);
    await ended;
  }
}

/** Starts a server. Call `remove` (or `await using`) at its end; it ends with this process at the latest. */
export async function startPostgres(options: StartPostgresOptions = {}): Promise<PostgresServer> {
  const server = new PostgresServer(options);
  try {
    await server.begin();
  } catch (error) {
    await server.remove();
    throw error;
  }
  return server;
}

/** A folder as `initdb` makes it, made once for each version and copied for each server. */
function template(binaries: PostgresBinaries): string {
  const target = join(postgresHome, `template-3-${binaries.serverVersion}`);
  if (existsSync(target)) return target;
  const draft = `${target}-${randomBytes(6).toString("hex")}`;
  const options = ["--no-sync", "--auth=trust", `--username=${ROLE}`, "--encoding=UTF8"];
  // Not the order of bytes: so that what must not depend on the server's order is seen not to.
  options.push("--locale=C", "--locale-provider=icu", "--icu-locale=en-US");
  runUnprivileged(join(binaries.bin, "initdb"), [...options, "-D", draft]);
  writeFileSync(
    join(draft, "pg_hba.conf"),
    [
      `host all ${PASSWORD_ROLE} all scram-sha-256`,
      "host all all all trust",
      "host replication all all trust",
      "",
    ].join("\n"),
  );
  moveOrDrop(draft, target);
  return target;
}

function copy(from: string, to: string): void {
  runUnprivileged("cp", ["-Rp", from, to]);
}

/** The data of a running server, as `pg_basebackup` would fetch it; its WAL comes by streaming. */
async function copyRunning(primary: PostgresServer, to: string): Promise<void> {
  const client = new pg.Client({ connectionString: primary.url });
  await client.connect();
  try {
    await client.query("SELECT pg_backup_start('standby', true)");
    try {
      copy(primary.dataDir, to);
    } catch (error) {
      // Temporary files may vanish while they are copied.
      if (!existsSync(join(to, "PG_VERSION"))) throw error;
    }
    const { rows } = await client.query("SELECT labelfile FROM pg_backup_stop(false)");
    runUnprivileged("rm", ["-rf", join(to, "pg_wal"), join(to, "postmaster.pid")]);
    runUnprivileged("mkdir", ["-p", "-m", "0700", join(to, "pg_wal", "archive_status")]);
    writeFileSync(join(to, "backup_label"), rows[0].labelfile);
    writeFileSync(join(to, "standby.signal"), "");
    giveAway(join(to, "backup_label"));
    giveAway(join(to, "standby.signal"));
  } finally {
    await client.end();
  }
}

/**
 * A small process that ends the server of this folder and deletes the folder when this process is gone,
 * whatever ended it. The server's id comes from the server's own file, so no other process is meant.
 */
function watch(folder: string): ChildProcess | undefined {
  if (process.platform === "win32") return undefined;
  const script =
    'cat >/dev/null; pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null); ' +
    'if [ -n "$pid" ]; then kill -QUIT "$pid" 2>/dev/null; sleep 1; fi; rm -rf "$1"';
  const child = spawnUnprivileged("/bin/sh", ["-c", script, "sh", folder], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  child.unref();
  (child.stdin as unknown as { unref?: () => void } | null)?.unref?.();
  return child;
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
