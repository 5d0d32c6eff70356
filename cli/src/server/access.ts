import { hash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { FormDBError } from "@formdb/perf";

/** What a request may do, each more than the one before. `open` is for everybody. */
export type Access = "open" | "metrics" | "read" | "full";

const ORDER: readonly Access[] = ["open", "metrics", "read", "full"];

export interface Keys {
  /** Allows everything. */
  readonly apiKey?: string | undefined;
  /** Allows queries and reads, and metrics. */
  readonly readKey?: string | undefined;
  /** Allows `/metrics` alone. */
  readonly metricsKey?: string | undefined;
}

/** What a request's key is good for, and whom its rate is counted for. */
export interface Holder {
  readonly access: Access;
  readonly name: string;
}

const EVERYBODY: Holder = { access: "full", name: "" };
const NOBODY: Holder = { access: "open", name: "" };

/** Shorter keys can be guessed. */
const MIN_KEY_LENGTH = 16;

/** The keys of a server. Without any, everybody may do everything: good for a loopback address alone. */
export class Gate {
  readonly #digests: readonly { readonly holder: Holder; readonly digest: Buffer }[];

  constructor(keys: Keys) {
    const given = [
      ["full", keys.apiKey, "FORMDB_API_KEY"],
      ["read", keys.readKey, "FORMDB_READ_KEY"],
      ["metrics", keys.metricsKey, "FORMDB_METRICS_KEY"],
    ] as const;
    this.#digests = given.flatMap(([access, key, name]) => {
      if (key === undefined || key === "") return [];
      const isVisible = /^[\x21-\x7e]+$/.test(key);
      if (key.length < MIN_KEY_LENGTH || !isVisible) {
        const found = `${key.length} characters${isVisible ? "" : " with others among them"}`;
        throw new FormDBError(
          "FORMDB_CONFIG",
          `${name} must be at least ${MIN_KEY_LENGTH} visible ASCII characters, not ${found}`,
        );
      }
      return [{ holder: { access, name: access }, digest: digestOf(key) }];
    });
  }

  get isOpen(): boolean {
    return this.#digests.length === 0;
  }

  get hasFullKey(): boolean {
    return this.#digests.some(({ holder }) => holder.access === "full");
  }

  /** Who asks, by the key of the headers. Takes as long whatever the key is. Undefined for a key that is none. */
  holderOf(headers: IncomingHttpHeaders): Holder | undefined {
    if (this.isOpen) return EVERYBODY;
    const key = keyOf(headers);
    if (key === undefined) return NOBODY;
    const digest = digestOf(key);
    let found: Holder | undefined;
    for (const one of this.#digests) if (timingSafeEqual(one.digest, digest)) found ??= one.holder;
    return found;
  }
}

export function allows(has: Access, needed: Access): boolean {
  return ORDER.indexOf(has) >= ORDER.indexOf(needed);
}

/** `Authorization: Bearer KEY` or `X-API-Key: KEY`. */
function keyOf(headers: IncomingHttpHeaders): string | undefined {
  const bearer = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? "")?.[1];
  const key = bearer ?? headers["x-api-key"];
  return Array.isArray(key) ? key[0] : key;
}

/** Digests have one length, so that comparing them tells nothing of the keys' lengths. */
function digestOf(key: string): Buffer {
  return hash("sha256", key, "buffer");
}

/** Whether an address is this machine's own. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, "").toLowerCase();
  return name === "localhost" || name === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name);
}
