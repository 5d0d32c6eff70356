/** A place of the log, such as `16/B374D848`, as a number. */
export function lsnValue(lsn: string): bigint {
  const [high = "0", low = "0"] = lsn.split("/");
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`);
}

/** How far the primary's log went with what this process wrote. */
export class ReplicationState {
  /** Whether anybody wants to know: it costs a call after each write. */
  readonly tracked: boolean;
  #lastWrite: string | undefined;

  constructor(tracked: boolean) {
    this.tracked = tracked;
  }

  /** The place behind the last write; undefined where nothing was written. */
  get lastWrite(): string | undefined {
    return this.#lastWrite;
  }

  wrote(lsn: string): void {
    if (this.#lastWrite === undefined || lsnValue(lsn) > lsnValue(this.#lastWrite)) this.#lastWrite = lsn;
  }
}
