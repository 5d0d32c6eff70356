/** A place of the log, such as `16/B374D848`, as a number. */
export function lsnValue(lsn: string): bigint {
  const [high = "0", low = "0"] = lsn.split("/");
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`);
}

/** Behind every place of the log. */
const NOWHERE = "FFFFFFFF/FFFFFFFF";

/** How far the primary's log went with what this process wrote. */
export class ReplicationState {
  /** Whether anybody wants to know: it costs a call after each write. */
  readonly tracked: boolean;
  #lastWrite: string | undefined;
  /** Writes whose place could not be learnt. */
  losses = 0;

  constructor(tracked: boolean) {
    this.tracked = tracked;
  }

  /** The place behind the last write; undefined where nothing was written. */
  get lastWrite(): string | undefined {
    return this.#lastWrite;
  }

  /** The log's place after a write, which was asked for when so many places were lost. */
  wrote(lsn: string, losses: number): void {
    if (this.#lastWrite === NOWHERE) {
      // One that was asked for before may not be behind the write whose place was lost.
      if (losses === this.losses) this.#lastWrite = lsn;
    } else if (this.#lastWrite === undefined || lsnValue(lsn) > lsnValue(this.#lastWrite))
      this.#lastWrite = lsn;
  }

  /** The place of a write is not known: until the next one's is, no replica is taken to have it. */
  lost(): void {
    this.losses++;
    this.#lastWrite = NOWHERE;
  }
}
