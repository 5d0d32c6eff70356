import { Socket } from "node:net";
import pg from "pg";
import { Messages, type Reader } from "./messages.ts";
import type { Warning } from "./translate-error.ts";

/**
 * The parts of a `pg` client's connection that its own queries, and packages such as `pg-cursor`, use to
 * speak the protocol. The published types lag behind it.
 */
export interface Wire extends Reader {
  readonly stream: {
    readonly destroyed: boolean;
    readonly writable: boolean;
    write(bytes: Buffer): boolean;
    readonly remoteAddress?: string | undefined;
    cork(): void;
    uncork(): void;
    destroy(error?: Error): void;
    ref(): void;
    unref(): void;
    /** True for a TLS socket. */
    readonly encrypted?: boolean | undefined;
  };
  readonly ssl: unknown;
  /** `direct` if TLS begins without being asked for. */
  readonly sslNegotiation?: string | undefined;
  parse(message: { text: string; name: string }): void;
  bind(message: {
    portal: string;
    statement: string;
    values: readonly unknown[];
    valueMapper: (value: unknown) => string | Buffer | null;
  }): void;
  describe(message: { type: "P"; name: string }): void;
  execute(message: { portal: string; rows: number }): void;
  close(message: { type: "S" | "P"; name: string }): void;
  query(text: string): void;
  sync(): void;
  flush(): void;
  endCopyFrom(): void;
  sendCopyFail(reason: string): void;
  connect(port: number, host: string): void;
  cancel(processId: number, secretKey: number): void;
  once(event: string, listener: (...values: never[]) => void): void;
  on(event: string, listener: (...values: never[]) => void): void;
  off(event: string, listener: (...values: never[]) => void): void;
}

/** A `pg` client, with what its types leave out. */
export interface WireClient {
  readonly connection: Wire;
  readonly processID: number | null;
  readonly secretKey: number | null;
  readonly host: string;
  readonly port: number;
  /** What makes a stream to the server, if that is not a socket to its host and port. */
  readonly newStream?: (() => unknown) | undefined;
  connect(): Promise<unknown>;
  query(query: object): unknown;
  end(): Promise<void>;
  getTransactionStatus(): "I" | "T" | "E" | null;
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "end", listener: () => void): unknown;
  on(event: "notice", listener: (notice: Warning) => void): unknown;
}

/** What all sockets without TLS read into: it is used up, or copied, before the next read. */
const READ_INTO = Buffer.allocUnsafeSlow(64 * 1024);

/** A client that is not yet connected. Its rows go to the connection's `taker`. */
export function newClient(config: Readonly<Record<string, unknown>>): WireClient {
  // Node allocates 64 KiB for each read of a socket, unless it is told where to read to.
  const onRead = (length: number): boolean => {
    messages.take(READ_INTO, length);
    return true;
  };
  const plain =
    config.ssl === false ? new Socket({ onread: { buffer: READ_INTO, callback: onRead } }) : undefined;
  const client = new pg.Client({
    ...config,
    ...(plain && { stream: () => plain }),
  }) as unknown as WireClient;
  const messages = new Messages(client.connection, (socket) => socket === plain);
  return client;
}

/**
 * Makes a client that is not yet connected refuse to send its password in clear text over a connection without TLS. The
 * driver itself answers whatever the server asks for; this listener comes before its own, and ends the connection.
 */
export function refuseCleartextPassword({ connection }: WireClient): void {
  connection.on("authenticationCleartextPassword", () => {
    if (connection.stream.encrypted !== true) connection.stream.destroy(new Error(CLEARTEXT_REFUSED));
  });
}

const CLEARTEXT_REFUSED =
  "the server asks for the password in clear text over a connection without TLS, which anybody on the way could read; " +
  "use sslmode=require, or allow_cleartext_password=true if the network is trusted";

/** A connection without a session, for a cancel request. */
export function newWire(config: object): Wire {
  return new pg.Connection(config as pg.ConnectionConfig) as unknown as Wire;
}
