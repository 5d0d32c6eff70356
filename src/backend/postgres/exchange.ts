import { FormDBError, messageOf } from "../../base/errors.ts";
import { callMessage } from "./call-message.ts";
import { type ColumnDecoder, decoderOf, encodeValue, rawDecoderOf } from "./column-decoders.ts";
import type { AnswerTaker } from "./messages.ts";
import type { Wire } from "./wire.ts";

/** What is sent. Without a statement name it is parsed anew, with one it is kept under that name. */
export interface Request {
  readonly text: string;
  /** Undefined for the simple protocol, which takes several statements but no values. */
  readonly values: readonly unknown[] | undefined;
  /** Empty for the unnamed statement. */
  readonly name: string;
  /** Whether the server still has to parse it. */
  readonly parse: boolean;
  /** How its columns are read, where that is known; else the server is asked to describe them. */
  readonly decoders: readonly ColumnDecoder[] | undefined;
  /** Whether the columns' names are asked for, and their values as `db.sql` documents them. */
  readonly raw?: boolean;
  /** Names of statements that the server may forget. */
  readonly close: readonly string[];
}

/** What came back. */
export interface Reply {
  readonly rows: readonly (readonly unknown[])[];
  /** As in the last `CommandComplete`; 0 where it has none. */
  readonly rowCount: number;
  /** The first word of the last `CommandComplete`, such as `UPDATE` or `ROLLBACK`. */
  readonly command: string;
  readonly decoders: readonly ColumnDecoder[] | undefined;
  /** The columns' names, where the request is `raw` and the server has described them. */
  readonly columns: readonly string[] | undefined;
}

/** What a statement fails with that has run, but of whose answer a value can't be read. */
export class UnreadableRow extends Error {
  constructor(cause: unknown) {
    super(`a value of the answer can't be read: ${messageOf(cause)}`, { cause });
  }
}

const COPY_REFUSED =
  "COPY … FROM STDIN is given no data here: store documents by import(), and rows by INSERT";
const COPY_UNREAD = "COPY … TO STDOUT gives no rows here: read them by SELECT, or documents by stream()";
const NO_COLUMNS: readonly ColumnDecoder[] = Object.freeze([]);

/**
 * One call and its answer on a `pg` client, which hands the protocol's messages to it. Unlike the client's own
 * queries it asks the server to describe a prepared statement only once, closes what fell out of the
 * LRU in the same packet, and settles only when the server is ready again, so that the state of the transaction is known.
 */
export class Exchange implements AnswerTaker {
  readonly reply: Promise<Reply>;
  /** Called when the server is ready for the next call, or is gone; with the error of a call that failed. */
  onEnd: ((error: unknown) => void) | undefined;
  readonly #request: Request;
  #isWritten = false;
  readonly #rows: unknown[][] = [];
  #decoders: readonly ColumnDecoder[] | undefined;
  #columns: readonly string[] | undefined;
  #tag = "";
  #error: unknown;
  /** Why the answer of a call that has run can't be given. */
  #unreadable: Error | undefined;
  #resolve: (reply: Reply) => void = ignore;
  #reject: (error: unknown) => void = ignore;

