import type { Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Milliseconds in which what a client still sends is read and thrown away behind its last answer. */
const LINGER_MS = 2_000;

interface Connection {
  /** Answers to come, the first one first: one, unless a client sends requests without waiting. */
  readonly underWay: ServerResponse[];
  /** The answer to bytes that are no request, behind those to the requests before them. */
  refusal?: string;
  isRefused?: boolean;
}

/**
 * Ends the connections of an HTTP server without loss of an answer. Node's own `closeIdleConnections` destroys a
 * connection whose answer is not on its way as a whole, and a connection that is closed with a part of the request
 * unread is reset, which takes the answer from a client that has not read it. So a connection ends once all its answers
 * are with the operating system, and the rest of a body is read and thrown away for a time (as nginx does, by the name
 * of `lingering_close`).
 */
export class Connections {
  readonly #connections: Map<Socket, Connection> = new Map();
  #isEnding = false;

  constructor(server: Server) {
    const answered = (response: ServerResponse): void => this.#answered(response);
    // One listener for all answers.
    function onClose(this: ServerResponse): void {
      answered(this);
    }
    server.on("connection", (socket) => {
      this.#connections.set(socket, { underWay: [] });
      socket.once("close", () => this.#connections.delete(socket));
    });
    server.on("request", (request, response) => {
      this.#connections.get(request.socket)?.underWay.push(response);
      response.on("close", onClose);
    });
    server.on("timeout", (socket) => this.#onSilence(socket));
    server.closeIdleConnections = () => this.#endIdle();
  }

  /** Answers bytes that are no request once the requests before them are answered, and ends the connection. */
  refuse(socket: Socket, answer: string): void {
    const connection = this.#connections.get(socket);
    if (connection === undefined || connection.isRefused) return;
    connection.refusal = answer;
    const { underWay } = connection;
    if (underWay.some(({ req }) => req.complete)) return;
    connection.isRefused = true;
    // The bytes are the body of a request whose answer has begun: there is no place for another one.
    if (underWay.some(({ headersSent }) => headersSent)) socket.destroy();
    else socket.end(answer);
    destroyAfter(socket, LINGER_MS);
  }

  /** Ends a connection on which nothing moves, unless its client waits for an answer: to make an index may take long. */
  #onSilence(socket: Socket): void {
    const answer = this.#connections.get(socket)?.underWay[0];
    if (answer === undefined || answer.headersSent || !answer.req.complete) socket.destroy();
  }

  #answered(response: ServerResponse): void {
    const { req: request } = response;
    const { socket } = request;
    const connection = this.#connections.get(socket);
    if (connection === undefined) return;
    const place = connection.underWay.indexOf(response);
    if (place >= 0) connection.underWay.splice(place, 1);
    if (socket.destroyed || !response.writableFinished) return;
    if (connection.refusal !== undefined) {
      this.refuse(socket, connection.refusal);
    } else if (!request.complete) {
      const isLast = this.#isEnding;
      if (isLast) socket.end();
      request.resume();
      // A connection whose body came after all may have another request under way.
      destroyAfter(socket, LINGER_MS, () => isLast || !request.complete);
    } else if (this.#isEnding && connection.underWay.length === 0) {
      socket.destroySoon();
    }
  }

  /** Ends those that wait for a request; the others end behind their answers. */
  #endIdle(): void {
    this.#isEnding = true;
    for (const [socket, { underWay }] of this.#connections) if (underWay.length === 0) socket.destroySoon();
  }
}

function destroyAfter(socket: Socket, afterMs: number, isDue: () => boolean = () => true): void {
  setTimeout(() => {
    if (isDue()) socket.destroy();
  }, afterMs).unref();
}
