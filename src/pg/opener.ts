import type { TargetSessionAttrs } from "../backend/postgres/connection-url.ts";
import { type HostAddress, readHosts } from "../backend/postgres/host-address.ts";
import { HostRing } from "../backend/postgres/host-ring.ts";
import { MAX_DELAY_MS, systemClock } from "../base/clock.ts";
import { FormDBError, messageOf } from "../base/errors.ts";
import { ask, type Client, type ClientClass } from "./client.ts";
import { endsConnection } from "./failures.ts";
import type { PgPoolOptions } from "./pool-options.ts";
import type { StatementBook } from "./statement-book.ts";

/** After so long without traffic TCP asks whether the peer is there. */
const KEEP_ALIVE_DELAY_MS = 10_000;

/** What is opened, and with what. */
export interface OpenerOptions {
  readonly options: PgPoolOptions;
  /** Which hosts are wanted. */
  readonly wanted: TargetSessionAttrs;
  /** For all hosts together. */
  readonly connectTimeoutMs: number;
  readonly Client: ClientClass;
  readonly book: StatementBook | undefined;
  /** Told of each client before it connects. */
  readonly created: (client: Client) => void;
  /** Told of a client that did not come to be usable. */
  readonly failed: (client: Client) => void;
}

/** Where to connect to: the client's options, and how to replace the host in them. */
interface Target {
  readonly hosts: readonly HostAddress[];
  readonly optionsFor: (host: HostAddress) => PgPoolOptions;
}

/** Opens clients: on the first fitting one of several hosts, with the hooks `onConnect` and `verify` of `pg.Pool`. */
export class Opener {
  readonly #options: PgPoolOptions;
  readonly #parts: OpenerOptions;
  readonly #target: Target | undefined;
  readonly #ring: HostRing | undefined;
  #probed = false;

  /** Throws `FORMDB_CONFIG`. */
  constructor(parts: OpenerOptions) {
    this.#parts = parts;
    this.#options = parts.options;
    this.#target = targetOf(parts.options, parts.wanted);
    this.#ring =
      this.#target === undefined ? undefined : new HostRing(this.#target.hosts, false, systemClock);
  }

  /** A client that is ready. Throws what `pg` throws, or the hooks. */
  async open(signal: AbortSignal): Promise<Client> {
    if (this.#ring === undefined) return this.#connect(this.#options, signal);
    const { optionsFor } = this.#target!;
    const { wanted, connectTimeoutMs } = this.#parts;
    const start = performance.now();
    const hosts = this.#ring.order(wantsStandby(wanted));
    const failures: string[] = [];
    let cause: unknown;
    let spare: Client | undefined;
    for (const [place, host] of hosts.entries()) {
      if (signal.aborted) break;
      // What is left is for the hosts that were not tried: one that does not answer must not use it all up.
      const share = (connectTimeoutMs - (performance.now() - start)) / (hosts.length - place);
      const options = changed(optionsFor(host.address), {
        connectionTimeoutMillis: Math.max(1, Math.ceil(share)),
      });
      try {
        const client = await this.#connect(options, signal);
        host.open++;
        client.on("end", () => host.open--);
        const { standby, readOnly } = await this.#during(client, signal, () => roleOf(client));
        this.#ring.succeeded(host, standby);
        if (fits(wanted, standby, readOnly)) {
          if (spare !== undefined) this.#drop(spare);
          return client;
        }
        if (wanted === "prefer-standby" && spare === undefined) {
          spare = client;
          continue;
        }
        this.#drop(client);
        failures.push(`${host.name}: it is ${standby ? "a standby" : readOnly ? "read-only" : "a primary"}`);
      } catch (error) {
        cause = error;
        this.#ring.failed(host);
        failures.push(`${host.name}: ${messageOf(error)}`);
      }
    }
    if (spare !== undefined) return spare;
    throw new FormDBError(
      "FORMDB_CONNECT_FAILED",
      `Could not connect to a host that is ${wanted}: ${failures.join("; ")}`,
      { cause },
    );
  }

  async #connect(options: PgPoolOptions, signal: AbortSignal): Promise<Client> {
    const { Client, created } = this.#parts;
    const client = new Client(clientOptions(options));
    created(client);
    await this.#during(client, signal, async () => {
      await new Promise<void>((resolve, reject) => {
        client.connect((error) => (error ? reject(error) : resolve()));
      });
      await this.#probe(client);
      await this.#options.onConnect?.(client as never);
      await this.#verify(client);
    });
    return client;
  }

  /** What is done with a client before it is anybody's: the signal ends it, and if it fails the client is closed. */
  async #during<T>(client: Client, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const onAbort = (): void => client.connection?.stream.destroy(new Error("aborted"));
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await work();
    } catch (error) {
      this.#drop(client);
      throw error;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /**
   * Behind a transaction pooler the process that answers is not the one that was announced while connecting. Prepared
   * statements would go to other sessions then, so the first connection finds out.
   */
  async #probe(client: Client): Promise<void> {
    const { book } = this.#parts;
    if (book === undefined || this.#probed || typeof client.processID !== "number") return;
    try {
      const { rows } = await ask(client, "SELECT pg_backend_pid() AS pid");
      book.enabled = (rows[0] as { pid: number } | undefined)?.pid === client.processID;
    } catch (error) {
      // Of a connection that is lost the next one finds out.
      if (endsConnection(error)) throw error;
      // An engine that has no such function has no process to be told apart by: nothing is prepared.
    }
    this.#probed = true;
  }

  async #verify(client: Client): Promise<void> {
    const { verify } = this.#options;
    if (verify === undefined) return;
    await new Promise<void>((resolve, reject) => {
      verify(client as never, (error) => (error ? reject(error) : resolve()));
    });
  }

  #drop(client: Client): void {
    this.#parts.failed(client);
    client.end?.(() => {});
    client.connection?.stream.destroy();
  }
}

