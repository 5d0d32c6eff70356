import { connect } from "node:net";
import type { Clock, Timer } from "../../base/clock.ts";

/** A session as the watch sees it. */
export interface WatchedSession {
  /** Grows with every call that begins and every part of an answer; undefined while nothing is awaited from the server. */
  readonly progress: number | undefined;
  readonly port: number;
  /** The address that the connection leads to; undefined on a Unix socket, whose peer can't vanish without a word. */
  readonly address: string | undefined;
  giveUp(error: Error): void;
}

/** How long a server has to answer a probe. */
const PROBE_TIMEOUT_MS = 5_000;

/** The request that every server that speaks PostgreSQL's protocol answers with one byte, before any log-in: `SSLRequest`. */
const SSL_REQUEST: Buffer = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

/**
 * Notices peers that have vanished: a network that drops every packet, a machine that lost its power. TCP repeats what was
 * sent for about a quarter of an hour before it gives up, and a keep-alive says nothing while something is unacknowledged.
 * So a session that waits and has heard nothing for `silenceMs` has its server asked over a new connection. A server that
 * answers is only slow, and is left alone; one that does not is gone, and so are the sessions on it.
 *
 * One timer looks at all sessions, so a call costs no more than a counter.
 */
export class DeadPeerWatch {
  readonly #silenceMs: number;
  readonly #clock: Clock;
  readonly #sessions = new Map<WatchedSession, number | undefined>();
  #timer: Timer | undefined;

  /** `silenceMs` of `Infinity` never asks. */
  constructor(silenceMs: number, clock: Clock) {
    this.#silenceMs = silenceMs;
    this.#clock = clock;
  }

  add(session: WatchedSession): void {
    if (this.#silenceMs === Infinity || session.address === undefined) return;
    this.#sessions.set(session, session.progress);
    this.#timer ??= this.#schedule();
  }

  delete(session: WatchedSession): void {
    this.#sessions.delete(session);
    if (this.#sessions.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Two looks in a row without progress are a silence of at least one interval. */
  #schedule(): Timer {
    return this.#clock.schedule(
      () => {
        this.#timer = this.#schedule();
        this.#look();
      },
      this.#silenceMs,
      { keepAlive: false },
    );
  }

  #look(): void {
    const silent = new Map<string, WatchedSession[]>();
    for (const [session, before] of this.#sessions) {
      const { progress, address, port } = session;
      if (progress !== undefined && progress === before) {
        const server = `${address} ${port}`;
        const others = silent.get(server);
        if (others === undefined) silent.set(server, [session]);
        else others.push(session);
      }
      this.#sessions.set(session, progress);
    }
    for (const sessions of silent.values()) void this.#ask(sessions);
  }

  async #ask(sessions: readonly WatchedSession[]): Promise<void> {
    const before = sessions.map(({ progress }) => progress);
    const { address, port } = sessions[0]!;
    const failure = await probe(address!, port);
    if (failure === undefined) return;
    sessions.forEach((session, i) => {
      if (!this.#sessions.has(session) || session.progress !== before[i]) return;
      session.giveUp(
        new Error(
          `the server has sent nothing for ${this.#silenceMs} ms or more, and a new connection to it ${failure}`,
        ),
      );
    });
  }
}

/** Why a server gives no answer; undefined if it does. */
function probe(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: PROBE_TIMEOUT_MS });
    const end = (failure: string | undefined): void => {
      socket.destroy();
      resolve(failure);
    };
    socket.on("connect", () => socket.write(SSL_REQUEST));
    socket.on("data", () => end(undefined));
    socket.on("timeout", () => end(`was not answered within ${PROBE_TIMEOUT_MS} ms`));
    socket.on("error", ({ message }) => end(`failed: ${message}`));
    socket.on("close", () => end("was closed without an answer"));
  });
}
