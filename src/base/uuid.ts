/** Random bytes are fetched from the system for so many ids at once: a call costs more than its bytes. */
const IDS_PER_FILL = 256;
const BYTES_PER_ID = 16;

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const random: Uint8Array<ArrayBuffer> = new Uint8Array(IDS_PER_FILL * BYTES_PER_ID);
let used = random.length;

let lastMs = 0;
let counter = 0;

/**
 * A UUID of version 7 (RFC 9562): milliseconds since 1970, then a counter of 12 bits that starts at random within
 * each millisecond, then 62 random bits. Ids made by one process sort in the order in which they were made.
 */
export function uuidV7(wallTime: () => number = Date.now): string {
  const at = nextRandom();
  const now = Math.floor(wallTime());
  if (now > lastMs) {
    lastMs = now;
    // The upper half of the counter's range stays free for ids of the same millisecond.
    counter = ((random[at + 6]! << 8) | random[at + 7]!) & 0x7ff;
  } else if (++counter > 0xfff) {
    // A full counter, or a clock that was set back, borrows from the next millisecond.
    lastMs++;
    counter = 0;
  }
  const high = Math.floor(lastMs / 0x10000);
  const low = lastMs & 0xffff;
  return (
    `${HEX[(high >>> 24) & 0xff]}${HEX[(high >>> 16) & 0xff]}${HEX[(high >>> 8) & 0xff]}${HEX[high & 0xff]}-` +
    `${HEX[low >>> 8]}${HEX[low & 0xff]}-${HEX[0x70 | (counter >>> 8)]}${HEX[counter & 0xff]}-${tail(at)}`
  );
}

/** A UUID of version 4 (RFC 9562): 122 random bits, for engines on which ordered keys make a hot spot. */
export function uuidV4(): string {
  const at = nextRandom();
  return (
    `${HEX[random[at]!]}${HEX[random[at + 1]!]}${HEX[random[at + 2]!]}${HEX[random[at + 3]!]}-` +
    `${HEX[random[at + 4]!]}${HEX[random[at + 5]!]}-` +
    `${HEX[0x40 | (random[at + 6]! & 0x0f)]}${HEX[random[at + 7]!]}-${tail(at)}`
  );
}

/** The last two groups of either version: the variant's two bits and 62 random ones. */
function tail(at: number): string {
  return (
    `${HEX[0x80 | (random[at + 8]! & 0x3f)]}${HEX[random[at + 9]!]}-` +
    `${HEX[random[at + 10]!]}${HEX[random[at + 11]!]}${HEX[random[at + 12]!]}` +
    `${HEX[random[at + 13]!]}${HEX[random[at + 14]!]}${HEX[random[at + 15]!]}`
  );
}

function nextRandom(): number {
  if (used >= random.length) {
    globalThis.crypto.getRandomValues(random);
    used = 0;
  }
  const at = used;
  used += BYTES_PER_ID;
  return at;
}
