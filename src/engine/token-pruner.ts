import type { Clock, Timer } from "../base/clock.ts";
import type { Connections } from "./connections.ts";

/** Tokens live at least so long; an unknown commit is looked up within seconds. */
export const TOKEN_LIFE_MS: number = 60 * 60 * 1_000;
/** With a spill: a token must outlive whatever the journal may still hold when a crashed service comes back. */
export const TOKEN_LIFE_WITH_SPILL_MS: number = 30 * 24 * 60 * 60 * 1_000;
/** How often old tokens are deleted. */
const PRUNE_EVERY_MS = 10 * 60 * 1_000;

/** Deletes the tokens of batches that nobody will ask for any more, now and then in the background. */
export class TokenPruner {
  readonly #connections: Connections;
  readonly #clock: Clock;
  readonly #lifeMs: number;
  readonly #failed: (error: unknown) => void;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(connections: Connections, clock: Clock, lifeMs: number, failed: (error: unknown) => void) {
    this.#connections = connections;
    this.#clock = clock;
    this.#lifeMs = lifeMs;
    this.#failed = failed;
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = this.#clock.schedule(() => void this.#prune(), PRUNE_EVERY_MS, { keepAlive: false });
  }

  async #prune(): Promise<void> {
    try {
      await this.#connections.use("write", {}, (connection) => connection.pruneTokens(this.#lifeMs));
    } catch (error) {
      // Old tokens do no harm; the next turn tries again.
      this.#failed(error);
    }
    this.#schedule();
  }
}
