import type { Clock, Timer } from "../base/clock.ts";
import { FormDBError } from "../base/errors.ts";
import type { Connections } from "./connections.ts";

/** Tokens live at least so long; an unknown commit is looked up within seconds. Those of a journal are spared for longer. */
const TOKEN_LIFE_MS = 60 * 60 * 1_000;
/** How often old tokens are deleted. */
const PRUNE_EVERY_MS = 10 * 60 * 1_000;

/** Deletes the tokens of batches that nobody will ask for any more, now and then in the background. */
export class TokenPruner {
  readonly #connections: Connections;
  readonly #clock: Clock;
  readonly #failed: (error: unknown) => void;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(connections: Connections, clock: Clock, failed: (error: unknown) => void) {
    this.#connections = connections;
    this.#clock = clock;
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
      await this.#connections.use("write", {}, (connection) => connection.pruneTokens(TOKEN_LIFE_MS));
    } catch (error) {
      // Old tokens do no harm; the next turn tries again. Who may not write has stored none.
      if (!(error instanceof FormDBError && error.code === "FORMDB_UNSUPPORTED")) this.#failed(error);
    }
    this.#schedule();
  }
}