/** What a client is made of: keeps its connection alive, and takes a time without end for none instead of a millisecond. */
function clientOptions(options: PgPoolOptions): object {
  const changes = {
    ...("keepAlive" in options ? {} : { keepAlive: true, keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS }),
    ...(Number(options.connectionTimeoutMillis) > MAX_DELAY_MS ? { connectionTimeoutMillis: 0 } : {}),
  };
  return Object.keys(changes).length === 0 ? options : changed(options, changes);
}

/** A copy with some options replaced. `pg` reads own properties; the password stays one that is not enumerable. */
function changed(options: PgPoolOptions, changes: PgPoolOptions): PgPoolOptions {
  const { password } = options;
  const copy = { ...options, ...changes };
  if (password !== undefined) {
    Object.defineProperty(copy, "password", { value: password, enumerable: false, writable: true });
  }
  return copy;
}

/** Undefined if there is one host and no wish: `pg` itself finds it. Throws `FORMDB_CONFIG`. */
function targetOf(options: PgPoolOptions, wanted: TargetSessionAttrs): Target | undefined {
  const { connectionString } = options;
  const match = /^(postgres(?:ql)?:\/\/(?:[^@/?#]*@)?)([^/?#]*)(.*)$/is.exec(connectionString ?? "");
  const [, start = "", authority = "", rest = ""] = match ?? [];
  if (match !== null && (authority.includes(",") || wanted !== "any")) {
    return {
      hosts: readHosts(authority, undefined),
      optionsFor: (address) =>
        changed(options, { connectionString: `${start}${encodeAddress(address)}${rest}` }),
    };
  }
  // Where there is no URL `pg` looks into the environment.
  const host = options.host || (connectionString ? undefined : process.env.PGHOST || "localhost");
  if (match === null && host !== undefined && (host.includes(",") || wanted !== "any")) {
    return {
      hosts: readHosts(host, options.port === undefined ? undefined : String(options.port)),
      optionsFor: (address) => changed(options, { ...address }),
    };
  }
  return undefined;
}

function encodeAddress({ host, port }: HostAddress): string {
  return `${host.includes(":") ? `[${host}]` : encodeURIComponent(host)}:${port}`;
}

function wantsStandby(wanted: TargetSessionAttrs): boolean | undefined {
  return wanted === "any" || wanted === "read-only" ? undefined : wanted.endsWith("standby");
}

function fits(wanted: TargetSessionAttrs, standby: boolean, readOnly: boolean): boolean {
  switch (wanted) {
    case "read-write":
      return !readOnly;
    case "read-only":
      return readOnly;
    case "primary":
      return !standby;
    case "standby":
    case "prefer-standby":
      return standby;
    default:
      return true;
  }
}

async function roleOf(client: Client): Promise<{ standby: boolean; readOnly: boolean }> {
  const { rows } = await ask(
    client,
    "SELECT pg_is_in_recovery() AS standby, current_setting('transaction_read_only') = 'on' AS readonly",
  );
  const { standby, readonly } = rows[0] as { standby: boolean; readonly: boolean };
  return { standby, readOnly: readonly };
}
