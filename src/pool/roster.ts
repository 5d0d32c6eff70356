import type { Entry } from "./entry.ts";
import { Host } from "./host.ts";

/** Idle entries that a wish for a certain one looks at, at most. */
export const MAX_AFFINITY_PROBES = 8;

/**
 * The entries of a pool, by resource and by host. It counts, finds and orders them, and decides nothing:
 * what an entry's state may become is the pool's business.
 */
export class Roster<T> {
  readonly hosts: readonly Host<T>[];
  readonly #only: Host<T> | undefined;
  readonly #byResource: Map<T, Entry<T>> = new Map();
  readonly #holds: ((resource: T, key: string) => boolean) | undefined;
  #idle = 0;
  #total = 0;

  constructor(hosts: readonly string[], holds: ((resource: T, key: string) => boolean) | undefined) {
    this.hosts = Object.freeze(hosts.map((name) => new Host<T>(name)));
    this.#only = this.hosts.length === 1 ? this.hosts[0] : undefined;
    this.#holds = holds;
  }

  /** Ready entries that the pool counts as its own: all but the revoked. */
  get total(): number {
    return this.#total;
  }

  get idle(): number {
    return this.#idle;
  }

  get(resource: T): Entry<T> | undefined {
    return this.#byResource.get(resource);
  }

  has(resource: T): boolean {
    return this.#byResource.has(resource);
  }

  entries(): IterableIterator<Entry<T>> {
    return this.#byResource.values();
  }

  add(entry: Entry<T>): void {
    this.#byResource.set(entry.resource, entry);
    entry.host.open++;
    this.#total++;
  }

  /** Takes an entry out of the pool; a revoked one stays known until its holder gives it back. */
  remove(entry: Entry<T>, state: "gone" | "revoked"): void {
    if (entry.state === "idle") this.#unstack(entry);
    if (entry.state !== "revoked") {
      entry.host.open--;
      this.#total--;
    }
    entry.state = state;
    if (state === "gone") this.#byResource.delete(entry.resource);
  }

  putIdle(entry: Entry<T>): void {
    entry.state = "idle";
    entry.host.idle.add(entry);
    this.#idle++;
  }

  /** Takes an idle entry off its stack: it is `busy` until the pool says what comes next. */
  take(entry: Entry<T>): void {
    this.#unstack(entry);
    entry.state = "busy";
  }

  /**
   * The idle entry to lend next: one that holds what is preferred, among the first few; else the last used
   * one of the host with the fewest in use.
   */
  best(prefer: string | undefined): Entry<T> | undefined {
    const host = this.#only ?? this.#leastUsed();
    const top = host?.idle.top;
    if (prefer === undefined || this.#holds === undefined || top === undefined) return top;
    return this.#holder(prefer, this.#holds) ?? top;
  }

  #holder(key: string, holds: (resource: T, key: string) => boolean): Entry<T> | undefined {
    for (const { idle } of this.hosts) {
      let entry = idle.top;
      for (let probes = 0; entry !== undefined && probes < MAX_AFFINITY_PROBES; probes++) {
        try {
          if (holds(entry.resource, key)) return entry;
        } catch {
          // A wish that can't be looked up is no reason to fail: any entry will do.
        }
        entry = entry.below;
      }
    }
    return undefined;
  }

  #leastUsed(): Host<T> | undefined {
    let least: Host<T> | undefined;
    for (const host of this.hosts) {
      if (host.idle.size > 0 && (least === undefined || host.inUse < least.inUse)) least = host;
    }
    return least;
  }

  #unstack(entry: Entry<T>): void {
    entry.host.idle.remove(entry);
    this.#idle--;
  }
}
