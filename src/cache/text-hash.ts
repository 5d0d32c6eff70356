/**
 * A 32-bit hash of a text, as a small integer: FNV-1a over UTF-16 units, finished by MurmurHash3's mixer because
 * FNV's low bits are weak and the frequency sketch takes its rows from them. Not for use against adversaries: a
 * collision only blurs a statistic or an admission, it never serves a wrong plan.
 */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
