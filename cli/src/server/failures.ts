import type { Log } from "./log.ts";
import { messageInstead } from "./status.ts";

/** How one document of many failed. */
interface Failure {
  readonly code?: string | undefined;
  readonly error?: string | undefined;
}

/**
 * The failures of a request's documents as its client is told them: the driver's own words go to the log instead, those of
 * the first document for each code.
 */
export class Failures {
  readonly #log: Log;
  readonly #requestId: string;
  readonly #logged = new Set<string>();

  constructor(log: Log, requestId: string) {
    this.#log = log;
    this.#requestId = requestId;
  }

  /** `cause` is the error itself, if there is more than its message. */
  told<F extends Failure>(failure: F, cause: unknown = failure.error): F {
    const { code = "" } = failure;
    const error = messageInstead(code);
    if (error === undefined) return failure;
    if (!this.#logged.has(code)) {
      this.#logged.add(code);
      this.#log.error({ reqId: this.#requestId, err: cause, code }, "a document of a request failed");
    }
    return { ...failure, error };
  }
}
