const QUOTE = 0x22;
const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** A source, and how its first line ends. */
interface Peeked {
  readonly bytes: AsyncIterable<Buffer>;
  /** Undefined if no line ends in what was looked at. */
  readonly firstEnd: "\n" | "\r\n" | "\r" | undefined;
}

/** No more than this is held to find out; an input whose first line is longer is read as if its lines ended in LF. */
const MAX_PEEKED_BYTES = 1024 * 1024;

/** Finds the first line end outside of quotes. */
export async function peekLineEnd(source: AsyncIterable<Buffer>): Promise<Peeked> {
  const rest = source[Symbol.asyncIterator]();
  let head: Buffer = Buffer.alloc(0);
  let firstEnd: Peeked["firstEnd"];
  let ended = false;
  while (firstEnd === undefined && !ended && head.length < MAX_PEEKED_BYTES) {
    const next = await rest.next();
    ended = next.done === true;
    if (next.done !== true) head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
    firstEnd = lineEndOf(head, ended);
  }
  return {
    firstEnd,
    bytes: (async function* (): AsyncGenerator<Buffer> {
      if (head.length > 0) yield head;
      yield* { [Symbol.asyncIterator]: () => rest };
    })(),
  };
}

function lineEndOf(head: Buffer, isAll: boolean): Peeked["firstEnd"] {
  let quoted = false;
  for (const [at, byte] of head.entries()) {
    if (byte === QUOTE) quoted = !quoted;
    if (quoted || (byte !== NEWLINE && byte !== RETURN)) continue;
    if (byte === NEWLINE) return "\n";
    // What follows a CR at the very end is not known yet.
    if (at + 1 === head.length && !isAll) return undefined;
    return head[at + 1] === NEWLINE ? "\r\n" : "\r";
  }
  return undefined;
}