  constructor(request: Request) {
    this.#request = request;
    this.#decoders = request.decoders;
    this.reply = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Called by the client: the answers that come from now on are this call's. */
  submit(wire: Wire): null {
    wire.taker = this;
    if (!this.#isWritten) this.write(wire);
    return null;
  }

  /** Sends the call, which may be done before those that were sent earlier are answered. */
  write(wire: Wire): void {
    this.#isWritten = true;
    const { text, values, name, parse, decoders, close } = this.#request;
    if (values !== undefined && !parse && decoders !== undefined && close.length === 0) {
      // The usual call: a prepared statement whose columns are known.
      const message = callMessage(name, values);
      if (message !== undefined) {
        if (wire.stream.writable) wire.stream.write(message);
        return;
      }
    }
    wire.stream.cork();
    try {
      for (const stale of close) wire.close({ type: "S", name: stale });
      if (values === undefined) {
        wire.query(text);
      } else {
        if (parse) wire.parse({ text, name });
        wire.bind({ portal: "", statement: name, values, valueMapper: encodeValue });
        if (decoders === undefined) wire.describe({ type: "P", name: "" });
        wire.execute({ portal: "", rows: 0 });
        wire.sync();
      }
    } finally {
      wire.stream.uncork();
    }
  }

  /** Ends a call that the client was not given. */
  fail(error: unknown): void {
    this.#reject(error);
  }

  handleRowDescription({
    fields,
  }: {
    readonly fields: readonly { readonly name: string; readonly dataTypeID: number }[];
  }): void {
    const { raw = false } = this.#request;
    this.#decoders = fields.map(({ dataTypeID }) => (raw ? rawDecoderOf(dataTypeID) : decoderOf(dataTypeID)));
    if (raw) this.#columns = fields.map(({ name }) => name);
    // Of several statements in one text, the last one's rows are the answer.
    this.#rows.length = 0;
  }

  /** A parser of the application's own (`pg.types`) may throw, which must not reach the socket. */
  takeRow(bytes: Buffer, start: number): void {
    if (this.#unreadable !== undefined) return;
    try {
      this.#rows.push(decodeRow(bytes, start, this.#decoders ?? NO_COLUMNS));
    } catch (error) {
      this.#unreadable = new UnreadableRow(error);
    }
  }

  takeTag(tag: string): void {
    this.#tag = tag;
  }

  handleEmptyQuery(): void {}

  handlePortalSuspended(): void {}

  handleCopyInResponse(wire: Wire): void {
    this.#error ??= new FormDBError("FORMDB_UNSUPPORTED", COPY_REFUSED, { details: { outcome: "rejected" } });
    wire.sendCopyFail("FormDB sends no data here");
    // The server has taken the one that was sent with the call for a part of the data, and passed over it.
    if (this.#request.values !== undefined) wire.sync();
  }

  handleCopyData(): void {
    this.#unreadable ??= new FormDBError("FORMDB_UNSUPPORTED", COPY_UNREAD);
  }

  handleError(error: unknown, wire: Wire): void {
    this.#error ??= error;
    afterError(wire, () => {
      this.#reject(this.#error);
      this.onEnd?.(this.#error);
    });
  }

  handleReadyForQuery(): void {
    if (this.#unreadable !== undefined) {
      this.#reject(this.#unreadable);
      this.onEnd?.(this.#unreadable);
      return;
    }
    const { command, rowCount } = readTag(this.#tag);
    const decoders = this.#decoders ?? NO_COLUMNS;
    this.#resolve({ rows: this.#rows, rowCount, command, decoders, columns: this.#columns });
    this.onEnd?.(undefined);
  }
}

/** A row's values from what a `DataRow` holds: how many there are, then the length (-1 for NULL) and the text of each. */
export function decodeRow(bytes: Buffer, start: number, decoders: readonly ColumnDecoder[]): unknown[] {
  const row = new Array<unknown>(bytes.readUInt16BE(start));
  let at = start + 2;
  for (let i = 0; i < row.length; i++) {
    const length = bytes.readInt32BE(at);
    at += 4;
    if (length < 0) {
      row[i] = null;
      continue;
    }
    row[i] = decoders[i]!(bytes, at, at + length);
    at += length;
  }
  return row;
}

/** Calls back when the server is ready again after an error, or is gone. */
export function afterError(wire: Wire, settle: () => void): void {
  const once = (): void => {
    wire.off("readyForQuery", once);
    wire.off("end", once);
    settle();
  };
  if (wire.stream.destroyed) {
    settle();
    return;
  }
  wire.on("readyForQuery", once);
  wire.on("end", once);
}

/** `INSERT 0 3` and `UPDATE 3` are 3 rows, `COMMIT` is none. */
export function readTag(tag: string): { readonly command: string; readonly rowCount: number } {
  const end = tag.indexOf(" ");
  if (end === -1) return { command: tag, rowCount: 0 };
  const count = Number(tag.slice(tag.lastIndexOf(" ") + 1));
  return { command: tag.slice(0, end), rowCount: Number.isInteger(count) ? count : 0 };
}

function ignore(): void {}
