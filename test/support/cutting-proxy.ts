import { connect, createServer, type Server, type Socket } from "node:net";

/**
 * When a connection is cut: before the server gets what was sent, once it has got it, or when it has answered and the client
 * has not heard of it.
 */
export type Cut = "before" | "while" | "after";

export const CUTS: readonly Cut[] = ["before", "while", "after"];

/** What a server ends its answer with: outside of a transaction, in one, and in one that has failed. */
const IDLE = Buffer.from("Z\0\0\0\x05I");
const IN_TRANSACTION = Buffer.from("Z\0\0\0\x05T");
const IN_FAILED_TRANSACTION = Buffer.from("Z\0\0\0\x05E");

/** A proxy before a PostgreSQL server that cuts connections at chosen moments. */
export class CuttingProxy {
  readonly #server: Server = createServer();
  readonly #sockets = new Set<Socket>();
  /** Those of them that clients have made. */
  readonly #clients = new Set<Socket>();
  #next: { readonly text: string; readonly cut: Cut } | undefined;
  /** How many connections it has cut. */
  cuts = 0;
  /** Called just before one is cut. */
  onCut: (() => void) | undefined;

  private constructor() {}

  static async before(port: number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy();
    proxy.#server.on("connection", (client) => proxy.#join(client, connect(port, "127.0.0.1")));
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** The URL of a database behind it. */
  urlOf(url: string): string {
    return Object.assign(new URL(url), { port: String(this.port) }).href;
  }

  /** Cuts, once, the next connection on which a client sends this text. */
  cutNext(text: string, cut: Cut): void {
    this.#next = { text, cut };
  }

  /** Takes back what `cutNext` has asked for and nobody has met yet. */
  cutNoMore(): void {
    this.#next = undefined;
  }

  /** Cuts the connection of a client that was made last, by a reset. */
  cutLast(): void {
    [...this.#clients].at(-1)?.resetAndDestroy();
  }

  /** Cuts all connections. */
  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  [Symbol.dispose](): void {
    this.#server.close();
    this.cutAll();
  }

  #join(client: Socket, server: Socket): void {
    /** Of the message that is to be answered, and no more. */
    let ends: readonly Buffer[] = [];
    /** The last bytes of the answer that the client does not get. */
    let tail = Buffer.alloc(0);
    const end = (): void => {
      client.destroy();
      server.destroy();
    };
    const cutNow = (): void => {
      this.onCut?.();
      this.onCut = undefined;
      end();
    };
    this.#clients.add(client);
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.setNoDelay();
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#sockets.delete(socket);
        this.#clients.delete(socket);
        end();
      });
    }
    client.on("data", (chunk) => {
      if (this.#next === undefined || !chunk.includes(this.#next.text)) {
        server.write(chunk);
        return;
      }
      const { cut } = this.#next;
      this.#next = undefined;
      this.cuts++;
      if (cut === "before") cutNow();
      else if (cut === "while") server.write(chunk, cutNow);
      else {
        // What is sent together with COMMIT has answers of its own before.
        ends = chunk.includes("COMMIT") ? [IDLE] : [IDLE, IN_TRANSACTION, IN_FAILED_TRANSACTION];
        server.write(chunk);
      }
    });
    server.on("data", (chunk) => {
      if (ends.length === 0) {
        client.write(chunk);
        return;
      }
      tail = Buffer.concat([tail, chunk]).subarray(-IDLE.length);
      if (ends.some((bytes) => tail.equals(bytes))) cutNow();
    });
  }
}
