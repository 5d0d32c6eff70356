import { peek } from "./text.ts";

const QUOTE = 0x22;
const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** How a line ends; undefined if no line ends in what was looked at. */
type LineEnd = "\n" | "\r\n" | "\r" | undefined;

/** No more than this is held to find out; an input whose first line is longer is read as if its lines ended in LF. */
const MAX_PEEKED_BYTES = 1024 * 1024;

/** Finds the first line end outside of quotes, and gives the source with it. */
export async function peekLineEnd(
  source: AsyncIterable<Buffer>,
): Promise<{ readonly bytes: AsyncIterable<Buffer>; readonly firstEnd: LineEnd }> {
  let firstEnd: LineEnd;
  const { all } = await peek(source, (head, isAll) => {
    firstEnd = lineEndOf(head, isAll);
    return firstEnd !== undefined || head.length >= MAX_PEEKED_BYTES;
  });
  return { firstEnd, bytes: all };
}

function lineEndOf(head: Uint8Array, isAll: boolean): LineEnd {
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
