import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Milliseconds in which the rest of a body is read and thrown away behind its answer. */
const LINGER_MS = 2_000;

/**
 * Ends the connections of an HTTP server without loss of an answer. Node's own `closeIdleConnections` destroys a
 * connection whose answer is not on its way as a whole, and a connection that is closed with a part of the request
 * unread is reset, which takes the answer from a client that has not read it. So a connection ends once all its answers
 * are with the operating system, and the rest of a body is read and thrown away for a time (as nginx does, by the name
 * of `lingering_close`).
 */
export class Connections {
  /** How many requests of each connection are under way. */
  readonly #underWay: Map<Socket, number> = new Map();
  #isEnding = false;

  constructor(server: Server) {
    server.on("connection", (socket) => {
      this.#underWay.set(socket, 0);
      socket.once("close", () => this.#underWay.delete(socket));
    });
    server.on("request", (request, response) => {
      this.#count(request.socket, 1);
      response.once("close", () => this.#answered(request, response));
    });
    server.closeIdleConnections = () => this.#endIdle();
  }

  #count(socket: Socket, change: 1 | -1): number {
    const count = (this.#underWay.get(socket) ?? 0) + change;
    if (this.#underWay.has(socket)) this.#underWay.set(socket, count);
    return count;
  }

  #answered(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const isIdle = this.#count(socket, -1) === 0;
    if (socket.destroyed || !response.writableFinished) return;
    if (!request.complete) {
      if (this.#isEnding) socket.end();
      request.resume();
      const timer = setTimeout(() => {
        if (!request.complete || this.#isEnding) socket.destroy();
      }, LINGER_MS);
      socket.once("close", () => clearTimeout(timer));
    } else if (this.#isEnding && isIdle) socket.destroySoon();
  }

  /** Ends those that wait for a request; the others end behind their answers. */
  #endIdle(): void {
    this.#isEnding = true;
    for (const [socket, underWay] of this.#underWay) if (underWay === 0) socket.destroySoon();
  }
}
