import type { Clock, Timer } from "../../base/clock.ts";
import { newWire, type WireClient } from "./wire.ts";

/**
 * Asks the server, over a connection of its own, to cancel what a session is doing. Settles when the server has
 * taken the request (it closes the connection then), or after `timeoutMs`. Never throws: what the session's own
 * answer is decides.
 */
export function requestCancel(client: WireClient, clock: Clock, timeoutMs: number): Promise<void> {
  const { processID, secretKey, host, port, newStream } = client;
  if (processID === null || secretKey === null) return Promise.resolve();
  return new Promise((resolve) => {
    const { ssl, sslNegotiation } = client.connection;
    const wire = newWire({ ssl: ssl ?? false, sslNegotiation, stream: newStream });
    const timer = clock.schedule(() => wire.stream.destroy(), timeoutMs, { keepAlive: false });
    const send = (): void => wire.cancel(processID, secretKey);
    const done = (): void => {
      timer.cancel();
      resolve();
    };
    wire.on("error", done);
    wire.once("end", done);
    if (ssl) {
      if (sslNegotiation !== "direct") {
        wire.once("connect", () => (wire as unknown as { requestSsl(): void }).requestSsl());
      }
      wire.once("sslconnect", send);
    } else {
      wire.once("connect", send);
    }
    if (host.startsWith("/")) {
      (wire.connect as unknown as (path: string) => void).call(wire, `${host}/.s.PGSQL.${port}`);
    } else {
      // A name may stand for several servers: without a certificate to check, go where the session is.
      const address = ssl || newStream !== undefined ? undefined : client.connection.stream.remoteAddress;
      wire.connect(port, address ?? host);
    }
  });
}

/** A statement that is being cancelled: by a request to the server, and if it has not ended in time, by the end of its connection. */
export class Cancelling {
  /** Whether the connection was closed for it. */
  isForced = false;
  readonly #request: Promise<void>;
  readonly #timer: Timer;

  constructor(client: WireClient, clock: Clock, timeoutMs: number) {
    this.#request = requestCancel(client, clock, timeoutMs);
    this.#timer = clock.schedule(() => {
      this.isForced = true;
      client.connection.stream.destroy(new Error("a cancelled statement did not end"));
    }, timeoutMs);
  }

  /** To be called when the statement has ended. Settles when no request is on its way any more, so that it can't hit the next one. */
  async end(): Promise<void> {
    this.#timer.cancel();
    await this.#request;
  }
}
