import { fdatasync } from "node:fs";
import { promisify } from "node:util";

const datasync = promisify(fdatasync);

/**
 * Brings what was written to a file to its disk, from a thread of the system's pool: one call at a time, and all
 * callers during one share the next. Once it has failed it fails for ever, since the system may then have dropped
 * what it could not write, and reports that only once.
 */
export class FileSync {
  readonly #descriptor: number;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #failure: unknown;
  #ended = false;

  /** Takes an open file's descriptor over. */
  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** Throws what the first failure was. */
  mustWork(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Resolves when all that was written before the call is on the disk. */
  sync(): Promise<void> {
    this.#next ??= this.#afterRunning();
    return this.#next;
  }

  /** Calls `close` with the descriptor once no call of the system has it. What is asked for later is not done. */
  end(close: (descriptor: number) => void): void {
    this.#ended = true;
    const last = this.#next ?? this.#running;
    if (last === undefined) close(this.#descriptor);
    else void last.catch(() => {}).then(() => close(this.#descriptor));
  }

  async #afterRunning(): Promise<void> {
    await this.#running?.catch(() => {});
    this.#running = this.#next;
    this.#next = undefined;
    try {
      this.mustWork();
      // Closing the database has brought all to the disk.
      if (!this.#ended) await datasync(this.#descriptor);
    } catch (error) {
      this.#failure ??= error;
      throw error;
    } finally {
      this.#running = undefined;
    }
  }
}
