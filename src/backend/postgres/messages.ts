import { EventEmitter } from "node:events";

const AUTHENTICATION = 0x52;
const BIND_COMPLETE = 0x32;
const COMMAND_COMPLETE = 0x43;
const DATA_ROW = 0x44;
const ERROR_RESPONSE = 0x45;
const READY_FOR_QUERY = 0x5a;
/** A message's type and its length, which counts itself but not the type. */
const TYPE = 1;
const HEADER = TYPE + 4;

/** A query whose answer is coming. */
export interface AnswerTaker {
  /** Takes what a `DataRow` holds, at `start` of `bytes`, which are only lent. */
  takeRow(bytes: Buffer, start: number, end: number): void;
  /** Takes the tag of a statement that is complete, such as `INSERT 0 3`. */
  takeTag(tag: string): void;
}

/** Of a `pg` connection: what begins to read its socket, plain or encrypted, and the query that takes the rows which come now. */
export interface Reader {
  attachListeners(socket: EventEmitter): void;
  taker?: AnswerTaker | undefined;
}

/**
 * What a server sends to a `pg` connection, message by message. Rows and the ends of statements go to the query that waits for them
 * (`taker`), without an object and an event for each; all else goes to the driver.
 */
export class Messages {
  readonly #reader: Reader;
  /** What the driver takes for its socket. */
  readonly #driver = new EventEmitter();
  /** The beginning of a message that has not come to its end, its length, and how long it must be to be looked at again. */
  #parts: Buffer[] = [];
  #length = 0;
  #wanted = 0;

  /** Puts itself between the connection and its socket. `feeds` says whether a socket is read by others, who call `take`. */
  constructor(reader: Reader, feeds: (socket: unknown) => boolean) {
    this.#reader = reader;
    const attach = reader.attachListeners.bind(reader);
    reader.attachListeners = (socket) => {
      attach(this.#driver);
      if (!feeds(socket)) socket.on("data", (bytes: Buffer) => this.take(bytes, bytes.length));
    };
  }

  /** Takes the first `end` of the bytes, which are only lent. */
  take(lent: Buffer, end: number): void {
    let bytes = lent;
    let left = end;
    if (this.#length > 0) {
      this.#parts.push(Buffer.from(lent.subarray(0, end)));
      this.#length += end;
      if (this.#length < this.#wanted) return;
      bytes = Buffer.concat(this.#parts);
      left = this.#length;
      this.#parts = [];
      this.#length = 0;
    }
    let at = 0;
    while (left - at >= HEADER) {
      const next = at + TYPE + bytes.readUInt32BE(at + TYPE);
      if (next > left) break;
      this.#hand(bytes, at, next);
      at = next;
    }
    if (at === left) return;
    const rest = Buffer.from(bytes.subarray(at, left));
    this.#parts.push(rest);
    this.#length = rest.length;
    this.#wanted = rest.length < HEADER ? HEADER : TYPE + rest.readUInt32BE(TYPE);
  }

  #hand(bytes: Buffer, at: number, end: number): void {
    const { taker } = this.#reader;
    if (taker !== undefined) {
      switch (bytes[at]) {
        case BIND_COMPLETE:
          return;
        case DATA_ROW:
          taker.takeRow(bytes, at + HEADER, end);
          return;
        case COMMAND_COMPLETE:
          taker.takeTag(bytes.toString("latin1", at + HEADER, end - 1));
          return;
        case ERROR_RESPONSE:
        case READY_FOR_QUERY:
          this.#reader.taker = undefined;
      }
    }
    const message = bytes.subarray(at, end);
    // The driver keeps the salt of an MD5 password until it has the password, which may have to be asked for.
    this.#driver.emit("data", bytes[at] === AUTHENTICATION ? Buffer.from(message) : message);
  }
}
