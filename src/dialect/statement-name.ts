import { createHash } from "node:crypto";

/** A name made from a statement's text: 128 bits of its SHA-256, so that no two texts share one. */
export function statementName(text: string): string {
  return `f${createHash("sha256").update(text).digest("hex").slice(0, 32)}`;
}
