import { connect, createServer, type Server, type Socket } from "node:net";

/** A proxy before a server that can stop forwarding, in both directions and for new connections, without closing any. */
export class BlackHole {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #open = true;
  #last: string | undefined;
  readonly #swallows = Promise.withResolvers<void>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async before(port: number): Promise<BlackHole> {
    const server = createServer();
    const hole = new BlackHole(server);
    server.on("connection", (client) => {
      const upstream = connect(port, "127.0.0.1");
      for (const [from, to] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        hole.#sockets.add(from);
        from.on("error", () => {});
        from.on("close", () => {
          hole.#sockets.delete(from);
          if (hole.#open) to.destroy();
        });
        from.on("data", (chunk: Buffer) => {
          if (hole.#last !== undefined && chunk.includes(hole.#last)) hole.swallow();
          if (hole.#open) to.write(chunk);
        });
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return hole;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  swallow(): void {
    this.#open = false;
    this.#swallows.resolve();
  }

  /** Stops forwarding with what holds this text; resolves when it has. */
  swallowFrom(text: string): Promise<void> {
    this.#last = text;
    return this.#swallows.promise;
  }

  [Symbol.dispose](): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
